/** The conversation: keeps its place while older messages come, follows the newest when one is at the end. */

import { part } from "./elements.js";
import { messageView, pendingView } from "./message-view.js";

const NEAR_PX = 80;

export class MessagesView {
  #nodes = new Map(); // id -> {rev, node}
  #room = null;

  /** `onOlder()` is called at the upper end, `onEnd()` when the newest message is in sight. */
  constructor({ myId, act, onOlder, onEnd }) {
    Object.assign(this, { myId, act, onOlder, onEnd });
    this.list = part("#messages");
    this.list.addEventListener("scroll", () => this.#scrolled());
  }

  get atEnd() {
    return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR_PX;
  }

  /** Show the room's messages as they are now. */
  render(room) {
    const other = room !== this.#room;
    if (other) this.#nodes.clear();
    this.#room = room;
    const follow = other || this.atEnd;
    const fromEnd = this.list.scrollHeight - this.list.scrollTop;
    const top = this.list.scrollTop;
    const first = this.list.firstElementChild;
    const shown = room.shown.map((message) => this.#node(message));
    const grewAbove = first !== null && shown.length > 0 && shown[0] !== first && shown.includes(first);
    this.list.replaceChildren(...shown, ...room.pending.map((draft) => pendingView(draft, this.act)));
    if (follow) this.list.scrollTop = this.list.scrollHeight;
    else this.list.scrollTop = grewAbove ? this.list.scrollHeight - fromEnd : top;
    this.#scrolled();
  }

  #node(message) {
    const held = this.#nodes.get(message.id);
    if (held?.rev === message.rev) return held.node;
    const node = messageView(message, this.myId, this.act);
    this.#nodes.set(message.id, { rev: message.rev, node });
    return node;
  }

  #scrolled() {
    if (this.#room === null) return;
    if (this.list.scrollTop < NEAR_PX && this.#room.hasOlder) this.onOlder(this.#room);
    if (this.atEnd) this.onEnd(this.#room);
  }
}
