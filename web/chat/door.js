/** The door: finds out whether there is a session, asks for one, and is out of the way. */

import { Backoff, sleep } from "../shared/backoff.js";
import { reason } from "./dialogs.js";
import { part } from "./elements.js";

const LEAST_CHARACTERS = 8; // of a new password: the server would say so only when all else is right

export class Door {
  #opened = () => {};
  isNew = false; // whether the form registers somebody

  constructor(session, backoff = new Backoff({ capMs: 15_000 })) {
    Object.assign(this, { session, backoff });
    this.form = part("#sign-in");
    [this.submit, this.other] = this.form.querySelectorAll("button");
    this.other.onclick = () => this.#turn();
    this.form.onsubmit = (event) => {
      event.preventDefault();
      this.#try();
    };
  }

  /** Resolve with a session: the one that is there, or a new one. While nobody can say, neither is assumed. */
  async enter() {
    if (!(await this.#known())) await this.ask("");
  }

  /** Show the form, with `notice` above it, and resolve once somebody is signed in. */
  ask(notice) {
    part("#notice").textContent = notice;
    part("#door").hidden = false;
    part("input", this.form).focus();
    return new Promise((resolve) => {
      this.#opened = resolve;
    });
  }

  /** Another tab has signed in: so has this one. */
  async look() {
    if (!part("#door").hidden && (await this.session.refresh().catch(() => false))) this.#open();
  }

  async #known() {
    for (;;) {
      try {
        return await this.session.refresh();
      } catch {
        await this.#away();
      } finally {
        part("#away").hidden = true;
      }
    }
  }

  /** Say that the server is away, and wait until it is worth another try. */
  async #away() {
    const hurry = new AbortController();
    part("#away").hidden = false;
    part("#away button").onclick = () => hurry.abort();
    addEventListener("online", () => hurry.abort(), { signal: hurry.signal });
    await sleep(1000 + this.backoff.next(), hurry.signal);
    hurry.abort();
  }

  /** Turn the form from signing in to registering, which has a field more and says the rules, or back. */
  #turn() {
    this.isNew = !this.isNew;
    const { isNew } = this;
    const { username, password } = this.form.elements;
    for (const node of this.form.querySelectorAll("[data-part=new]")) node.hidden = !isNew;
    username.required = isNew;
    password.autocomplete = isNew ? "new-password" : "current-password";
    password.minLength = isNew ? LEAST_CHARACTERS : 0;
    password.setAttribute("aria-describedby", isNew ? "password-rule" : "");
    this.submit.textContent = isNew ? "Register" : "Sign in";
    this.other.textContent = isNew ? "I have an account" : "I have no account yet";
    part(".problem", this.form).textContent = "";
  }

  async #try() {
    this.submit.disabled = true;
    part(".problem", this.form).textContent = "";
    try {
      const given = Object.fromEntries(new FormData(this.form));
      await (this.isNew ? this.session.register(given) : this.session.signIn(given));
      this.#open();
    } catch (error) {
      part(".problem", this.form).textContent = reason(error);
    } finally {
      this.submit.disabled = false;
    }
  }

  #open() {
    part("#door").hidden = true;
    part(".problem", this.form).textContent = "";
    this.form.reset();
    this.#opened();
  }
}
