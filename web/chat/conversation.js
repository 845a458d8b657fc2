/** The open room: what is shown of it, what one does in it, and how far one has read. */

import { isDefinite } from "../shared/chat.js";
import { Paced } from "../shared/pace.js";
import { Composer } from "./composer.js";
import { called, duration, part } from "./elements.js";
import { GatheredView } from "./gathered-view.js";
import { MessageView } from "./message-view.js";
import { MessagesView } from "./messages-view.js";

const READ_AGAIN_MS = 5000; // after the server could not take one
const READ_MS = 1000; // between two `read` frames of a room: one who looks at a busy room stays far below the limit
const MOST_NAMES = 3;

export class Conversation {
  room = null; // the open RoomState
  #said = new Map(); // room id -> up to where this page has said that it is read
  #toSay = new Map(); // room id -> the timer that says again what was read
  #mutes = new Map(); // room id -> until when (milliseconds), as far as it is known
  #barTimer = null;
  #rights = ""; // what one could do in the room when its messages were shown

  /**
   * `chat`, `socket`, `book`, `people`, `side` and `files` as the page has them; `me` is one's own profile;
   * `onJoin(id)` comes into a room, `onJump(message)` goes to a message's place, `onProblem(error)` says what went wrong;
   * null, that it is tried anew.
   */
  constructor(parts) {
    Object.assign(this, parts);
    this.reads = new Paced((id, seq) => this.#sendRead(id, seq), READ_MS);
    const view = new MessageView({ me: this.me, files: this.files, act: this.#actions() });
    this.view = view;
    this.messages = new MessagesView({
      view,
      onOlder: (room) => this.#try(this.chat.older(room)),
      onNewer: (room) => this.#try(this.chat.newer(room)),
      onEnd: () => this.markRead(),
      onNewest: (room) => this.#toNewest(room),
    });
    const { chat, onProblem } = this;
    this.thread = new GatheredView({ name: "thread", chat, view, empty: "Nobody has replied.", onProblem });
    this.pins = new GatheredView({ name: "pins", chat, view, empty: "Nothing is pinned here.", onProblem });
    this.composer = new Composer({
      onSend: (draft) => this.#send(draft),
      onEdit: (message, content) => this.#change("PATCH", message, "", { content }),
      upload: (file) => this.files.upload(file),
      onTyping: () => this.room && this.socket.request("typing", { room: this.room.id, on: true }).catch(() => {}), // a hint
      onProblem,
      members: () => this.people.all.filter((one) => one.userId !== this.me.id),
    });
  }

  /** Turn to another room, or to none. */
  open(room) {
    const known = this.book.get(room?.id);
    this.room = room;
    this.composer.turnTo(room?.id ?? null);
    this.bar();
    if (room) this.messages.open(room, known?.unread > 0 && known.myRole ? known.lastReadSeq : null);
    this.#receipt();
  }

  /** The room's messages have changed. */
  render(room) {
    if (room !== this.room) return;
    const refused = room.pending.find((draft) => draft.error?.code === "muted" && draft.state === "failed");
    if (refused && refused !== this.refused) this.mutedUntil(room.id, Date.now() + refused.error.retryAfterMs);
    this.refused = refused;
    this.messages.render(room);
    this.thread.render(room);
    this.pins.render(room);
    this.#receipt();
    const known = this.book.get(room.id);
    const looks = this.messages.atEnd && !document.hidden;
    if (known?.myRole && !looks) this.book.patch(room.id, { unread: Math.max(0, room.lastSeq - known.lastReadSeq) });
  }

  /** Go to a message of the open room. */
  async jump(seq) {
    const { room } = this;
    this.messages.aim(seq);
    await this.#try(this.chat.lookAt(room, seq));
    if (room === this.room) this.messages.reveal(seq);
  }

  showThread(id) {
    const parent = (room) => [room.find(id), ...room.answersTo(id)].filter((one) => one && !one.deleted);
    part("#side [data-part=answer]").onclick = () => {
      const message = this.room.find(id);
      if (message && !message.deleted) this.composer.reply(message);
      this.side.makeWay();
    };
    this.side.show("thread");
    return this.thread.open(this.room, `thread=${id}`, parent);
  }

  showPins() {
    return this.room && this.pins.open(this.room, "pinned=true", (room) => room.pinned.reverse());
  }

  /** Say up to where one has read: only what is in sight of somebody, and what is not said yet. */
  markRead() {
    const { room } = this;
    const known = this.book.get(room?.id);
    if (!known?.myRole || document.hidden || !this.messages.atEnd || this.socket.state !== "open") return;
    if (room.lastSeq <= Math.max(known.lastReadSeq, this.#said.get(room.id) ?? 0)) return;
    this.#said.set(room.id, room.lastSeq);
    this.reads.ask(room.id, room.lastSeq);
  }

  /** Somebody has read; one's own other device may have. */
  heardRead(roomId, { userId, seq }) {
    if (userId === this.me.id && seq > (this.#said.get(roomId) ?? 0)) this.book.refresh(roomId);
    if (roomId !== this.room?.id) return;
    this.people.read(userId, seq);
    this.#receipt();
  }

  /** One may not write in a room until then (milliseconds; null: one may). */
  mutedUntil(roomId, until) {
    this.#mutes.set(roomId, until ?? 0);
    this.bar();
  }

  /** Say why one cannot write here, as long as it is so, and offer with the messages only what one can do. */
  bar() {
    clearTimeout(this.#barTimer);
    const known = this.book.get(this.room?.id);
    const why = this.#barred();
    const joins = known && !known.archived && !known.myRole;
    this.composer.bar(why, joins ? () => this.onJoin(known.id) : null);
    part("#side [data-part=answer]").hidden = why !== null;
    const rights = `${why === null} ${known?.myRole}`;
    const hasChanged = rights !== this.#rights;
    this.#rights = rights;
    if (hasChanged) this.messages.anew(this.room);
    const left = this.#muteLeft();
    if (left > 0) this.#barTimer = setTimeout(() => this.bar(), Math.min(left, 1000));
  }

  /** Why one cannot write in the open room; null: one can. */
  #barred() {
    const known = this.book.get(this.room?.id);
    const left = this.#muteLeft();
    if (!known) return "No room is open.";
    if (known.archived) return "This room is archived: it can be read only.";
    if (!known.myRole) return "You are only looking in.";
    return left > 0 ? `A moderator has muted you here. You can write again in ${duration(left)}.` : null;
  }

  #muteLeft() {
    return (this.#mutes.get(this.room?.id) ?? 0) - Date.now();
  }

  #actions() {
    return {
      react: (message, emoji, on) => this.#change(on ? "PUT" : "DELETE", message, `/reactions/${encodeURIComponent(emoji)}`),
      reply: (message) => this.composer.reply(message),
      edit: (message) => this.composer.edit(message),
      remove: (message) => this.#change("DELETE", message, ""),
      pin: (message, on) => this.#change(on ? "PUT" : "DELETE", message, "/pin"),
      thread: (id) => this.showThread(id),
      jump: (message) => this.onJump(message),
      resend: (draft) => this.chat.resend(this.room, draft.clientId),
      discard: (draft) => this.chat.discard(this.room, draft.clientId),
      mayWrite: () => this.#barred() === null,
      mayRemove: (isMine) => {
        const role = this.book.get(this.room?.id)?.myRole;
        return ["owner", "moderator"].includes(role) || (isMine && Boolean(role));
      },
    };
  }

  #send(draft) {
    if (!this.room) return;
    this.#toNewest(this.room);
    this.chat.send(this.room, draft);
    this.messages.toEnd();
  }

  #toNewest(room) {
    if (room.hasNewer) this.chat.lookAtNewest(room);
    this.messages.toEnd();
  }

  #change(method, message, path, body) {
    this.onProblem(null);
    return this.#try(this.chat.change(this.room, method, `/api/messages/${message.id}${path}`, body));
  }

  async #try(work) {
    try {
      await work;
    } catch (error) {
      this.onProblem(error);
    }
  }

  async #sendRead(id, seq) {
    try {
      const { unread, mentions, lastReadSeq } = await this.socket.request("read", { room: id, seq });
      this.book.patch(id, { unread, mentions, lastReadSeq });
    } catch (error) {
      this.#said.delete(id);
      if (!isDefinite(error)) this.#readAgain(id, seq);
    }
  }

  /** Say in a while again what could not be said, whatever is open by then: nothing else need cause it. */
  #readAgain(id, seq) {
    const again = () => {
      const known = this.book.get(id);
      const isSaid = Math.max(known?.lastReadSeq ?? 0, this.#said.get(id) ?? 0) >= seq;
      if (known?.myRole && !isSaid) this.reads.ask(id, seq);
    };
    clearTimeout(this.#toSay.get(id));
    this.#toSay.set(id, setTimeout(again, READ_AGAIN_MS));
  }

  /** Say who else has read the newest message; not below one's own that nobody can have read yet. */
  #receipt() {
    const newest = this.room?.pending.length > 0 ? null : this.room?.find(this.room.shown.at(-1)?.id);
    const readers = newest && !newest.deleted ? this.people.readers(newest.seq) : [];
    const names = readers.filter((one) => one.userId !== newest.author.id).map(called);
    const words = names.length > MOST_NAMES ? `${names.length} people` : names.join(", ");
    part("#receipt").textContent = names.length > 0 ? `Read by ${words}` : "";
    part("#receipt").title = names.join(", ");
  }
}
