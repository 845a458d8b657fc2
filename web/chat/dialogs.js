/** What the dialogs share: a place for what was refused, a way out, and a second thought. */

import { part } from "./elements.js";

const THOUGHT_MS = 4000;

/** A `<dialog>` with a close button and a line for problems. */
export class Dialog {
  constructor(id) {
    this.node = part(id);
    this.problem = part(".problem", this.node);
    this.part("close").onclick = () => this.close();
  }

  part(name) {
    return part(`[data-part="${name}"]`, this.node);
  }

  open() {
    this.problem.textContent = "";
    if (!this.node.open) this.node.showModal();
  }

  close() {
    this.node.close();
  }

  /** Do something; what is refused is said in the dialog. Return whether it was done. */
  async attempt(act) {
    this.problem.textContent = "";
    try {
      await act();
      return true;
    } catch (error) {
      this.problem.textContent = reason(error);
      return false;
    }
  }
}

/** What a refusal says to a person: of several fields the first. */
export function reason(error) {
  const first = error.errors?.[0];
  return first ? `${first.path}: ${first.message}` : error.message;
}

/** Let `act` happen on the second click only, soon after the first. */
export function twice(button, act) {
  const words = button.textContent;
  let timer = null;
  const forget = () => {
    clearTimeout(timer);
    timer = null;
    button.textContent = words;
  };
  button.onclick = () => {
    if (timer !== null) {
      forget();
      act();
      return;
    }
    button.textContent = `${words}: really?`;
    timer = setTimeout(forget, THOUGHT_MS);
  };
}
