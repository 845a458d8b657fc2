/** The rooms one is in, with what is unread. */

import { called, el, part } from "./elements.js";

/** What a room is called, for one of its members. */
export function titleOf(room, myId) {
  if (room.type !== "direct") return room.title || room.name;
  return (room.members ?? []).filter((one) => one.id !== myId).map(called).join(", ") || "Myself";
}

/** Show the rooms; `choose(id)` when one is. The focus stays on the room that has it. */
export function renderRooms(rooms, currentId, myId, choose) {
  const list = part("#room-list");
  const focused = document.activeElement?.closest("#room-list li")?.dataset.room;
  const sorted = [...rooms].sort((a, b) => (a.type === "direct") - (b.type === "direct"));
  list.replaceChildren(...sorted.map((room) => row(room, currentId, myId, choose)));
  if (focused) part(`[data-room="${focused}"] button`, list)?.focus();
  const news = rooms.filter((room) => room.unread > 0).length;
  document.title = news > 0 ? `(${news}) Chat · Marquee` : "Chat · Marquee";
}

function row(room, currentId, myId, choose) {
  const count = room.mentions > 0 ? `@${room.mentions}` : `${room.unread}`;
  const label = room.mentions > 0 ? `${room.mentions} mentions` : `${room.unread} unread`;
  const style = room.mentions > 0 ? "count mentions" : "count";
  const badge = room.unread > 0 ? el("span", { className: style, title: label }, count) : null;
  const sign = { direct: "", private: "🔒 ", public: "# " }[room.type];
  const name = el("span", {}, `${sign}${titleOf(room, myId)}`);
  const button = el("button", { className: "plain", onclick: () => choose(room.id) }, name, badge);
  const mood = [room.unread > 0 ? "unread" : "", room.archived ? "archived" : ""].join(" ").trim();
  return el("li", { className: mood, "aria-current": String(room.id === currentId), "data-room": room.id }, button);
}
