/** The conversation: keeps its place while others come, follows the newest when one is at the end. */

import { arrange, el, part } from "./elements.js";

const NEAR_PX = 80;
const TOGETHER_MS = 5 * 60_000; // messages of one person within it stand under one name

export class MessagesView {
  #nodes = new Map(); // id -> {rev, node}
  #days = new Map(); // what a day is called -> its line
  #drafts = new Map(); // clientId -> {state, node}
  #room = null;
  #newAfter = null;
  #following = true;
  #aim = null; // the `seq` that is on its way into the middle
  #newLine = el("li", { className: "line new" }, "New");
  #nothing = el("li", { className: "nothing" }, "Nothing has been written here yet.");

  /**
   * `view` makes elements; `onOlder(room)` and `onNewer(room)` are called at the ends, `onEnd(room)` with the newest
   * message in sight, `onNewest(room)` to go there.
   */
  constructor({ view, onOlder, onNewer, onEnd, onNewest }) {
    Object.assign(this, { view, onOlder, onNewer, onEnd });
    this.list = part("#messages");
    this.button = part("#newest");
    this.list.addEventListener("scroll", () => this.#scrolled());
    // A picture has another height once it is there, and also once it is known that it will not be.
    for (const kind of ["load", "error"]) {
      this.list.addEventListener(kind, () => this.#following && this.toEnd(), { capture: true });
    }
    this.list.addEventListener("keydown", (event) => this.#key(event));
    this.button.onclick = () => onNewest(this.#room);
  }

  /** Whether the newest message is in sight. */
  get atEnd() {
    return this.#room !== null && !this.#room.hasNewer && this.#below < NEAR_PX;
  }

  get #below() {
    return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight;
  }

  /** Turn to a room; what came after `newAfter` (a `seq`, or null) is new to the reader. */
  open(room, newAfter) {
    this.#nodes.clear();
    this.#drafts.clear();
    this.#room = room;
    this.#newAfter = newAfter;
    this.#following = true;
    this.#aim = null;
    this.list.replaceChildren();
    this.render(room);
  }

  /** Make every message's element anew: something else can be done with them in this room now. */
  anew(room) {
    if (room === null || room !== this.#room) return;
    this.#nodes.clear();
    this.render(room);
  }

  /** Show the room's messages as they are now. */
  render(room) {
    const place = this.#following && !room.hasNewer ? null : this.#place();
    const focused = this.#focused();
    const lines = [...this.#lines(room.shown), ...(room.hasNewer ? [] : this.#pending(room))];
    arrange(this.list, lines.length === 0 && room.loaded ? [this.#nothing] : lines);
    this.#refocus(focused);
    if (this.#aim !== null) this.#middle(this.#aim);
    else if (place === null) this.toEnd();
    else this.#putBack(place);
    if (this.#aim === null) this.#scrolled();
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.#following = true;
  }

  /** Go to message `seq` as soon as it is there: until `reveal` nothing else moves the conversation. */
  aim(seq) {
    this.#aim = seq;
    this.#following = false;
  }

  /** Bring a shown message into the middle, and mark it for a moment. */
  reveal(seq) {
    this.#aim = null;
    const node = this.#middle(seq);
    if (node === null) return;
    node.focus({ preventScroll: true });
    node.classList.remove("found");
    void node.offsetWidth; // so that the animation begins anew
    node.classList.add("found");
    this.#scrolled();
  }

  #middle(seq) {
    const node = part(`[data-seq="${seq}"]`, this.list);
    node?.scrollIntoView({ block: "center" });
    return node;
  }

  /** Make the nodes of messages, with a line for each day and one above what is new. */
  #lines(messages) {
    const lines = [];
    let before = null;
    let told = this.#newAfter === null;
    for (const message of messages) {
      const node = this.#node(message);
      const day = message.createdAt ? new Date(message.createdAt).toDateString() : before?.day;
      const isNew = !told && message.seq > this.#newAfter;
      if (day && day !== before?.day) lines.push(this.#day(day));
      if (isNew) lines.push(this.#newLine);
      told ||= isNew;
      node.classList.toggle("follows", !isNew && before !== null && goesOn(before, message, day));
      lines.push(node);
      before = { author: message.author?.id, at: message.createdAt, day };
    }
    return lines;
  }

  #day(day) {
    if (!this.#days.has(day)) {
      const words = new Date(day).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });
      this.#days.set(day, el("li", { className: "line" }, words));
    }
    return this.#days.get(day);
  }

  #node(message) {
    const held = this.#nodes.get(message.id);
    if (held?.rev === message.rev) return held.node;
    const node = this.view.message(message);
    this.#nodes.set(message.id, { rev: message.rev, node });
    return node;
  }

  /** Make the nodes of what is not sent yet; only under one's own name one needs no other. */
  #pending({ shown, pending }) {
    let isUnderMine = this.view.isMine(shown.at(-1));
    return pending.map((draft) => {
      const node = this.#draft(draft);
      node.classList.toggle("follows", isUnderMine && !draft.replyTo);
      isUnderMine = true;
      return node;
    });
  }

  #draft(draft) {
    const held = this.#drafts.get(draft.clientId);
    if (held?.state === draft.state) return held.node;
    const node = this.view.draft(draft);
    this.#drafts.set(draft.clientId, { state: draft.state, node });
    return node;
  }

  /** The first message in sight, and where it stands there. */
  #place() {
    const top = this.list.scrollTop;
    const node = [...this.list.children].find((one) => one.dataset.id && one.offsetTop + one.offsetHeight > top);
    return { id: node?.dataset.id, above: (node?.offsetTop ?? 0) - top, top };
  }

  #putBack({ id, above, top }) {
    const node = id ? part(`[data-id="${id}"]`, this.list) : null;
    this.list.scrollTop = node ? node.offsetTop - above : top;
  }

  /** What has the focus in here, as a message's id and a button's key: its element may be made anew. */
  #focused() {
    const message = document.activeElement?.closest("#messages .message");
    return message ? { id: message.dataset.id, key: document.activeElement.dataset.key } : null;
  }

  #refocus(focused) {
    if (focused === null || this.list.contains(document.activeElement)) return;
    const node = part(`[data-id="${focused.id}"]`, this.list);
    const button = node && [...node.querySelectorAll("[data-key]")].find((one) => one.dataset.key === focused.key);
    (button ?? node ?? this.list).focus({ preventScroll: true });
  }

  #key(event) {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    const messages = [...this.list.querySelectorAll(".message[data-id]")];
    const at = messages.indexOf(document.activeElement.closest(".message"));
    const next = event.key === "ArrowUp" ? (at < 0 ? messages.length : at) - 1 : at + 1;
    if (!messages[next] || (at < 0 && event.key === "ArrowDown")) return;
    event.preventDefault();
    messages[next].focus();
  }

  #scrolled() {
    const room = this.#room;
    if (room === null) return;
    this.#following = this.atEnd;
    this.button.hidden = this.atEnd || !room.loaded;
    if (this.list.scrollTop < NEAR_PX && room.hasOlder) this.onOlder(room);
    if (room.hasNewer && this.#below < NEAR_PX) this.onNewer(room);
    if (this.atEnd) this.onEnd(room);
  }
}

function goesOn(before, message, day) {
  const near = new Date(message.createdAt) - new Date(before.at) < TOGETHER_MS;
  return !message.deleted && before.author === message.author.id && before.day === day && near && !message.replyTo;
}
