/** The stage: stacked layers that fade into each other, so that there is never a moment with nothing on it. */

import { sleep } from "../shared/backoff.js";

const FADE_MS = 800; // as in player.css

export class Stage {
  /** What is on the stage now, or null while it is idle. */
  current = null;
  #layer = null;

  /** `root` holds the layers; `idle` is the element that lies under them and shows when there is none. */
  constructor(root, idle) {
    Object.assign(this, { root, idle });
  }

  /** Put a prepared showable on top and start it; resolves when it is visible. What was there goes after the fade. */
  async show(showable, { fade = false } = {}) {
    const layer = document.createElement("div");
    layer.className = "layer";
    layer.append(showable.element);
    this.root.append(layer);
    try {
      await showable.start();
    } catch (error) {
      layer.remove();
      showable.dispose();
      throw error;
    }
    const before = this.#clear();
    this.current = showable;
    this.#layer = layer;
    if (fade) layer.classList.add("fading");
    await painted();
    layer.classList.add("shown");
    this.#dispose(before, fade ? FADE_MS + 100 : 0);
  }

  /** Take everything off: the idle screen shows. */
  clear() {
    const before = this.#clear();
    before?.layer.classList.add("fading");
    before?.layer.classList.remove("shown");
    this.#dispose(before, FADE_MS);
  }

  #clear() {
    if (this.current === null) return null;
    const before = { showable: this.current, layer: this.#layer };
    this.current = null;
    this.#layer = null;
    return before;
  }

  async #dispose(before, afterMs) {
    if (before === null) return;
    before.showable.setVolume(0); // two videos are seen through each other for a moment, but not heard
    await sleep(afterMs);
    before.showable.dispose();
    before.layer.remove();
  }
}

/** Resolve after the next frame, or soon when the page is hidden and gets none. */
export function painted() {
  return Promise.race([
    new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    sleep(250),
  ]);
}
