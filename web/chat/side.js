/** What stands beside the room: its people, a thread, what is pinned, or a search; one at a time, or nothing. */

import { part } from "./elements.js";

const TITLES = { people: "People", thread: "Thread", pins: "Pinned", search: "Search" };
const WIDE = "(min-width: 60.01rem)";

export class Side {
  /** `onShow(name)` when one is opened. */
  constructor({ onShow }) {
    this.onShow = onShow;
    this.node = part("#side");
    this.name = null;
    part("header button", this.node).onclick = () => this.close();
    for (const button of document.querySelectorAll("[data-side]")) {
      button.onclick = () => (this.name === button.dataset.side ? this.close() : this.show(button.dataset.side));
    }
    this.#roomList();
    const wide = matchMedia(WIDE);
    wide.onchange = () => this.#fit(wide.matches);
    this.#fit(wide.matches);
  }

  /** Open one; its first field has the focus then. */
  show(name) {
    this.name = name;
    part("h2", this.node).textContent = TITLES[name];
    this.#update();
    part(`[data-part=${name}] input`, this.node)?.focus();
    this.onShow(name);
  }

  close() {
    this.name = null;
    this.#update();
  }

  /** Another room is open: what was of the old one is not of this one. */
  roomChanged() {
    if (this.name === "thread") this.show("people");
    else if (this.name !== null && this.name !== "search") this.onShow(this.name);
    this.#showRooms(false);
  }

  /** On a narrow page what lies over the conversation makes way for it. */
  makeWay() {
    if (!matchMedia(WIDE).matches) this.close();
  }

  /** The people stand beside the room where there is a place for them, and not over it. */
  #fit(isWide) {
    if (isWide && this.name === null) this.show("people");
    else if (!isWide && (this.name === null || this.name === "people")) this.close();
  }

  #update() {
    this.node.hidden = this.name === null;
    part("#app").classList.toggle("alone", this.name === null);
    for (const section of this.node.querySelectorAll("section")) section.hidden = section.dataset.part !== this.name;
    for (const button of document.querySelectorAll("[data-side]")) {
      button.setAttribute("aria-expanded", String(button.dataset.side === this.name));
    }
  }

  /** On a phone the rooms are behind a button. */
  #roomList() {
    const button = part("#show-rooms");
    button.onclick = () => this.#showRooms(button.getAttribute("aria-expanded") !== "true");
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#showRooms(false);
    });
  }

  #showRooms(on) {
    part("#app").classList.toggle("rooms-open", on);
    part("#show-rooms").setAttribute("aria-expanded", String(on));
  }
}
