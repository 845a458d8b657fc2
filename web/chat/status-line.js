/** The line below everything: how the connection is, and for a while what went wrong. */

import { reason } from "./dialogs.js";
import { duration, part } from "./elements.js";

const WORDS = {
  idle: "",
  connecting: "Connecting…",
  open: "Connected",
  waiting: "The server cannot be reached.",
};
const PROBLEM_MS = 8000;

export class StatusLine {
  #state = "idle";
  #code = null;
  #timer = null;
  #retryAt = 0;
  #countdown = null;

  /** `onHurry()` when one does not want to wait for the next attempt. */
  constructor({ onHurry }) {
    part("#line button").onclick = onHurry;
  }

  /** Show the connection's state; `code` is why it was closed, `retryInMs` when the next attempt is due. */
  show(state, code, retryInMs) {
    this.#state = state;
    this.#code = code;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#showState();
    const isWaiting = state === "waiting";
    this.#retryAt = performance.now() + (retryInMs ?? 0);
    part("#line button").hidden = !isWaiting;
    clearInterval(this.#countdown);
    this.#countdown = isWaiting ? setInterval(() => this.#count(), 1000) : null;
    this.#count();
  }

  /** Say how long one waits still: seen only, for a reader of screens would say it every second. */
  #count() {
    const left = duration(this.#retryAt - performance.now());
    part("#line [aria-hidden]").textContent = this.#countdown === null ? "" : `Trying again in ${left}.`;
  }

  /** Say what went wrong, for a while; null takes it back, as there is another attempt. */
  problem(error) {
    clearTimeout(this.#timer);
    if (error === null) {
      this.#showState();
      return;
    }
    this.#timer = setTimeout(() => this.#showState(), PROBLEM_MS);
    this.#write(reason(error), "away");
  }

  #showState() {
    const isStopped = this.#state === "stopped";
    const ended = `The server has ended this connection (${this.#code}). Reload the page to go on.`;
    this.#write(isStopped ? ended : WORDS[this.#state], isStopped || this.#state === "waiting" ? "away" : this.#state);
  }

  #write(words, state) {
    part("#line [role=status]").textContent = words;
    part("#line").dataset.state = state;
  }
}
