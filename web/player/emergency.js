/** The emergency's view: over everything, at once, its words before its picture. */

import { prepare } from "./showable.js";

const LEVELS = new Set(["info", "warning", "critical"]);
const LEAVE_MS = 500; // as in overlays.css

/** `short`, `medium` or `long`: how large the words of an emergency can be. */
export function lengthOf({ title, message }) {
  const letters = title.length + message.length;
  if (letters <= 120) return "short";
  return letters <= 320 ? "medium" : "long";
}

export class EmergencyView {
  /** What is shown now, or null. */
  shown = null;
  #background = null;

  constructor({ root, cache }) {
    this.root = root;
    this.cache = cache;
    this.parts = Object.fromEntries(
      ["backdrop", "level", "title", "message"].map((name) => [name, root.querySelector(`[data-part=${name}]`)]),
    );
  }

  /** Show `emergency` now; its item appears behind the words as soon as it is on this device. */
  show(emergency) {
    const { level, title, message } = emergency;
    if (this.shown?.id !== emergency.id) this.#clearBackground();
    this.shown = emergency;
    this.root.dataset.level = LEVELS.has(level) ? level : "critical";
    this.parts.level.textContent = { info: "Notice", warning: "Warning", critical: "Emergency" }[this.root.dataset.level];
    this.parts.title.textContent = title;
    this.parts.message.textContent = message;
    this.root.dataset.length = lengthOf(emergency);
    this.root.hidden = false;
    this.root.classList.remove("leaving");
  }

  /** Put the emergency's item behind the words if it is here by now. A broken one is reported and left out. */
  async complete() {
    const emergency = this.shown;
    if (!emergency?.item || this.#background !== null) return;
    const blob = await this.cache.blob(emergency.item);
    if (blob === null) return;
    const background = await prepare({ ...emergency.item, durationMs: Infinity, fit: "cover" }, blob);
    if (this.shown?.id !== emergency.id || this.#background !== null) {
      background.dispose();
      return;
    }
    this.#background = background;
    this.parts.backdrop.replaceChildren(background.element);
    this.root.classList.add("pictured");
    await background.start();
  }

  /** It is no longer in force; what is seen stays until `hide`, so that the playlist can come back under it. */
  end() {
    this.shown = null;
  }

  hide() {
    this.shown = null;
    if (this.root.hidden) return;
    this.root.classList.add("leaving");
    setTimeout(() => {
      if (this.shown !== null) return;
      this.root.hidden = true;
      this.#clearBackground();
    }, LEAVE_MS);
  }

  get background() {
    return this.#background;
  }

  #clearBackground() {
    this.#background?.dispose();
    this.#background = null;
    this.root.classList.remove("pictured");
  }
}
