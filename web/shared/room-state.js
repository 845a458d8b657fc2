/** What a client holds of one room: pure, without network or page. */

/**
 * Messages by id, each as the highest `rev` says; `offset` and `epoch` to come back with; and what was written here
 * and is not acknowledged yet (`pending`, in order).
 *
 * Everything is applied by `rev`, whatever brought it: an event, a reply, a page of history. So order and repeats do
 * not matter. Messages below `floor` are held but not shown: between them and the shown ones there may be a hole.
 *
 * Somebody who looks at an older part has a `window` on it, `{low, high}` in `seq`, both included and without holes: then
 * that is what is shown, until it has grown down to the newest messages or is left.
 */
export class RoomState {
  offset = null;
  epoch = null;
  lastReadSeq = 0;
  floor = Infinity;
  window = null;
  loaded = false;
  generation = 0; // raised when the past was thrown away: a page that was asked for before is then of no use
  pending = [];
  #messages = new Map();
  #topSeq = 0;

  constructor(id, myId) {
    this.id = id;
    this.myId = myId;
  }

  /** Apply a message or a tombstone; return whether it was news. */
  apply(message) {
    const held = this.#messages.get(message.id);
    this.#topSeq = Math.max(this.#topSeq, message.seq);
    this.#acknowledge(message);
    if (held && held.rev >= message.rev) return false;
    this.#messages.set(message.id, message);
    return true;
  }

  /** Apply an event of this room's channel and note how far it has come. */
  applyEvent({ event, offset, data }) {
    const news = event.startsWith("message.") ? this.apply(data) : true;
    if (offset !== undefined) this.offset = Math.max(this.offset ?? 0, offset);
    return news;
  }

  /** Take in one room of a subscribe reply; return whether the room has to be loaded by REST. */
  resume({ epoch, offset, recovered, messages = [] }) {
    const replaced = this.epoch !== null && (!recovered || this.epoch !== epoch);
    if (replaced) this.#forget();
    this.epoch = epoch;
    for (const message of messages) this.apply(message);
    this.offset = offset;
    return !this.loaded;
  }

  /** Take in a page of history that ends just below `floor` (or at the newest message); `limit` is what was asked. */
  applyPage(items, limit) {
    for (const message of items) this.apply(message);
    this.floor = items.length < limit ? 1 : Math.min(this.floor, items[0].seq);
    this.loaded = true;
    this.#closeIfMet();
  }

  /** Show the part around a message; `items` are all there are from the first to the last of them. */
  openWindow(items, limit) {
    for (const message of items) this.apply(message);
    const whole = items.length < limit;
    this.window = { low: whole ? 1 : items[0].seq, high: whole ? Infinity : items.at(-1).seq };
    this.#closeIfMet();
  }

  /** Take in the page above the window; `limit` is what was asked. */
  applyOlder(items, limit) {
    if (this.window === null) {
      this.applyPage(items, limit);
      return;
    }
    for (const message of items) this.apply(message);
    this.window.low = items.length < limit ? 1 : items[0].seq;
  }

  /** Take in the page below the window. */
  applyNewer(items, limit) {
    for (const message of items) this.apply(message);
    if (this.window !== null) this.window.high = items.length < limit ? Infinity : items.at(-1).seq;
    this.#closeIfMet();
  }

  /** Show the newest messages again. */
  leaveWindow() {
    this.window = null;
  }

  #closeIfMet() {
    if (this.window === null || !this.loaded || this.window.high < this.floor - 1) return;
    this.floor = Math.min(this.floor, this.window.low);
    this.window = null;
  }

  /** The `seq` from which on all is shown. */
  get low() {
    return this.window?.low ?? this.floor;
  }

  /** Whether there may be older messages than those shown. */
  get hasOlder() {
    return this.loaded && this.low > 1;
  }

  /** Whether there are newer messages than those shown. */
  get hasNewer() {
    return this.window !== null;
  }

  /** The messages to show, in order; tombstones are among them. */
  get shown() {
    const high = this.window?.high ?? Infinity;
    return this.#held((message) => message.seq >= this.low && message.seq <= high);
  }

  /** Those held that answer a message, in order. */
  answersTo(id) {
    return this.#held((message) => message.replyTo?.id === id);
  }

  /** Those held that are pinned, in order. */
  get pinned() {
    return this.#held((message) => message.pinned);
  }

  /** Whether a message is among the shown ones. */
  shows(seq) {
    return this.loaded && seq >= this.low && seq <= (this.window?.high ?? Infinity);
  }

  #held(which) {
    return [...this.#messages.values()].filter(which).sort((a, b) => a.seq - b.seq);
  }

  get lastSeq() {
    return this.#topSeq;
  }

  /** What is unread: absolute, from two numbers that only rise. */
  get unread() {
    return Math.max(0, this.#topSeq - this.lastReadSeq);
  }

  find(id) {
    return this.#messages.get(id) ?? null;
  }

  /** Note what was just written, before anybody has answered. */
  add(draft) {
    this.pending.push({ ...draft, state: "sending", error: null });
    return this.pending.at(-1);
  }

  drop(clientId) {
    this.pending = this.pending.filter((draft) => draft.clientId !== clientId);
  }

  #acknowledge(message) {
    if (message.clientId && message.author?.id === this.myId) this.drop(message.clientId);
  }

  #forget() {
    this.#messages.clear();
    this.#topSeq = 0;
    this.floor = Infinity;
    this.window = null;
    this.loaded = false;
    this.generation += 1;
  }
}
