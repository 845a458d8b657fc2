/** The rooms one is in, with what is unread. */

import { arrangeAtRest, called, el, part } from "./elements.js";

/** What a room is called, for one of its members. */
export function titleOf(room, myId) {
  if (room.type !== "direct") return room.title || room.name;
  return (room.members ?? []).filter((one) => one.id !== myId).map(called).join(", ") || "Myself";
}

/** Show the rooms; `choose(id)` when one is. A room keeps its row: it may be pressed just now, or have the focus. */
export function renderRooms(rooms, currentId, myId, choose) {
  const list = part("#room-list");
  const rows = new Map([...list.children].map((one) => [one.dataset.room, one]));
  const sorted = [...rooms].sort((a, b) => (a.type === "direct") - (b.type === "direct"));
  const shown = sorted.map((room) => {
    const made = rows.get(room.id) ?? row(room.id, choose);
    fill(made, room, currentId, myId);
    return made;
  });
  arrangeAtRest(list, shown);
  const news = rooms.filter((room) => room.unread > 0).length;
  document.title = news > 0 ? `(${news}) Chat · Marquee` : "Chat · Marquee";
}

function row(id, choose) {
  return el("li", { "data-room": id }, el("button", { className: "plain", onclick: () => choose(id) }));
}

function fill(node, room, currentId, myId) {
  const count = room.mentions > 0 ? `@${room.mentions}` : `${room.unread}`;
  const label = room.mentions > 0 ? `${room.mentions} mentions` : `${room.unread} unread`;
  const style = room.mentions > 0 ? "count mentions" : "count";
  const badge = room.unread > 0 ? [el("span", { className: style }, count)] : [];
  const sign = { direct: "", private: "🔒 ", public: "# " }[room.type];
  const name = el("span", {}, `${sign}${titleOf(room, myId)}`);
  const button = node.firstElementChild;
  button.replaceChildren(name, ...badge);
  button.title = room.unread > 0 ? label : "";
  node.className = [room.unread > 0 ? "unread" : "", room.archived ? "archived" : ""].join(" ").trim();
  node.setAttribute("aria-current", String(room.id === currentId));
}
