/** The rooms one is in, with what is unread; and the dialog that finds or makes others. */

import { called, el, part } from "./elements.js";

/** What a room is called, for one of its members. */
export function titleOf(room, myId) {
  if (room.type !== "direct") return room.title || room.name;
  return (room.members ?? []).filter((one) => one.id !== myId).map(called).join(", ") || "Myself";
}

export function renderRooms(rooms, currentId, myId, choose) {
  const items = rooms.map((room) => {
    const count = room.mentions > 0 ? `@${room.mentions}` : `${room.unread}`;
    const badge = room.unread > 0 ? el("span", { className: room.mentions > 0 ? "count mentions" : "count" }, count) : null;
    const name = `${room.type === "direct" ? "" : "# "}${titleOf(room, myId)}`;
    const button = el("button", { className: "plain", onclick: () => choose(room.id) }, el("span", {}, name), ...(badge ? [badge] : []));
    const current = String(room.id === currentId);
    return el("li", { className: room.unread > 0 ? "unread" : "", "aria-current": current, "data-room": room.id }, button);
  });
  part("#room-list").replaceChildren(...items);
}

/** Set up the dialog; `onRoom(room)` is told which was joined or made. */
export function setUpFinder(api, onRoom) {
  const dialog = part("#finder");
  const form = part("#make");
  const problem = form.querySelector(".problem");
  const done = (room) => {
    dialog.close();
    onRoom(room);
  };
  const attempt = async (act) => {
    problem.textContent = "";
    try {
      await act();
    } catch (error) {
      problem.textContent = error.message;
    }
  };
  const join = (room) => attempt(async () => done((await api.post(`/api/rooms/${room.id}/join`)).data ?? room));
  part("#browse").onclick = () =>
    attempt(async () => {
      dialog.showModal();
      const { data } = await api.get("/api/rooms?type=public&limit=100");
      const items = data.items.map((room) =>
        el("li", {}, `# ${room.title || room.name}`, room.myRole ? null : el("button", { onclick: () => join(room) }, "Join")),
      );
      part("#public-list").replaceChildren(...items);
    });
  part("#close-finder").onclick = () => dialog.close();
  form.onsubmit = (event) => {
    event.preventDefault();
    const type = form.elements.private.checked ? "private" : "public";
    attempt(async () => done((await api.post("/api/rooms", { name: form.elements.name.value, type })).data));
  };
}
