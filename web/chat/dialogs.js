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

const TAKEN = {
  email_taken: "E-mail: there is an account with this address already.",
  username_taken: "Username: somebody has this name already.",
};
const LABELS = { content: "Message", displayName: "Name", email: "E-mail", q: "Words to find" };

/** What a refusal says to a person: a line for each field that is wrong, by what the form calls it. */
export function reason(error) {
  if (TAKEN[error.code]) return TAKEN[error.code];
  if (!error.errors?.length) return error.message;
  return error.errors.map(({ path, message }) => `${label(path)} ${message}.`).join("\n");
}

/** What a person knows a field of the API by: "newPassword" is "New password:". */
function label(path) {
  if (path === "file") return "The file";
  const words = path.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return `${LABELS[path] ?? words[0].toUpperCase() + words.slice(1)}:`;
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
