/** Messages of a room by something they have in common, beside it: the answers to one, or those that are pinned. */

import { arrange, el, part } from "./elements.js";

export class GatheredView {
  #room = null;
  #which = null;
  #cursor = null;
  #cards = new Map(); // id -> {rev, node}

  /** `name` is the section's; `pick(room)` gives its messages among those held; `empty` is said where there are none. */
  constructor({ name, chat, view, empty, onProblem }) {
    Object.assign(this, { chat, view, empty, onProblem });
    this.section = part(`#side section[data-part=${name}]`);
    this.list = part("ul", this.section);
    this.more = part(".more", this.section);
    this.more.onclick = () => this.#load();
  }

  /** Show what `which` (a history parameter) finds in a room; `pick(room)` finds the same among what is held. */
  async open(room, which, pick) {
    Object.assign(this, { pick });
    this.#room = room;
    this.#which = which;
    this.#cursor = null;
    this.more.hidden = true;
    this.#cards.clear();
    this.list.replaceChildren(el("li", { className: "note" }, "Loading…"));
    await this.#load();
  }

  /** The room has changed. */
  render(room) {
    if (room !== this.#room || this.section.hidden || this.list.firstElementChild?.className === "note") return;
    this.#show();
  }

  async #load() {
    const [room, which] = [this.#room, this.#which];
    try {
      const next = await this.chat.gather(room, which, this.#cursor);
      if (room !== this.#room || which !== this.#which) return;
      this.#cursor = next;
      this.more.hidden = next === null;
      this.#show();
    } catch (error) {
      this.onProblem(error);
    }
  }

  #show() {
    const found = this.pick(this.#room);
    const nodes = found.map((message) => this.#card(message));
    arrange(this.list, nodes.length > 0 ? nodes : [el("li", {}, this.empty)]);
  }

  #card(message) {
    const held = this.#cards.get(message.id);
    if (held?.rev === message.rev) return held.node;
    const node = this.view.card(message);
    this.#cards.set(message.id, { rev: message.rev, node });
    return node;
  }
}
