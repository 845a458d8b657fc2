/** The page once somebody is signed in: which room is open, and what each event means for what is seen. */

import { ChatClient } from "../shared/chat.js";
import { Socket, socketUrl } from "../shared/socket.js";
import { Composer } from "./composer.js";
import { part } from "./elements.js";
import { MessagesView } from "./messages-view.js";
import { PeopleView } from "./people-view.js";
import { renderRooms, setUpFinder, titleOf } from "./rooms-view.js";

const WORDS = { idle: "", connecting: "Connecting…", open: "Connected", waiting: "Offline. Trying again…", stopped: "Signed out." };

export class ChatPage {
  #rooms = new Map(); // by id, as REST shows them
  #current = null; // the open RoomState
  #reading = 0;

  constructor(api, session) {
    this.api = api;
    this.session = session;
    this.myId = session.user.id;
    this.socket = new Socket({
      url: socketUrl("/ws/chat"),
      authenticate: (why) => session.credential(why),
      onHello: () => this.#greeted(),
      onEvent: (frame) => this.chat.hear(frame),
      onState: ({ state }) => this.#showState(state),
    });
    this.chat = new ChatClient({
      api,
      socket: this.socket,
      myId: this.myId,
      onRoom: (room) => room === this.#current && this.messages.render(room),
      onEnd: (room) => this.#gone(room.id),
      onNews: (frame) => this.#news(frame),
    });
    this.#setUpViews();
  }

  start() {
    part("#me").textContent = this.session.user.username;
    setUpFinder(this.api, (room) => this.#enter(room));
    part("#sign-out").onclick = () => this.#signOut();
    addEventListener("online", () => this.socket.hurry());
    document.addEventListener("visibilitychange", () => this.#markRead());
    this.socket.start();
  }

  #setUpViews() {
    const { chat } = this;
    this.people = new PeopleView({ myId: this.myId, onPerson: (member) => this.#direct(member) });
    this.composer = new Composer({
      onSend: (draft) => this.#current && chat.send(this.#current, draft),
      onEdit: (message, content) => this.#change("PATCH", message, "", { content }),
      upload: (file) => this.#upload(file),
      onTyping: () => this.#current && this.#ask("typing", { room: this.#current.id, on: true }),
      onProblem: (error) => this.#say(error),
    });
    const act = {
      react: (message, emoji, on) => this.#change(on ? "PUT" : "DELETE", message, `/reactions/${encodeURIComponent(emoji)}`),
      reply: (message) => this.composer.reply(message),
      edit: (message) => this.composer.edit(message),
      remove: (message) => this.#change("DELETE", message, ""),
      resend: (draft) => chat.resend(this.#current, draft.clientId),
      discard: (draft) => chat.discard(this.#current, draft.clientId),
      mayModerate: () => ["owner", "moderator"].includes(this.#rooms.get(this.#current?.id)?.myRole),
    };
    const onOlder = (room) => chat.older(room).catch((error) => this.#say(error));
    this.messages = new MessagesView({ myId: this.myId, act, onOlder, onEnd: () => this.#markRead() });
  }

  async #greeted() {
    this.chat.greet();
    try {
      await this.#loadRooms();
      if (this.#current === null && this.#rooms.size > 0) this.#choose(this.#start());
      else this.#loadPeople();
    } catch (error) {
      this.#say(error);
    }
  }

  #start() {
    const general = [...this.#rooms.values()].find((room) => room.name === "general");
    return (this.#rooms.get(location.hash.slice(1)) ?? general ?? [...this.#rooms.values()][0]).id;
  }

  async #loadRooms() {
    const { data } = await this.api.get("/api/rooms?limit=100", { retries: 3 });
    this.#rooms = new Map(data.items.map((room) => [room.id, room]));
    this.#showRooms();
  }

  #choose(id) {
    if (this.#current?.id === id) return;
    if (this.#current) this.chat.close(this.#current.id);
    this.composer.reset();
    this.people.clear();
    this.#reading = 0;
    this.#current = this.chat.open(id);
    history.replaceState(null, "", `#${id}`);
    this.#showRooms();
    this.messages.render(this.#current);
    this.#loadPeople();
  }

  #enter(room) {
    this.#rooms.set(room.id, room);
    this.#choose(room.id);
    this.#loadRooms().catch((error) => this.#say(error));
  }

  async #direct({ userId }) {
    if (userId === this.myId) return;
    try {
      this.#enter((await this.api.post("/api/rooms", { type: "direct", memberIds: [userId] })).data);
    } catch (error) {
      this.#say(error);
    }
  }

  #gone(id) {
    this.#rooms.delete(id);
    if (this.#current?.id === id) {
      this.#current = null;
      if (this.#rooms.size > 0) this.#choose(this.#start());
    }
    this.#showRooms();
  }

  #news({ event, channel, data }) {
    const here = this.#current !== null && channel === `room:${this.#current.id}`;
    if (event === "typing" && here) this.people.typing(data.userId, data.on);
    else if (event === "presence.changed") this.people.presence(data.userId, data.status);
    else if (event === "room.unread") this.#patch(data.roomId, data);
    else if (event === "mention") this.#refresh(data.message.roomId);
    else if (event === "room.created") this.#patch(data.room.id, data.room, true);
    else if (event === "room.removed") this.#gone(data.room.id);
    else if (event === "room.updated") this.#patch(data.id, data);
    else if (event === "read" && data.userId === this.myId) this.#refresh(channel.slice(5));
    else if (event.startsWith("member.") && here) this.#loadPeople();
  }

  #patch(id, fields, isNew = false) {
    if (!isNew && !this.#rooms.has(id)) return;
    this.#rooms.set(id, { ...this.#rooms.get(id), ...fields });
    this.#showRooms();
  }

  async #refresh(id) {
    const { data } = await this.api.get(`/api/rooms/${id}`).catch(() => ({ data: null })); // the next hello loads all
    if (data) this.#patch(id, data);
  }

  async #loadPeople() {
    const id = this.#current.id;
    try {
      const [members, online] = await Promise.all([
        this.api.get(`/api/rooms/${id}/members?limit=100`),
        this.api.get("/api/users/online?limit=100"),
      ]);
      if (this.#current?.id === id) this.people.show(members.data.items, online.data.items);
    } catch (error) {
      this.#say(error);
    }
  }

  /** Say up to where one has read: only what is in sight of somebody. */
  async #markRead() {
    const room = this.#current;
    if (room === null || document.hidden || !this.messages.atEnd) return;
    const seq = room.lastSeq;
    if (seq <= this.#reading || this.socket.state !== "open" || !this.#rooms.get(room.id)?.myRole) return;
    this.#reading = seq;
    try {
      this.#patch(room.id, await this.socket.request("read", { room: room.id, seq }));
    } catch {
      if (this.#current === room) this.#reading = 0; // the next look says it again
    }
  }

  async #change(method, message, path, body) {
    try {
      await this.chat.change(this.#current, method, `/api/messages/${message.id}${path}`, body);
    } catch (error) {
      this.#say(error);
    }
  }

  async #upload(file) {
    const form = new FormData();
    form.append("file", file);
    return (await this.api.post("/api/files/upload", form, { timeoutMs: 120_000 })).data;
  }

  #ask(type, data) {
    this.socket.request(type, data).catch(() => {}); // a hint: nothing is lost with it
  }

  async #signOut() {
    this.chat.stop();
    this.socket.stop();
    await this.session.signOut().catch(() => {});
    location.replace("/chat");
  }

  #showRooms() {
    const rooms = [...this.#rooms.values()];
    renderRooms(rooms, this.#current?.id, this.myId, (id) => this.#choose(id));
    const room = this.#rooms.get(this.#current?.id);
    part("#title").textContent = room ? titleOf(room, this.myId) : "";
    part("#topic").textContent = room?.topic ?? "";
  }

  #showState(state) {
    part("#line").textContent = WORDS[state];
    part("#line").dataset.state = ["waiting", "stopped"].includes(state) ? "away" : state;
    document.documentElement.dataset.link = state;
  }

  #say(error) {
    part("#line").textContent = error.message;
    part("#line").dataset.state = "away";
  }
}
