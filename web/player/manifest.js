/** Keeps the manifest current: fetches it, has all its media here and verified, and only then lets it take over. */

import { Backoff, sleep } from "../shared/backoff.js";
import { Unreachable } from "../shared/client.js";
import { mediaOf } from "./schedule.js";

const RECONCILE_MS = 300_000; // a look without being told: new URL windows have new ETags, and nothing else says so

/**
 * `held` is the newest manifest that was fetched, `shown` the one on screen; both are kept over a reload, and media
 * of both stay in the cache.
 *
 * - `onHeld(manifest)`: a newer manifest is here, its media perhaps not yet. An emergency in it counts at once.
 * - `onReady(manifest)`: all its media are here and verified; answer with `applied(manifest)` once it shows.
 * - `onTrouble(error | null)`: it could not be completed, or now it is.
 * - `onRefused(problem)`: the server knows this screen no more.
 */
export class ManifestSync {
  held = null;
  shown = null;
  #etag = null;
  #stale = false;
  #complete = false; // all media of `held` are here
  #work = null;
  #running = false;
  #awaited = null; // the error after which an attempt is waiting for the next

  constructor({ api, cache, clock, store, onHeld, onReady, onTrouble, onRefused, backoff = new Backoff() }) {
    Object.assign(this, { api, cache, clock, store, onHeld, onReady, onTrouble, onRefused, backoff });
  }

  /** Take up what was kept when the page last ran, and return the manifest to play now, or null. */
  async restore() {
    this.shown = (await this.store.get("shown")) ?? null;
    const held = await this.store.get("held");
    this.held = held?.manifest ?? this.shown;
    this.#etag = held?.etag ?? null;
    if (this.held === null) return null;
    const here = await Promise.all(mediaOf(this.held).map((item) => this.cache.has(item)));
    this.#complete = here.every(Boolean);
    return this.#complete ? this.held : this.shown;
  }

  /** Begin to look by itself, until `stop`. */
  start() {
    this.stopped = new AbortController();
    this.#reconcile(this.stopped.signal);
  }

  stop() {
    this.stopped?.abort();
    this.#work?.abort();
    this.#stale = false;
  }

  /** The server says that this is what the screen should show. */
  want(revision) {
    if (revision !== this.held?.revision) this.refresh();
    else if (this.#awaited instanceof Unreachable) this.#work.abort(); // it can be reached again: do not wait
  }

  /** Ask for the manifest now, whatever an attempt under way is doing. */
  refresh() {
    this.#stale = true;
    this.#work?.abort();
    this.#run();
  }

  /** Something that should be in the cache is not: see that it comes back. */
  recheck() {
    this.#complete = false;
    this.#run();
  }

  /** `manifest` is on screen now: keep that in mind, and no other media than its own and the held one's. */
  async applied(manifest) {
    this.shown = manifest;
    await this.#keep("shown", manifest);
    await this.cache.keepOnly(this.#needed());
  }

  #needed() {
    return [...mediaOf(this.shown), ...mediaOf(this.held)];
  }

  async #reconcile(signal) {
    while (!signal.aborted) {
      this.#stale = true;
      this.#run(); // an attempt under way takes it along at its end
      await sleep(RECONCILE_MS * (0.9 + 0.2 * Math.random()), signal);
    }
  }

  async #run() {
    if (this.#running || (this.stopped?.signal.aborted ?? true)) return;
    this.#running = true;
    do {
      this.#work = new AbortController();
      await this.#attempt(this.#work.signal);
    } while ((this.#stale || !this.#complete) && !this.stopped.signal.aborted);
    this.#running = false;
  }

  /** Fetch if need be and complete; after a failure, wait before the next attempt. It does not throw. */
  async #attempt(signal) {
    try {
      if (this.#stale) await this.#fetch(signal);
      await this.#download(signal);
      this.backoff.reset();
      this.onTrouble(null);
    } catch (error) {
      if (signal.aborted) return;
      await this.#judge(error);
      this.#awaited = error;
      await sleep(Math.max(error.retryAfterMs ?? 0, this.backoff.next()), signal);
      this.#awaited = null;
    }
  }

  async #judge(error) {
    if (error.unauthenticated) this.onRefused(error);
    if (error.code === "refused") this.#stale = true; // the manifest's URLs may have run out
    if (error.code === "storage_full") await this.cache.keepOnly(this.#needed());
    if (!(error instanceof Unreachable) && !error.temporary) this.onTrouble(error);
  }

  async #fetch(signal) {
    const headers = this.#etag === null ? {} : { "If-None-Match": this.#etag };
    const answer = await this.api.get("/api/display/manifest", { headers, signal });
    this.#stale = false;
    // An emergency in it is judged by the server's clock, which nothing else may have told yet.
    this.clock.sample(Date.parse(answer.headers.get("Date")), answer.sentAt, answer.receivedAt, 1000);
    if (answer.status === 304) return;
    this.held = answer.data;
    this.#etag = answer.etag;
    this.#complete = false;
    this.onHeld(this.held);
    await this.#keep("held", { manifest: this.held, etag: this.#etag });
  }

  /** A device without room for a few kilobytes plays on all the same; it only starts afresh after a reload. */
  #keep(key, value) {
    return this.store.set(key, value).catch((error) => this.onTrouble(error));
  }

  async #download(signal) {
    const manifest = this.held;
    if (manifest === null) return;
    for (const item of mediaOf(manifest)) await this.cache.ensure(item, { signal });
    if (signal.aborted || manifest !== this.held) return;
    const first = !this.#complete;
    this.#complete = true;
    if (first) this.onReady(manifest);
  }
}
