/** Who is in the room, who is here, and who is writing. */

import { called, el, part } from "./elements.js";

const TYPING_MS = 6000;

export class PeopleView {
  #members = [];
  #status = new Map();
  #typing = new Map(); // userId -> timer

  /** `onPerson(member)` when one is chosen. */
  constructor({ myId, onPerson }) {
    Object.assign(this, { myId, onPerson });
  }

  /** Show another room's members; `online` are cards of those who are here. */
  show(members, online) {
    this.#members = members;
    this.#status = new Map(online.map((card) => [card.id, card.status]));
    this.#render();
  }

  clear() {
    for (const id of [...this.#typing.keys()]) this.typing(id, false);
    this.show([], []);
  }

  presence(userId, status) {
    this.#status.set(userId, status);
    this.#render();
  }

  typing(userId, on) {
    clearTimeout(this.#typing.get(userId));
    this.#typing.delete(userId);
    if (on && userId !== this.myId) this.#typing.set(userId, setTimeout(() => this.typing(userId, false), TYPING_MS));
    const names = [...this.#typing.keys()].map((id) => called(this.#members.find((one) => one.userId === id)));
    part("#typing").textContent = names.length === 0 ? "" : `${names.join(", ")} writing…`;
  }

  #render() {
    const items = this.#members.map((member) => {
      const status = this.#status.get(member.userId) ?? "offline";
      const dot = el("span", { className: "dot", "data-status": status, title: status });
      return el("li", {}, el("button", { className: "plain", onclick: () => this.onPerson(member) }, dot, called(member)));
    });
    part("#people-list").replaceChildren(...items);
  }
}
