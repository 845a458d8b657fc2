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
  #rooms = new Map();
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
    const mine = await everything(this.api, "/api/rooms?limit=100");
    const visited = this.all.filter((room) => !room.myRole && !mine.some(({ id }) => id === room.id));
    this.#rooms = new Map([...mine, ...visited].map((room) => [room.id, room]));
    this.onChange();
  }

  /** The room to begin with: the one named, else the one for everybody. */
  first(id) {
    const general = this.all.find((room) => room.name === "general");
    return this.get(id) ?? general ?? this.all[0] ?? null;
  }

  put(room) {
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
    const { data } = await this.api.get(`/api/rooms/${id}`);
    this.put(data);
    return data;
  }

  async #again(id) {
    if (!this.#rooms.has(id)) return;
    const { data } = await this.api.get(`/api/rooms/${id}`).catch(() => ({ data: {} })); // the next hello loads all
    this.patch(id, data);
  }
}
