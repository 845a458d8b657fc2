/** The player's own files: kept by a service worker where the browser has one, so that a reload works offline. */

import { CommandFailed } from "./commands.js";

const WORKER = "/player/sw.js";
const SCOPE = "/player"; // wider than the worker's folder: the server says Service-Worker-Allowed for it
const REFRESH_WITHIN_MS = 60_000;
const RELOADS_APART_MS = 600_000;

export class Shell {
  #registration = null;
  #settled = false;

  /** Whether a reload without the server works. */
  get survivesReload() {
    return (this.#registration?.active ?? null) !== null;
  }

  /** Why it does not, in a sentence for people; null when it does, or while that is being arranged. */
  get limit() {
    if (this.survivesReload || !this.#settled) return null;
    if (!globalThis.isSecureContext) {
      return "Plain http: this screen plays on through an outage only while the page stays open. Use https to survive a reload.";
    }
    return "The player's files are not kept on this device: it cannot be reloaded offline.";
  }

  /** Register the worker and wait until it keeps the files. */
  async start() {
    try {
      if ("serviceWorker" in navigator) await this.#install();
    } finally {
      this.#settled = true;
    }
  }

  async #install() {
    const before = navigator.serviceWorker.controller;
    navigator.serviceWorker.addEventListener("controllerchange", () => before && this.reloadForRelease());
    const registration = await navigator.serviceWorker.register(WORKER, { scope: SCOPE });
    const worker = registration.installing ?? registration.waiting;
    if (registration.active === null && worker !== null) {
      await new Promise((resolve) => {
        worker.addEventListener("statechange", () => /activated|redundant/.test(worker.state) && resolve());
      });
    }
    this.#registration = registration;
  }

  /** Have the worker fetch the files again, all or none. Resolves with whether any of them had changed. */
  async refresh() {
    const worker = this.#registration?.active;
    if (!worker) return false;
    await this.#registration.update(); // a changed worker takes over by itself: see controllerchange
    const { port1, port2 } = new MessageChannel();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("The files did not come in time.")), REFRESH_WITHIN_MS);
      port1.onmessage = ({ data }) => {
        clearTimeout(timer);
        if (data.ok) resolve(data.changed);
        else reject(new Error(data.reason));
      };
      worker.postMessage("refresh", [port2]);
    });
  }

  /** Take on a new release; while servers of two releases answer in turns, not again and again. */
  reloadForRelease() {
    setTimeout(() => location.reload(), Math.max(0, RELOADS_APART_MS - performance.now()));
  }

  /** Refuse a reload that would leave the browser's error page on the screen. */
  async mustComeBack() {
    if (this.survivesReload) return;
    const answer = await fetch(location.pathname, { cache: "no-store" }).catch(() => null);
    if (!answer?.ok) throw new CommandFailed("The server cannot be reached, and this player cannot be reloaded without it.");
  }
}
