"""A reader that applies what it hears, as a client should."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.delivery_client import Line, Lost, Person


@dataclass
class Held:
    """What a reader holds of one room, and where it would resume; `epoch` is None while it has to be loaded."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    offset: int = 0
    epoch: str | None = None

    def take(self, message: dict[str, Any]) -> None:
        """Apply a message's state, if its `rev` is above what is held."""
        held = self.messages.get(message["id"])
        if held is None or held["rev"] < message["rev"]:
            self.messages[message["id"]] = message


async def load(person: Person, room: str) -> Held:
    """Return a room as a fresh reader gets it by REST."""
    held, above = Held(), 0
    while True:
        status, page = await person.call("GET", f"/api/messages?room={room}&limit=100&changedAfter={above}")
        if status == 401:
            await person.renew()
            continue
        if status != 200:
            raise RuntimeError(f"{room} could not be read: {page}")
        if not page["items"]:
            return held
        for message in page["items"]:
            held.take(message)
        above = page["items"][-1]["rev"]


class Reader:
    """Hears all rooms and applies what comes as docs/events.md tells clients to; notes what breaks a promise."""

    def __init__(self, person: Person, rooms: Sequence[str], faults: list[str]) -> None:
        self.person, self._rooms, self._faults = person, rooms, faults
        self.held = {room: Held() for room in rooms}
        self.resumes = self.reloads = 0
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.line: Line | None = None
        self.left: list[Line] = []  # connections that it left without closing them
        self._last: dict[str, int] = {}

    async def run(self) -> None:
        """Read, and come back after every break, until cancelled."""
        while True:
            self.line, self._last = await self.person.connect(), {}
            try:
                await self._subscribe(self.line)
                while True:
                    await self.thawed.wait()
                    self.hear(await self.line.read())
            except Lost:
                if self.line is not None and self.line not in self.left:
                    self.line.socket.close()
                self.resumes += 1

    def leave(self) -> None:
        """Go deaf on this connection without closing it, and come back on another: a half-open socket."""
        line = self.line
        if line is not None:
            self.left.append(line)
            line.read = _deaf  # type: ignore[method-assign, assignment]

    async def _subscribe(self, line: Line) -> None:
        asked = [
            {"room": room, "after": held.offset, "epoch": held.epoch} if held.epoch else {"room": room}
            for room, held in self.held.items()
        ]
        kept: list[dict[str, Any]] = []
        reply = await line.ask("room.subscribe", {"rooms": asked}, kept.append)
        if not reply["ok"]:
            raise Lost("not subscribed")
        for entry in reply["data"]["rooms"]:
            if "error" in entry:
                if entry["error"]["status"] < 500:
                    self._faults.append(f"{self.person.name}: {entry}")
                raise Lost("not subscribed")
            await self._begin(entry)
        for frame in kept:
            self.hear(frame)

    async def _begin(self, entry: dict[str, Any]) -> None:
        room = entry["roomId"]
        self._last[room] = entry["offset"]
        if self.held[room].epoch is None or not entry["recovered"]:
            self.held[room].epoch = None
            held = await load(self.person, room)
            self.held[room] = held
            self.reloads += 1
        held = self.held[room]
        for message in entry["messages"]:
            held.take(message)
        held.offset, held.epoch = entry["offset"], entry["epoch"]

    def hear(self, frame: dict[str, Any]) -> None:
        """Apply an event."""
        if frame.get("event") == "unsubscribed":
            raise Lost("unsubscribed")
        if "offset" not in frame:
            return
        room, offset = frame["channel"].removeprefix("room:"), frame["offset"]
        if offset <= self._last.get(room, -1):
            self._faults.append(f"{self.person.name}: in {room} {offset} came after {self._last[room]}")
        self._last[room] = offset
        held = self.held[room]
        if frame["event"].startswith("message."):
            if frame["data"]["rev"] != offset:
                self._faults.append(f"{self.person.name}: the event {offset} has rev {frame['data']['rev']}")
            held.take(frame["data"])
        held.offset = max(held.offset, offset)


async def _deaf(_seconds: float | None = None) -> dict[str, Any]:
    raise Lost("left")
