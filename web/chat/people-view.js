/** Who is in the room, who is here, up to where they have read, and who is writing. */

import { arrangeAtRest, called, el, part } from "./elements.js";

const TYPING_MS = 6000;
const RANK = { online: 0, busy: 1, away: 2, offline: 3 };

export class PeopleView {
  #members = new Map(); // by user id
  #status = new Map();
  #typing = new Map(); // userId -> timer

  /** `onPerson(member)` when one is chosen, `onMore()` when more are to be loaded. */
  constructor({ myId, onPerson, onMore }) {
    Object.assign(this, { myId, onPerson });
    this.more = part("#side [data-part=people] .more");
    this.more.onclick = onMore;
  }

  /** Show members; `hasMore` says whether there are others. What somebody has read only ever moves forward. */
  show(members, hasMore) {
    const read = (member) => Math.max(member.lastReadSeq, this.get(member.userId)?.lastReadSeq ?? 0);
    this.#members = new Map(members.map((member) => [member.userId, { ...member, lastReadSeq: read(member) }]));
    this.more.hidden = !hasMore;
    this.#render();
  }

  /** Say who is here: cards of all of them. */
  here(cards) {
    this.#status = new Map(cards.map((card) => [card.id, card.status]));
    this.#render();
  }

  clear() {
    for (const id of [...this.#typing.keys()]) this.typing(id, false);
    this.show([], false);
  }

  get all() {
    return [...this.#members.values()];
  }

  get(userId) {
    return this.#members.get(userId) ?? null;
  }

  status(userId) {
    return this.#status.get(userId) ?? "offline";
  }

  presence(userId, status) {
    this.#status.set(userId, status);
    this.#render();
  }

  /** A member has another role, or is muted or no longer. */
  update({ userId, ...changes }) {
    const member = this.#members.get(userId);
    if (!member) return;
    this.#members.set(userId, { ...member, ...changes });
    this.#render();
  }

  remove(userId) {
    this.#members.delete(userId);
    this.typing(userId, false);
    this.#render();
  }

  read(userId, seq) {
    const member = this.#members.get(userId);
    if (member) member.lastReadSeq = Math.max(member.lastReadSeq, seq);
  }

  /** The others who have read up to `seq`. */
  readers(seq) {
    return this.all.filter((one) => one.userId !== this.myId && one.lastReadSeq >= seq);
  }

  typing(userId, on) {
    clearTimeout(this.#typing.get(userId));
    this.#typing.delete(userId);
    if (on && userId !== this.myId) this.#typing.set(userId, setTimeout(() => this.typing(userId, false), TYPING_MS));
    const names = [...this.#typing.keys()].map((id) => called(this.#members.get(id)));
    const who = names.length > 3 ? "Several people" : names.join(", ");
    part("#typing").textContent = names.length === 0 ? "" : `${who} ${names.length === 1 ? "is" : "are"} writing…`;
  }

  #render() {
    const order = (one) => RANK[this.status(one.userId)];
    const sorted = this.all.sort((a, b) => order(a) - order(b) || called(a).localeCompare(called(b)));
    const list = part("#people-list");
    const rows = new Map([...list.children].map((one) => [one.dataset.user, one]));
    const shown = sorted.map((member) => {
      const row = rows.get(member.userId) ?? this.#row(member.userId);
      this.#fill(row.firstElementChild, member);
      return row;
    });
    arrangeAtRest(list, shown);
  }

  /** Make somebody's row, which stays theirs: it may be pressed just when there is news. */
  #row(userId) {
    const onclick = () => this.#members.has(userId) && this.onPerson(this.get(userId));
    return el("li", { "data-user": userId }, el("button", { className: "plain", onclick }));
  }

  #fill(button, member) {
    const status = this.status(member.userId);
    const muted = member.mutedUntil !== null && new Date(member.mutedUntil) > new Date();
    const notes = [member.role === "member" ? null : member.role, muted ? "muted" : null].filter(Boolean).join(", ");
    button.title = status; // which readers of screens say too
    button.replaceChildren(
      el("span", { className: "dot", "data-status": status, "aria-hidden": "true" }),
      el("span", { className: "who" }, called(member)),
      el("small", {}, notes),
    );
  }
}
