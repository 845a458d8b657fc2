/** The chat's client: rooms that resume where they were, and messages that are sent until somebody answers. */

import { Backoff, sleep } from "./backoff.js";
import { Problem } from "./client.js";
import { RoomState } from "./room-state.js";

export { RoomState };

const PAGE = 50;
const MOST_ROOMS = 100; // of one subscribe frame
const ANSWER_MS = 20_000;

/** Whether `error` settles what was asked: a refusal for good, not an absence. */
export function isDefinite(error) {
  return error instanceof Problem && error.status >= 400 && error.status < 500 && ![401, 408, 429].includes(error.status);
}

/**
 * Keeps the rooms that were opened in step with the server.
 *
 * `api` is an Api, `socket` a Socket on `/ws/chat` whose `onHello` and `onEvent` call `greet()` and `hear(frame)`.
 * `onRoom(room)` is told of every change of a RoomState, `onEnd(room, code)` of a subscription's end by the server, and
 * `onNews(frame)` of what concerns no opened room or is ephemeral.
 */
export class ChatClient {
  rooms = new Map();
  #open = new Set();
  #sending = new Set();
  #stopped = new AbortController();

  constructor({ api, socket, myId, onRoom = () => {}, onEnd = () => {}, onNews = () => {}, backoff = () => new Backoff() }) {
    Object.assign(this, { api, socket, myId, onRoom, onEnd, onNews, backoff });
  }

  /** Begin to hear a room, from where it was left; the state is there at once and fills by itself. */
  open(roomId) {
    if (!this.rooms.has(roomId)) this.rooms.set(roomId, new RoomState(roomId, this.myId));
    const room = this.rooms.get(roomId);
    this.#open.add(roomId);
    if (this.socket.state === "open") this.#subscribe([room]);
    return room;
  }

  /** Hear a room no longer; what is held of it stays, for coming back. */
  close(roomId) {
    this.#open.delete(roomId);
    this.socket.request("room.unsubscribe", { room: roomId }).catch(() => {}); // a lost connection has none
  }

  /** End all work that waits. */
  stop() {
    this.#stopped.abort();
    this.#open.clear();
  }

  /** After each hello: go on in every opened room. */
  greet() {
    const rooms = [...this.#open].map((id) => this.rooms.get(id));
    for (let at = 0; at < rooms.length; at += MOST_ROOMS) this.#subscribe(rooms.slice(at, at + MOST_ROOMS));
  }

  /** Take in an event. */
  hear(frame) {
    const id = frame.channel?.startsWith("room:") ? frame.channel.slice(5) : null;
    const room = id !== null && this.#open.has(id) ? this.rooms.get(id) : null;
    if (room && frame.event === "unsubscribed") this.#ended(room, frame.data.code);
    else if (room && frame.offset !== undefined) {
      room.applyEvent(frame);
      this.onRoom(room);
      if (!frame.event.startsWith("message.")) this.onNews(frame);
    } else this.onNews(frame);
  }

  /** Load the page of history above the oldest shown message. */
  async older(room) {
    if (room.hasOlder) await this.#once(room, `&before=${room.low}`, (items) => room.applyOlder(items, PAGE));
  }

  /** Load the page below the part that is looked at. */
  async newer(room) {
    if (room.hasNewer) await this.#once(room, `&after=${room.window.high}`, (items) => room.applyNewer(items, PAGE));
  }

  /** Show the part of a room where message `seq` stands. */
  async lookAt(room, seq) {
    if (!room.shows(seq)) await this.#page(room, `&around=${seq}`, (items) => room.openWindow(items, PAGE));
  }

  /** Show the newest messages again. */
  lookAtNewest(room) {
    room.leaveWindow();
    this.onRoom(room);
  }

  /**
   * Load some messages wherever they stand: of `thread=<id>` or `pinned=true`, the newest first. They are then held by
   * the room. Return the cursor of the next page, or null.
   */
  async gather(room, which, cursor = null) {
    const where = cursor === null ? `&${which}` : `&${which}&cursor=${encodeURIComponent(cursor)}`;
    return (await this.#page(room, where, (items) => items.forEach((message) => room.apply(message)))).next;
  }

  async #once(room, where, take) {
    if (room.loading) return;
    room.loading = true;
    try {
      await this.#page(room, where, take);
    } finally {
      room.loading = false;
    }
  }

  /** Write a message: it is shown at once, and sent in order, with the same clientId until the answer is definite. */
  send(room, { content, replyTo = null, attachments = [] }, clientId = newClientId()) {
    room.add({ clientId, content, replyTo, attachments });
    this.onRoom(room);
    this.#drain(room);
    return clientId;
  }

  /** Try again what was refused. */
  resend(room, clientId) {
    const draft = room.pending.find((one) => one.clientId === clientId);
    if (draft) draft.state = "sending";
    this.onRoom(room);
    this.#drain(room);
  }

  /** Whether something that was written here has not been acknowledged yet. */
  get hasUnsent() {
    return [...this.rooms.values()].some((room) => room.pending.some((draft) => draft.state === "sending"));
  }

  discard(room, clientId) {
    room.drop(clientId);
    this.onRoom(room);
  }

  /** Make a call that answers with a message, and apply that. */
  async change(room, method, path, body = undefined) {
    const { data } = await this.api.call(method, path, body === undefined ? {} : { body });
    if (data?.rev) room.apply(data);
    this.onRoom(room);
  }

  async #subscribe(rooms) {
    const asked = rooms.map((room) => ({
      room: room.id,
      ...(room.offset === null ? {} : { after: room.offset, epoch: room.epoch }),
    }));
    try {
      const reply = await this.socket.request("room.subscribe", { rooms: asked });
      reply.rooms.forEach((answer, n) => this.#resumed(rooms[n], answer));
    } catch (error) {
      if (this.socket.state !== "open" || this.#stopped.signal.aborted) return; // the next hello asks again
      await sleep(Math.max(error.retryAfterMs ?? 0, 1000), this.#stopped.signal);
      const still = rooms.filter((room) => this.#open.has(room.id));
      if (still.length > 0 && this.socket.state === "open") await this.#subscribe(still);
    }
  }

  #resumed(room, answer) {
    if (answer.error) {
      if (isDefinite(new Problem(answer.error))) this.#ended(room, answer.error.code);
      else sleep(1000, this.#stopped.signal).then(() => this.#open.has(room.id) && this.#subscribe([room]));
      return;
    }
    const toLoad = room.resume(answer);
    this.onRoom(room);
    if (toLoad) this.#load(room);
  }

  /** Load the newest page, until it is there. */
  async #load(room) {
    const wait = this.backoff();
    const { generation } = room;
    while (!room.loaded && room.generation === generation && this.#open.has(room.id)) {
      try {
        await this.#page(room, "", (items) => room.applyPage(items, PAGE));
      } catch (error) {
        if (isDefinite(error)) {
          this.#ended(room, error.code);
          return;
        }
        await sleep(Math.max(error.retryAfterMs ?? 0, wait.next()), this.#stopped.signal);
      }
    }
  }

  async #page(room, where, take) {
    const { generation } = room;
    const { data } = await this.api.get(`/api/messages?room=${room.id}&limit=${PAGE}${where}`);
    if (room.generation === generation) {
      take(data.items);
      this.onRoom(room);
    }
    return data;
  }

  #ended(room, code) {
    if (code === "epoch_changed") {
      this.#subscribe([room]);
      return;
    }
    this.#open.delete(room.id);
    this.onEnd(room, code);
  }

  /** Send what waits in a room, one after the other: so it stands in the order in which it was written. */
  async #drain(room) {
    if (this.#sending.has(room.id)) return;
    this.#sending.add(room.id);
    const wait = this.backoff();
    for (let draft; (draft = room.pending.find((one) => one.state === "sending")) && !this.#stopped.signal.aborted; ) {
      try {
        await this.#sendOnce(room, draft);
        wait.reset();
      } catch (error) {
        if (isDefinite(error)) Object.assign(draft, { state: "failed", error });
        else await sleep(Math.max(error.retryAfterMs ?? 0, wait.next()), this.#stopped.signal);
      }
      this.onRoom(room);
    }
    this.#sending.delete(room.id);
  }

  async #sendOnce(room, { clientId, content, replyTo, attachments }) {
    const data = { room: room.id, content, clientId };
    if (replyTo) data.replyTo = replyTo;
    if (attachments.length > 0) data.attachments = attachments.map((file) => file.id);
    const message = await this.socket.request("message.send", data, { retry: true, timeoutMs: ANSWER_MS });
    room.apply(message);
    room.drop(clientId); // a tombstone, when it was deleted meanwhile, does not carry it
  }
}

/** A name for a message that nobody else has chosen; plain http has no `crypto.randomUUID`. */
export function newClientId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
