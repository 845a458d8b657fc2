/** Completing `@names` while one writes: a list of members above the text, by keys or by hand. */

import { called, el, part } from "./elements.js";

const BEGUN = /(?:^|\s)@([A-Za-z0-9_.-]*)$/;
const MOST = 6;

/** What of a name stands before the caret, or null: "" right after the `@`. */
export function begun(text, caret) {
  return BEGUN.exec(text.slice(0, caret))?.[1] ?? null;
}

/** The members whose names begin with `prefix`, by username or by what they are called; a few. */
export function matching(members, prefix) {
  const wanted = prefix.toLowerCase();
  const fits = (name) => name.toLowerCase().startsWith(wanted);
  return members.filter((one) => fits(one.username) || fits(called(one))).slice(0, MOST);
}

export class Names {
  #found = [];
  #at = 0;

  /** `members()` gives who can be named. */
  constructor(text, members) {
    Object.assign(this, { text, members });
    this.list = part("#names");
    text.addEventListener("input", () => this.#look());
    text.addEventListener("blur", () => this.close());
  }

  /** Take a key, where the list is open; return whether it was the list's. */
  key(event) {
    if (this.list.hidden) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#show((this.#at + step + this.#found.length) % this.#found.length);
    else if (event.key === "Enter" || event.key === "Tab") this.#choose(this.#found[this.#at]);
    else if (event.key === "Escape") this.close();
    else return false;
    event.preventDefault();
    return true;
  }

  close() {
    this.#found = [];
    this.#show(0);
  }

  #look() {
    const prefix = begun(this.text.value, this.text.selectionStart);
    this.#found = prefix === null ? [] : matching(this.members(), prefix);
    this.#show(0);
  }

  #show(at) {
    this.#at = at;
    this.list.hidden = this.#found.length === 0;
    this.list.replaceChildren(...this.#found.map((member, n) => this.#option(member, n)));
    this.text.setAttribute("aria-expanded", String(!this.list.hidden));
    if (this.list.hidden) this.text.removeAttribute("aria-activedescendant");
    else this.text.setAttribute("aria-activedescendant", `name-${at}`);
  }

  #option(member, n) {
    const onmousedown = (event) => {
      event.preventDefault(); // the text keeps the focus
      this.#choose(member);
    };
    const given = { id: `name-${n}`, role: "option", "aria-selected": String(n === this.#at), onmousedown };
    return el("li", given, called(member), " ", el("small", {}, `@${member.username}`));
  }

  #choose({ username }) {
    const caret = this.text.selectionStart;
    const prefix = begun(this.text.value, caret);
    this.text.setRangeText(`${username} `, caret - prefix.length, caret, "end");
    this.close();
  }
}
