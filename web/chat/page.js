/** The page once somebody is signed in: which room is open, and what each event means for what is seen. */

import { Backoff, sleep } from "../shared/backoff.js";
import { ChatClient, isDefinite } from "../shared/chat.js";
import { Paced } from "../shared/pace.js";
import { Socket, socketUrl } from "../shared/socket.js";
import { Conversation } from "./conversation.js";
import { called, part } from "./elements.js";
import { FileLinks } from "./files.js";
import { Finder } from "./finder.js";
import { PeopleView } from "./people-view.js";
import { PersonDialog } from "./person-dialog.js";
import { ProfileDialog } from "./profile-dialog.js";
import { everything, RoomBook } from "./room-book.js";
import { hasSettings, isGeneral, RoomDialog } from "./room-dialog.js";
import { renderRooms, titleOf } from "./rooms-view.js";
import { SearchView } from "./search-view.js";
import { Side } from "./side.js";
import { StatusLine } from "./status-line.js";

const PEOPLE_MS = 1000; // between two readings of a room's members
const UNAUTHENTICATED = 4401;
const PRESENCE = "marquee-presence"; // what a reload keeps

export class ChatPage {
  #morePeopleAt = null; // the cursor of those who are not shown yet
  #hello = null; // the last
  #reading = new Set(); // for each reading of people under way, what was heard of them meanwhile

  /** `onEnded()` when the session is no more; `goOn()` takes up again with a new one of the same person. */
  constructor({ api, session, onEnded }) {
    Object.assign(this, { api, session, onEnded });
    this.me = { ...session.user };
    this.line = new StatusLine({ onHurry: () => this.socket.hurry() });
    this.files = new FileLinks(api);
    this.reload = new Paced((id) => this.#loadPeople(id), PEOPLE_MS);
    this.book = new RoomBook({ api, onChange: () => this.#showRooms() });
    this.#connect();
    this.#setUpViews();
    this.#setUpDialogs();
  }

  start() {
    part("#me").textContent = called(this.me);
    part("#me").onclick = () => this.profile.show();
    part("#sign-out").onclick = () => this.#signOut();
    part("#presence").value = sessionStorage.getItem(PRESENCE) ?? "online";
    part("#presence").onchange = () => this.#sayPresence();
    addEventListener("online", () => this.socket.hurry());
    addEventListener("beforeunload", (event) => this.chat.hasUnsent && event.preventDefault());
    document.addEventListener("visibilitychange", () => this.conversation.markRead());
    this.socket.start();
  }

  goOn() {
    this.socket.start();
  }

  #connect() {
    this.socket = new Socket({
      url: socketUrl("/ws/chat"),
      authenticate: (why) => this.session.credential(why),
      onHello: (hello) => this.#greeted(hello),
      onEvent: (frame) => this.chat.hear(frame),
      onState: (now) => this.#showState(now),
    });
    this.chat = new ChatClient({
      api: this.api,
      socket: this.socket,
      myId: this.me.id,
      onRoom: (room) => this.conversation.render(room),
      onEnd: (room) => this.#gone(room.id),
      onNews: (frame) => this.#news(frame),
    });
  }

  #setUpViews() {
    const { api, me, book, chat, socket, files } = this;
    const onProblem = (error) => this.line.problem(error);
    this.people = new PeopleView({
      myId: me.id,
      onPerson: (member) => this.person.show(member, book.get(this.#openId), this.people.status(member.userId)),
      onMore: () => this.#morePeople(),
    });
    this.side = new Side({ onShow: (name) => name === "pins" && this.conversation.showPins() });
    this.conversation = new Conversation({
      ...{ me, book, chat, socket, files, onProblem, people: this.people, side: this.side },
      onJoin: (id) => this.#join(id),
      onJump: (message) => this.#jump(message),
    });
    const nameOf = (id) => book.get(id) && titleOf(book.get(id), me.id);
    this.search = new SearchView({ api, view: this.conversation.view, here: () => this.#openId, nameOf });
  }

  #setUpDialogs() {
    const { api, me, book } = this;
    const myId = me.id;
    this.finder = new Finder({ api, onRoom: (room) => this.#enter(room) });
    const onGone = (id) => this.#gone(id);
    this.settings = new RoomDialog({ api, myId, onRoom: (room) => book.put(room), onGone });
    this.person = new PersonDialog({
      api,
      myId,
      onDirect: (member) => this.#direct(member),
      onMember: (member) => this.#tellPeople((people) => people.update(member)),
      onRemoved: (userId) => this.#tellPeople((people) => people.remove(userId)),
    });
    const onProfile = (profile) => {
      part("#me").textContent = called(profile);
      Object.assign(me, profile);
      this.people.update({ userId: myId, displayName: profile.displayName });
    };
    this.profile = new ProfileDialog({ api, files: this.files, onProfile });
    part("#settings").onclick = () => this.#openId && this.settings.show(book.get(this.#openId));
  }

  get #openId() {
    return this.conversation.room?.id ?? null;
  }

  async #greeted(hello) {
    this.files.aheadMs = Date.parse(hello.serverTime) - Date.now();
    if (part("#presence").value !== "online") this.#sayPresence();
    this.chat.greet();
    this.#hello = hello;
    const wait = new Backoff();
    while (this.#hello === hello && this.socket.state === "open" && !(await this.#readRooms())) await sleep(wait.next());
  }

  /** Read the rooms anew, and have one open; return whether that was answered. */
  async #readRooms() {
    try {
      await this.book.load();
      const id = this.#openId;
      if (id === null) await this.#choose(location.hash.slice(1) || null);
      else this.reload.ask(id);
      return true;
    } catch (error) {
      this.line.problem(error);
      return isDefinite(error);
    }
  }

  /** Open a room by its id; without one, or where it is not to be seen, the one to begin with. */
  async #choose(id) {
    if (id !== null && this.#openId === id) return;
    if (id !== null && this.book.get(id) === null) await this.book.fetch(id).catch(() => {});
    const room = this.book.first(id);
    if (this.#openId !== null) this.chat.close(this.#openId);
    this.people.clear();
    this.#morePeopleAt = null;
    if (room) history.replaceState(null, "", `#${room.id}`);
    this.conversation.open(room ? this.chat.open(room.id) : null);
    this.side.roomChanged();
    this.#showRooms();
    if (room) this.reload.ask(room.id);
  }

  async #enter(room) {
    this.book.put(room);
    await this.#choose(room.id);
  }

  async #try(work) {
    try {
      await work();
    } catch (error) {
      this.line.problem(error);
    }
  }

  #direct({ userId }) {
    const body = { type: "direct", memberIds: [userId] };
    return this.#try(async () => this.#enter((await this.api.post("/api/rooms", body)).data));
  }

  #join(id) {
    return this.#try(async () => this.book.put((await this.api.post(`/api/rooms/${id}/join`)).data));
  }

  #jump({ roomId = this.#openId, seq }) {
    return this.#try(async () => {
      if (roomId !== this.#openId) await this.#choose(roomId);
      this.side.makeWay();
      if (roomId === this.#openId) await this.conversation.jump(seq);
    });
  }

  #gone(id) {
    const wasOpen = this.#openId === id;
    this.book.remove(id);
    if (!wasOpen) return;
    this.conversation.room = null;
    this.chat.close(id);
    this.#choose(null);
  }

  #news({ event, channel, data }) {
    const roomId = channel.startsWith("room:") ? channel.slice(5) : null;
    const here = roomId !== null && roomId === this.#openId;
    if (event === "typing" && here) this.people.typing(data.userId, data.on);
    else if (event === "presence.changed") this.#tellPeople((people) => people.presence(data.userId, data.status));
    else if (event === "read") this.conversation.heardRead(roomId, data);
    else if (event === "room.unread") this.book.patch(data.roomId, data);
    else if (event === "mention") this.book.refresh(data.message.roomId);
    else if (event === "room.created") this.book.put(data.room);
    else if (event === "room.removed") this.#gone(data.room.id);
    else if (event === "room.updated") this.book.patch(data.id, data);
    else if (event.startsWith("member.")) this.#member(event, roomId, data, here);
  }

  #member(event, roomId, data, here) {
    if (event === "member.updated" && data.userId === this.me.id) {
      this.book.refresh(roomId); // not the event's role: to an admin of the server `general` answers more
      this.conversation.mutedUntil(roomId, data.mutedUntil && Date.parse(data.mutedUntil));
    }
    if (!here) return;
    if (event === "member.left") this.#tellPeople((people) => people.remove(data.userId));
    else if (event === "member.joined" || isGeneral(this.book.get(roomId))) this.reload.ask(roomId);
    else this.#tellPeople((people) => people.update(data));
  }

  /** Tell the list of people something. While it is read it is told again afterwards: what was read may be older. */
  #tellPeople(news) {
    news(this.people);
    for (const meanwhile of this.#reading) meanwhile.push(news);
  }

  /** Read something about the people of a room, and show it by `show(answer)`, unless another room is open by then. */
  async #readPeople(id, read, show) {
    if (id !== this.#openId) return;
    const meanwhile = [];
    this.#reading.add(meanwhile);
    await this.#try(async () => {
      const answer = await read();
      if (id !== this.#openId) return;
      show(answer);
      for (const news of meanwhile) news(this.people);
      this.#showMine();
    });
    this.#reading.delete(meanwhile);
  }

  #loadPeople(id) {
    const path = `/api/rooms/${id}/members?limit=100`;
    const read = () => Promise.all([this.api.get(path), everything(this.api, "/api/users/online?limit=100")]);
    return this.#readPeople(id, read, ([{ data }, online]) => {
      this.people.here(online);
      this.#showPeople(data.items, data.next);
    });
  }

  #morePeople() {
    const path = `/api/rooms/${this.#openId}/members?limit=100&cursor=${encodeURIComponent(this.#morePeopleAt)}`;
    const show = ({ data }) => this.#showPeople([...this.people.all, ...data.items], data.next);
    return this.#readPeople(this.#openId, () => this.api.get(path), show);
  }

  #showPeople(items, next) {
    this.#morePeopleAt = next;
    this.people.show(items, next !== null);
  }

  #showMine() {
    const mine = this.people.get(this.me.id);
    if (mine) this.conversation.mutedUntil(this.#openId, mine.mutedUntil && Date.parse(mine.mutedUntil));
    this.conversation.render(this.conversation.room);
  }

  #sayPresence() {
    const status = part("#presence").value;
    sessionStorage.setItem(PRESENCE, status);
    this.socket.request("presence.set", { status }).catch(() => {}); // the next hello says it again
  }

  /** Where the server cannot be reached one stays signed in, and is told so: the cookie is the server's to take. */
  async #signOut() {
    this.socket.stop();
    try {
      await this.session.signOut();
      location.replace("/chat");
    } catch (error) {
      this.socket.start();
      this.line.problem(new Error(`You are still signed in. ${error.message}`));
    }
  }

  #showRooms() {
    renderRooms(this.book.all, this.#openId, this.me.id, (id) => this.#choose(id));
    const room = this.book.get(this.#openId);
    part("#title").textContent = room ? titleOf(room, this.me.id) : "";
    part("#topic").textContent = room?.topic ?? "";
    part("#settings").hidden = !room || !hasSettings(room);
    this.conversation.bar();
  }

  #showState({ state, code, retryInMs }) {
    this.line.show(state, code, retryInMs);
    document.documentElement.dataset.link = state;
    if (state === "stopped" && code === UNAUTHENTICATED) this.onEnded();
  }
}
