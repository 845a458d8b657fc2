/** What one can do about a person in a room: write to them; above their role also mute or remove; as owner give roles. */

import { Dialog, twice } from "./dialogs.js";
import { called, duration, el, part } from "./elements.js";

const RANK = { member: 0, moderator: 1, owner: 2 };

export class PersonDialog extends Dialog {
  #member = null;
  #room = null;

  /** `onDirect(member)` to write to somebody, `onMember(member)` with what has changed, `onRemoved(userId)`. */
  constructor({ api, myId, onDirect, onMember, onRemoved }) {
    super("#person-dialog");
    Object.assign(this, { api, myId, onMember, onRemoved });
    this.role = part("[data-part=role] select", this.node);
    this.mute = part("[data-part=mute] select", this.node);
    this.role.onchange = () => this.#set({ role: this.role.value });
    this.mute.onchange = () => this.#set({ mutedUntil: until(this.mute.value) });
    twice(this.part("remove"), () => this.#remove());
    this.part("write").onclick = () => {
      this.close();
      onDirect(this.#member);
    };
  }

  /** Show a member of a room, who is `status`. */
  show(member, room, status) {
    this.#room = room;
    this.#fill(member);
    part("h2", this.node).textContent = called(member);
    this.part("about").textContent = `@${member.username}, ${status}`;
    this.open();
  }

  #fill(member) {
    this.#member = member;
    const other = member.userId !== this.myId;
    const { myRole, type } = this.#room;
    const above = myRole !== null && type !== "direct" && RANK[member.role] < RANK[myRole];
    this.part("write").hidden = !other;
    this.part("role").hidden = myRole !== "owner" || type === "direct";
    this.part("mute").hidden = !other || !above;
    this.part("remove").hidden = !other || !above || this.#room.name === "general";
    this.role.value = member.role;
    this.#showMute(member.mutedUntil);
  }

  /** The choice that stands first says how long a mute still lasts. */
  #showMute(mutedUntil) {
    part("option[value=now]", this.mute)?.remove();
    const left = mutedUntil === null ? 0 : new Date(mutedUntil) - Date.now();
    if (left > 0) this.mute.prepend(el("option", { value: "now" }, `for another ${duration(left)}`));
    this.mute.value = left > 0 ? "now" : "";
  }

  #set(changes) {
    return this.attempt(async () => {
      try {
        const { data } = await this.api.put(`/api/rooms/${this.#room.id}/members/${this.#member.userId}`, changes);
        this.#fill(data);
        this.onMember(data);
      } catch (error) {
        this.#fill(this.#member);
        throw error;
      }
    });
  }

  async #remove() {
    const { userId } = this.#member;
    if (!(await this.attempt(() => this.api.delete(`/api/rooms/${this.#room.id}/members/${userId}`)))) return;
    this.close();
    this.onRemoved(userId);
  }
}

function until(minutes) {
  return minutes === "" ? null : new Date(Date.now() + Number(minutes) * 60_000).toISOString();
}
