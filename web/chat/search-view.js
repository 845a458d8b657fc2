/** Finding messages by their words, in one room or all that one may read. */

import { reason } from "./dialogs.js";
import { part } from "./elements.js";

const NOTHING = "Nothing was found. It looks for whole words, and for all of them.";

export class SearchView {
  #query = null;
  #cursor = null;
  #turn = 0;

  /** `here()` gives the open room's id, `nameOf(roomId)` what another one is called. */
  constructor({ api, view, here, nameOf }) {
    Object.assign(this, { api, view, here, nameOf });
    this.section = part("#side section[data-part=search]");
    this.list = part("ul", this.section);
    this.status = part("p", this.section);
    this.more = part(".more", this.section);
    const form = part("form", this.section);
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#find(form.elements.q.value, form.elements.here.checked);
    };
    this.more.onclick = () => this.#load();
  }

  #find(words, onlyHere) {
    this.#query = { q: words, limit: "30", ...(onlyHere && this.here() ? { room: this.here() } : {}) };
    this.#cursor = null;
    this.list.replaceChildren();
    this.more.hidden = true;
    return this.#load();
  }

  async #load() {
    this.#turn += 1;
    const turn = this.#turn;
    const query = new URLSearchParams({ ...this.#query, ...(this.#cursor ? { cursor: this.#cursor } : {}) });
    this.status.textContent = "Looking…";
    try {
      const { data } = await this.api.get(`/api/messages/search?${query}`);
      if (turn === this.#turn) this.#show(data);
    } catch (error) {
      if (turn === this.#turn) this.status.textContent = reason(error);
    }
  }

  #show({ items, next }) {
    for (const message of items) this.list.append(this.view.card(message, this.nameOf(message.roomId) ?? message.room));
    this.#cursor = next;
    this.more.hidden = next === null;
    const found = this.list.children.length;
    this.status.textContent = found === 0 ? NOTHING : `${found}${next ? " or more" : ""} found`;
  }
}
