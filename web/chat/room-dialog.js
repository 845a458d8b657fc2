/** The room's own dialog: leave it; bring somebody in; as its owner name it, archive it, delete it. */

import { Dialog, twice } from "./dialogs.js";
import { part } from "./elements.js";
import { titleOf } from "./rooms-view.js";

export const isGeneral = (room) => room?.name === "general" && room.type === "public";

/** Whether one can do anything about a room in the dialog: else nothing leads to it. */
export function hasSettings(room) {
  if (room.type === "direct" || room.myRole === null) return false;
  return !isGeneral(room) || room.myRole === "owner";
}

export class RoomDialog extends Dialog {
  #room = null;

  /** `onRoom(room)` is told of a changed room, `onGone(id)` of one that was left or deleted. */
  constructor({ api, myId, onRoom, onGone }) {
    super("#settings-dialog");
    Object.assign(this, { api, myId, onRoom, onGone });
    this.#onSubmit("edit", (form) => this.#save(form));
    this.#onSubmit("invite", (form) => this.#bringIn(form));
    twice(this.part("leave"), () => this.#leave());
    twice(this.part("delete"), () => this.#delete());
    this.part("archive").onclick = () => this.#change({ archived: !this.#room.archived });
  }

  show(room) {
    this.#fill(room);
    this.open();
  }

  #fill(room) {
    this.#room = room;
    const stays = isGeneral(room);
    const owns = room.myRole === "owner" && room.type !== "direct";
    const leads = (owns || room.myRole === "moderator") && room.type !== "direct" && !room.archived;
    part("h2", this.node).textContent = titleOf(room, this.myId);
    this.part("edit").hidden = !owns;
    this.part("invite").hidden = !leads || stays;
    this.part("leave").hidden = room.myRole === null || room.type === "direct" || stays;
    this.part("archive").hidden = !owns || stays;
    this.part("delete").hidden = !owns || stays;
    this.part("archive").textContent = room.archived ? "Open it again" : "Archive it: to be read only";
    const fields = this.part("edit").elements;
    for (const name of ["title", "name", "topic"]) fields[name].value = room[name] ?? "";
    fields.name.disabled = stays;
  }

  #onSubmit(name, act) {
    this.part(name).onsubmit = (event) => {
      event.preventDefault();
      act(event.target);
    };
  }

  async #save({ elements }) {
    const given = Object.fromEntries(["title", "name", "topic"].map((name) => [name, elements[name].value.trim()]));
    const changes = Object.fromEntries(Object.entries(given).filter(([name, value]) => value !== this.#room[name]));
    if (await this.#change(changes)) this.close();
  }

  /** Change settings, if nobody else has changed them since they were read here. */
  #change(changes) {
    return this.attempt(async () => {
      const headers = { "If-Match": `"${this.#room.version}"` };
      const { data } = await this.api.patch(`/api/rooms/${this.#room.id}`, changes, { headers });
      this.#fill(data);
      this.onRoom(data);
    });
  }

  #bringIn(form) {
    const wanted = form.elements.username.value.trim().replace(/^@/, "").toLowerCase();
    return this.attempt(async () => {
      const { data } = await this.api.get(`/api/users?search=${encodeURIComponent(wanted)}&limit=100`);
      const person = data.items.find((card) => card.username.toLowerCase() === wanted);
      if (!person) throw new Error("There is nobody of that username.");
      await this.api.put(`/api/rooms/${this.#room.id}/members/${person.id}`, {});
      form.reset();
      this.close();
    });
  }

  async #leave() {
    const { id } = this.#room;
    if (await this.attempt(() => this.api.post(`/api/rooms/${id}/leave`))) this.#gone(id);
  }

  async #delete() {
    const { id } = this.#room;
    if (await this.attempt(() => this.api.delete(`/api/rooms/${id}`))) this.#gone(id);
  }

  #gone(id) {
    this.close();
    this.onGone(id);
  }
}
