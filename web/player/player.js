/** The player: pairs, then plays until the server says that the screen is gone, then pairs anew. */

import { sleep } from "../shared/backoff.js";
import { Api } from "../shared/client.js";
import { actionsOf } from "./actions.js";
import { Commands } from "./commands.js";
import { ManifestSync } from "./manifest.js";
import { Pairing } from "./pairing.js";
import { Playback } from "./playback.js";
import { Report } from "./report.js";
import { emergencyAt } from "./schedule.js";
import { painted } from "./stage.js";
import { Uplink } from "./uplink.js";

export const PLAYER = { name: "Marquee web player", version: "1.0.0" };

const REVIEW_MS = 250; // an emergency ends within this of its time
const RESUME_WITHIN_MS = 1500; // an emergency's view waits this long for the playlist to be back under it
const UPDATE_SPREAD_MS = 600_000; // after a restart of the server not all screens ask for its files at once
const KEEP_CLOCK_MS = 60_000;
const STATE_OF_A_SCREEN = ["credential", "held", "shown", "commands", "volume"];

export class Player {
  credential = null;
  errors = [];
  #update = null;
  #clockKeptAt = 0;
  #volume = null; // an operator's command: {volume, over}, good while the manifest's own is still `over`

  /** Built by main.js: `{store, clock, cache, stage, emergency, notices, pairingView, shell, page, metrics}`. */
  constructor(parts) {
    Object.assign(this, parts);
    this.api = new Api({ credentials: { token: () => this.credential?.screenToken ?? null } });
    this.report = new Report({ metrics: this.metrics, onChange: (urgent) => this.uplink?.changed(urgent) });
  }

  /** Never resolves. */
  async run() {
    for (;;) {
      this.credential = (await this.store.get("credential")) ?? (await this.#pair());
      await this.#playUntilGone();
      await this.#forget();
    }
  }

  /** Name and short code, for an operator who stands before several screens. */
  get identity() {
    const name = this.sync?.held?.name ?? this.credential?.name ?? "";
    return { name, code: (this.credential?.screenId ?? "").slice(-6).toUpperCase() };
  }

  async setVolume(volume) {
    this.#volume = { volume, over: this.playback.manifest?.volume ?? null };
    await this.store.set("volume", this.#volume);
    this.playback.setVolume(volume);
  }

  /** Keep an unexpected error for the diagnostics. What it broke reports for itself. */
  note(error) {
    const said = `${new Date(this.clock.now()).toISOString()} ${error?.stack ?? error}`;
    this.errors = [...this.errors.slice(-9), said];
    console.warn(said);
  }

  async #pair() {
    this.page.dataset.phase = "pairing";
    this.pairingView.show();
    const pairing = new Pairing({
      api: this.api,
      clock: this.clock,
      store: this.store,
      player: PLAYER,
      resolution: resolution(),
      onCode: (current) => this.pairingView.code(current),
      onReach: (reached) => this.pairingView.note(reached ? this.shell.limit : "The server cannot be reached. Trying again."),
    });
    const credential = await pairing.run();
    try {
      await this.store.set("credential", credential);
      await pairing.forget();
    } catch (error) {
      this.note(error); // it plays all the same, and has to be paired again after a reload
    }
    this.pairingView.hide();
    return credential;
  }

  async #playUntilGone() {
    this.page.dataset.phase = "playing";
    const gone = new Promise((resolve) => this.#assemble(resolve));
    this.#volume = (await this.store.get("volume")) ?? null;
    const first = await this.sync.restore();
    this.#named(first);
    const reviewing = setInterval(() => this.#review(), REVIEW_MS);
    this.#review();
    if (this.emergency.shown === null) this.playback.start();
    if (first !== null) this.playback.offer(first);
    this.sync.start();
    this.uplink.start();
    await gone;
    clearInterval(reviewing);
    this.uplink.stop();
    this.sync.stop();
    this.playback.stop();
    this.emergency.hide();
  }

  #assemble(onGone) {
    const { api, cache, store, clock, stage } = this;
    this.sync = new ManifestSync({
      api,
      cache,
      clock,
      store,
      onHeld: (manifest) => this.#held(manifest),
      onReady: (manifest) => this.#ready(manifest),
      onTrouble: (error) => this.report.trouble("media", error?.message ?? null),
      onRefused: onGone,
    });
    this.playback = new Playback({
      stage,
      cache,
      clock,
      onPlaying: (playing) => this.#playing(playing),
      onShown: (manifest) => this.#shown(manifest).catch((error) => this.note(error)),
      onTrouble: (item, error) => this.#itemTrouble(item, error),
    });
    this.uplink = new Uplink({
      api,
      clock,
      token: this.credential.screenToken,
      report: () => this.report.data(),
      onRevision: (revision) => this.#told(revision),
      onCommand: (command) => this.commands.receive(command),
      onLink: (link) => this.#linked(link),
      onGone,
    });
    const onTrouble = (error) => this.note(error);
    this.commands = new Commands({ store, uplink: this.uplink, actions: actionsOf(this), onTrouble });
  }

  #held(manifest) {
    this.#named(manifest);
    this.#review();
  }

  #ready(manifest) {
    this.#picture();
    this.playback.offer(manifest);
  }

  /** `manifest` has taken over: what goes with it follows, and the server hears of it once it can be seen. */
  async #shown(manifest) {
    const { volume } = this.#volume?.over === manifest.volume ? this.#volume : manifest;
    this.playback.setVolume(volume);
    this.page.dataset.orientation = manifest.orientation;
    this.report.clear("item:");
    const whole = await this.#picture();
    await painted();
    if (this.playback.manifest !== manifest) return;
    if (whole) this.report.set({ appliedRevision: manifest.revision });
    await this.sync.applied(manifest);
  }

  #playing(playing) {
    this.page.dataset.playing = playing?.item.id ?? "";
    if (this.emergency.shown === null) this.report.set({ nowPlaying: playing && said(playing) });
  }

  #itemTrouble(item, error) {
    if (item === null) {
      this.note(error);
      return;
    }
    this.report.trouble(`item:${item.id}`, error && `Item ${item.id}: ${error.message}`);
    if (error?.code === "missing") this.sync.recheck();
  }

  /** Show the emergency that is in force by the server's clock, or let go of the one that no longer is. */
  #review() {
    const due = emergencyAt(this.sync.held, this.clock.now());
    if ((due?.id ?? null) === (this.emergency.shown?.id ?? null)) return;
    this.page.dataset.emergency = due?.id ?? "";
    if (due === null) this.#resume().catch((error) => this.note(error));
    else this.#alarm(due).catch((error) => this.note(error));
  }

  async #alarm(emergency) {
    this.emergency.show(emergency);
    this.playback.stop();
    await painted();
    if (this.emergency.shown?.id !== emergency.id) return;
    const { item = null } = emergency;
    const nowPlaying = item && said({ item, startedAt: this.clock.now() });
    this.report.set({ emergencyId: emergency.id, nowPlaying });
    await this.#picture();
  }

  async #resume() {
    this.emergency.end();
    this.playback.start();
    for (let waited = 0; waited < RESUME_WITHIN_MS && this.playback.playing === null; waited += 50) await sleep(50);
    if (this.emergency.shown !== null) return; // another one has come meanwhile
    this.emergency.hide();
    const { playing } = this.playback;
    this.report.set({ emergencyId: null, nowPlaying: playing && said(playing) });
  }

  /** Show the emergency's picture, if it has one: its words are there already. Returns whether all went well. */
  async #picture() {
    try {
      await this.emergency.complete();
      this.report.trouble("emergency", null);
      return true;
    } catch (error) {
      this.report.trouble("emergency", error.message);
      return false;
    }
  }

  #linked(link) {
    this.page.dataset.link = link;
    if (link === "offline") return;
    this.commands.flush();
    this.#update ??= setTimeout(() => this.#updateShell(), Math.random() * UPDATE_SPREAD_MS);
  }

  /** Take on a new release of the player by itself: nobody stands by a screen to reload it. */
  async #updateShell() {
    this.#update = null;
    const changed = await this.shell.refresh().catch(() => false);
    if (changed) this.shell.reloadForRelease();
  }

  /** The server has answered: with the revision that it wants, and with its time, which a reload must not lose. */
  #told(revision) {
    this.sync.want(revision);
    const at = this.clock.now();
    if (!this.clock.known || Math.abs(at - this.#clockKeptAt) < KEEP_CLOCK_MS) return;
    this.#clockKeptAt = at;
    this.store.set("clock", { at, wallOffsetMs: this.clock.wallOffsetMs }).catch((error) => this.note(error));
  }

  #named(manifest) {
    if (manifest) this.notices.name(manifest.name);
  }

  async #forget() {
    this.credential = null;
    this.sync = null;
    this.uplink = null;
    for (const key of STATE_OF_A_SCREEN) await this.store.delete(key);
    await this.cache.keepOnly([]);
    this.report.clear("");
    this.report.set({ appliedRevision: null, emergencyId: null, nowPlaying: null });
  }
}

function said({ item, startedAt }) {
  return { itemId: item.id, mediaId: item.mediaId, startedAt: new Date(startedAt).toISOString() };
}

function resolution() {
  const ratio = globalThis.devicePixelRatio || 1;
  return { width: Math.round(screen.width * ratio), height: Math.round(screen.height * ratio) };
}
