/** Plays a manifest's playlist round and round, and lets a new manifest take over at an item's boundary. */

import { sleep } from "../shared/backoff.js";
import { carryOver, endOf, indexAfter, itemsOf, nextChange, sameItems } from "./schedule.js";
import { prepare, Unshowable } from "./showable.js";

const PRELOAD_MS = 10_000; // decoded before it is due, but not for hours
const PATIENCE_MS = 60_000; // a still image of a day must not keep a change from the screen for a day
const LATE_MS = 3000; // a video that plays its own length ends by itself; this is for one that does not
const LOOK_AGAIN_MS = 30_000;
const SKIP_MS = 2000; // doubling to a minute: how long an item that failed is left out

/**
 * `onPlaying({item, startedAt} | null)` tells of each start; `onShown(manifest)` that a manifest has taken over;
 * `onTrouble(item, error | null)` that an item failed, or plays again.
 */
export class Playback {
  manifest = null;
  playing = null;
  #offered = null;
  #last = -1;
  #next = null; // {item, showable: Promise<Showable | null>}
  #run = null;
  #cut = new AbortController();
  #failed = new Map();
  #volume = 0;

  constructor({ stage, cache, clock, onPlaying, onShown, onTrouble }) {
    Object.assign(this, { stage, cache, clock, onPlaying, onShown, onTrouble });
  }

  start() {
    if (this.#run !== null) return;
    this.#run = new AbortController();
    this.#loop(this.#run.signal);
  }

  /** Leave the stage as soon as may be; `start` goes on with the item after the last one. */
  stop() {
    this.#run?.abort();
    this.#run = null;
    this.#cut.abort();
    this.stage.clear();
    this.#playing(null);
  }

  /** Let `manifest`, all of whose media are here, take over: at once if that changes nothing visible. */
  offer(manifest) {
    this.#offered = manifest;
    const idle = this.playing === null;
    if (this.#run === null || sameItems(itemsOf(this.manifest), itemsOf(manifest))) this.#adopt(manifest);
    else if (idle) this.#cut.abort();
    else if (!this.stage.current?.playsOnce) this.#loseNotMoreThan(PATIENCE_MS);
  }

  setVolume(volume) {
    this.#volume = volume;
    this.stage.current?.setVolume(volume);
    this.#next?.showable.then((showable) => showable?.setVolume(volume));
  }

  async #loop(signal) {
    while (!signal.aborted) {
      try {
        await this.#step(signal);
      } catch (error) {
        this.onTrouble(null, error); // a defect of ours: say so, and go on playing
        await sleep(SKIP_MS, signal);
      }
    }
  }

  /** One item from its preparation to its end, or one wait for there to be one. */
  async #step(signal) {
    this.#cut = new AbortController();
    const { manifest, index } = this.#upNext();
    if (index < 0) {
      await this.#idle(manifest);
      return;
    }
    const showable = await this.#ready(itemsOf(manifest)[index]);
    if (showable === null || signal.aborted) {
      showable?.dispose();
      return;
    }
    await this.#play(showable, { manifest, index, signal });
  }

  /**
   * The manifest to play from next and the index of its item; -1 when there is nothing to play. An offered manifest
   * comes first, unless all it has to show now has failed: then the old one plays on.
   */
  #upNext() {
    const now = this.clock.now();
    const left = this.#left();
    if (this.#offered !== null) {
      const items = itemsOf(this.#offered);
      const last = carryOver(items, this.playing?.item ?? null);
      const index = indexAfter(items, last, now, left);
      if (index >= 0 || indexAfter(items, last, now) < 0) return { manifest: this.#offered, index };
    }
    return { manifest: this.manifest, index: indexAfter(itemsOf(this.manifest), this.#last, now, left) };
  }

  async #play(showable, { manifest, index, signal }) {
    const { item } = showable;
    try {
      await this.stage.show(showable, { fade: item.transition === "fade" });
    } catch (error) {
      this.#fail(item, error);
      return;
    }
    if (signal.aborted) {
      if (this.stage.current === showable) this.stage.clear();
      return;
    }
    if (this.#offered !== null && manifest === this.#offered) this.#adopt(manifest);
    // While this was getting ready another manifest may have taken over: then its order counts.
    this.#last = manifest === this.manifest ? index : carryOver(itemsOf(this.manifest), item);
    this.#playing({ item, startedAt: this.clock.now() });
    await this.#untilOver(showable);
  }

  /** Wait for the item's end by the clock, its own end, or a cut, and have the next one ready by then. */
  async #untilOver(showable) {
    const { item } = showable;
    const cut = this.#cut;
    const { startedAt } = this.playing;
    const until = showable.playsOnce
      ? endOf({ ...item, durationMs: item.durationMs + LATE_MS }, startedAt)
      : endOf(item, startedAt);
    let failed = false;
    showable.over.then(
      () => cut.abort(),
      (error) => {
        failed = true;
        this.#fail(item, error);
        cut.abort();
      },
    );
    await sleep(until - this.clock.now() - PRELOAD_MS, cut.signal);
    if (!cut.signal.aborted) this.#preload();
    await sleep(until - this.clock.now(), cut.signal);
    if (!failed && this.#failed.delete(item.id)) this.onTrouble(item, null);
  }

  async #idle(manifest) {
    this.stage.clear();
    if (this.#offered !== null && manifest === this.#offered) this.#adopt(manifest);
    this.#playing(null);
    const now = this.clock.now();
    const retries = [...this.#failed.values()].map(({ until }) => until).filter((until) => until > now);
    const wake = Math.min(nextChange(itemsOf(manifest), now), now + LOOK_AGAIN_MS, ...retries);
    await sleep(wake - now + 1, this.#cut.signal);
  }

  /** Make `manifest` the one that plays, and say so when it was not. */
  #adopt(manifest) {
    this.#offered = null;
    const items = itemsOf(manifest);
    this.#last = this.playing ? carryOver(items, this.playing.item) : Math.min(this.#last, items.length - 1);
    this.manifest = manifest;
    this.#failed.clear();
    this.onShown(manifest);
  }

  #loseNotMoreThan(ms) {
    const cut = this.#cut;
    sleep(ms, cut.signal).then(() => cut.abort());
  }

  #preload() {
    const { manifest, index } = this.#upNext();
    const item = itemsOf(manifest)[index];
    if (item) this.#next = { item, showable: this.#prepare(item) };
  }

  /** The showable of `item`: the one that was prepared ahead when it is that, else a new one; null when it fails. */
  #ready(item) {
    const ahead = this.#next;
    this.#next = null;
    if (ahead !== null && ahead.item === item) return ahead.showable;
    ahead?.showable.then((showable) => showable?.dispose());
    return this.#prepare(item);
  }

  async #prepare(item) {
    try {
      const blob = await this.cache.blob(item);
      if (blob === null) throw new Unshowable("missing", "The media is not on this device.");
      return await prepare(item, blob, { volume: this.#volume });
    } catch (error) {
      this.#fail(item, error);
      return null;
    }
  }

  #fail(item, error) {
    const times = (this.#failed.get(item.id)?.times ?? 0) + 1;
    const wait = Math.min(60_000, SKIP_MS * 2 ** (times - 1));
    this.#failed.set(item.id, { times, until: this.clock.now() + wait });
    this.onTrouble(item, error);
  }

  /** The ids that are left out for now because they failed. */
  #left() {
    const now = this.clock.now();
    return new Set([...this.#failed].filter(([, { until }]) => until > now).map(([id]) => id));
  }

  #playing(playing) {
    if (playing === null && this.playing === null) return;
    this.playing = playing;
    this.onPlaying(playing);
  }
}
