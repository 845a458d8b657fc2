/** The dialog that finds a public room, or makes a new one. */

import { Dialog } from "./dialogs.js";
import { el, part } from "./elements.js";

const PAUSE_MS = 300; // between a key and the search

export class Finder extends Dialog {
  #cursor = null;
  #timer = null;
  #asked = 0;

  /** `onRoom(room)` is told which was chosen, joined or made. */
  constructor({ api, onRoom }) {
    super("#finder");
    Object.assign(this, { api, onRoom });
    this.words = part("input[type=search]", this.node);
    this.list = part("#public-list");
    this.more = part(".more", this.node);
    part("#browse").onclick = () => this.show();
    this.more.onclick = () => this.attempt(() => this.#load());
    this.words.oninput = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#anew(), PAUSE_MS);
    };
    const form = part("#make");
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#make(form.elements.name.value, form.elements.private.checked ? "private" : "public", form);
    };
  }

  show() {
    this.words.value = "";
    this.open();
    this.#anew();
  }

  #anew() {
    this.#cursor = null;
    this.attempt(() => this.#load());
  }

  async #load() {
    this.#asked += 1;
    const turn = this.#asked;
    const query = new URLSearchParams({ type: "public", limit: "50" });
    if (this.words.value.trim()) query.set("search", this.words.value.trim());
    if (this.#cursor) query.set("cursor", this.#cursor);
    const { data } = await this.api.get(`/api/rooms?${query}`);
    if (turn !== this.#asked) return;
    const rows = data.items.map((room) => this.#row(room));
    if (this.#cursor) this.list.append(...rows);
    else this.list.replaceChildren(...rows);
    this.#cursor = data.next;
    this.more.hidden = data.next === null;
  }

  #row(room) {
    const name = el("span", {}, `# ${room.title || room.name}`, el("small", {}, room.topic));
    const open = () => this.#done(room);
    const join = () => this.attempt(async () => this.#done((await this.api.post(`/api/rooms/${room.id}/join`)).data));
    const inside = room.myRole !== null;
    return el("li", {}, name, el("button", { onclick: inside ? open : join }, inside ? "Open" : "Join"));
  }

  #make(name, type, form) {
    return this.attempt(async () => {
      const { data } = await this.api.post("/api/rooms", { name, type });
      form.reset();
      this.#done(data);
    });
  }

  #done(room) {
    this.close();
    this.onRoom(room);
  }
}
