/** The rooms of the person, as REST shows them, kept up by events; without anything of the page. */

import { Paced } from "../shared/pace.js";

const REFRESH_MS = 1000;
const MOST_PAGES = 50;

/** All items of a list, by its cursor. */
export async function everything(api, path) {
  const items = [];
  let cursor = null;
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const { data } = await api.get(`${path}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, { retries: 3 });
    items.push(...data.items);
    cursor = data.next;
    if (cursor === null) break;
  }
  return items;
}

export class RoomBook {
  #rooms = new Map(); // id -> room, another object after each change
  #refresh;

  /** `onChange()` after every change. */
  constructor({ api, onChange }) {
    Object.assign(this, { api, onChange });
    this.#refresh = new Paced((id) => this.#again(id), REFRESH_MS);
  }

  get all() {
    return [...this.#rooms.values()];
  }

  get(id) {
    return this.#rooms.get(id) ?? null;
  }

  /** Read them all anew; a room that is only visited stays. */
  async load() {
    const before = new Map(this.#rooms);
    const mine = await everything(this.api, "/api/rooms?limit=100");
    const heardOf = (id) => this.#rooms.get(id) !== before.get(id);
    const kept = this.all.filter((room) => heardOf(room.id) || (!room.myRole && !mine.some(({ id }) => id === room.id)));
    const read = mine.filter(({ id }) => !heardOf(id));
    for (const { id } of mine) if (heardOf(id)) this.refresh(id);
    this.#rooms = new Map([...read, ...kept].map((room) => [room.id, room]));
    this.onChange();
  }

  /** The room to begin with: the one named, else the one for everybody. */
  first(id) {
    const general = this.all.find((room) => room.name === "general");
    return this.get(id) ?? general ?? this.all[0] ?? null;
  }

  /** Note a room as it is told whole; one that was edited since, as its version says, stays. */
  put(room) {
    if (this.#rooms.get(room.id)?.version > room.version) return;
    this.#rooms.set(room.id, room);
    this.onChange();
  }

  patch(id, fields) {
    const room = this.#rooms.get(id);
    if (!room || Object.entries(fields).every(([name, value]) => room[name] === value)) return;
    this.#rooms.set(id, { ...room, ...fields });
    this.onChange();
  }

  remove(id) {
    if (this.#rooms.delete(id)) this.onChange();
  }

  /** Read one anew, soon, however often it is asked for. */
  refresh(id) {
    this.#refresh.ask(id);
  }

  /** Read one now; rejects as Api does. */
  async fetch(id) {
    const before = this.#rooms.get(id);
    const { data } = await this.api.get(`/api/rooms/${id}`);
    this.#take(id, before, data);
    return data;
  }

  async #again(id) {
    const before = this.#rooms.get(id);
    if (!before) return;
    const { data } = await this.api.get(`/api/rooms/${id}`).catch(() => ({ data: {} })); // the next hello loads all
    this.#take(id, before, data);
  }

  /** Note what was read, unless there was news while it was on its way, which may be newer: then read again. */
  #take(id, before, room) {
    if (this.#rooms.get(id) !== before) this.refresh(id);
    else if (before) this.patch(id, room);
    else this.put(room);
  }
}
