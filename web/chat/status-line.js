/** The line below everything: how the connection is, and for a while what went wrong. */

import { reason } from "./dialogs.js";
import { part } from "./elements.js";

const WORDS = {
  idle: "",
  connecting: "Connecting…",
  open: "Connected",
  waiting: "The server cannot be reached. Trying again…",
};
const PROBLEM_MS = 8000;

export class StatusLine {
  #state = "idle";
  #code = null;
  #timer = null;

  /** Show the connection's state; `code` is why it was closed. */
  show(state, code) {
    this.#state = state;
    this.#code = code;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#showState();
  }

  /** Say what went wrong, for a while. */
  problem(error) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#showState(), PROBLEM_MS);
    this.#write(reason(error), "away");
  }

  #showState() {
    const isStopped = this.#state === "stopped";
    const ended = `The server has ended this connection (${this.#code}). Reload the page to go on.`;
    this.#write(isStopped ? ended : WORDS[this.#state], isStopped || this.#state === "waiting" ? "away" : this.#state);
  }

  #write(words, state) {
    part("#line").textContent = words;
    part("#line").dataset.state = state;
  }
}
