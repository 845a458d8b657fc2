"""A reader that applies what it hears, as a client should."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bench.delivery_client import ANSWER_SECONDS, Line, Lost, Person

_MOST_LOOKING = 4  # at once, so that a burst of events is no flood of requests


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
    """Hears all rooms and applies what comes as docs/events.md tells clients to; notes what breaks a promise.

    Of the events that it hears a share of `looks` is looked up at once, by REST on any process: what somebody is told
    of is there for everybody.
    """

    def __init__(self, person: Person, rooms: Sequence[str], faults: list[str], looks: float) -> None:
        self.person, self._rooms, self._faults, self._looks = person, rooms, faults, looks
        self.held = {room: Held() for room in rooms}
        self.breaks = self.full_loads = self.too_slow = self.looked = 0
        self.thawed, self.present = asyncio.Event(), asyncio.Event()
        self.thawed.set()
        self.present.set()
        self.is_away = False
        self.line: Line | None = None
        self.left: list[Line] = []  # connections that it left without closing them
        self._last: dict[str, int] = {}
        self._looking: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Read, and come back after every break, until cancelled."""
        while True:
            self.is_away = not self.present.is_set()
            await self.present.wait()
            self.is_away = False
            self.line, self._last = await self.person.connect(), {}
            self.line.narrow()
            try:
                await self._subscribe(self.line)
                while self.present.is_set():
                    await self.thawed.wait()
                    self.hear(await self.line.read())
            except Lost as e:
                self.too_slow += "4408" in str(e)
                self.breaks += 1
            self.hang_up()

    async def stop(self) -> None:
        """Let the looks that are under way end, and close the connections, the left ones too."""
        if self._looking:
            await asyncio.wait(self._looking, timeout=ANSWER_SECONDS)
        for look in self._looking:
            look.cancel()
        self.hang_up()
        for line in self.left:
            line.hang_up()

    def hang_up(self) -> None:
        """Close the connection, but none that was left."""
        if self.line is not None and self.line not in self.left:
            self.line.hang_up()

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
            self.full_loads += self.held[room].epoch is not None
            self.held[room].epoch = None
            self.held[room] = await load(self.person, room)
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
            if len(self._looking) < _MOST_LOOKING and self.person.chance.random() < self._looks:
                look = asyncio.create_task(self._look(frame["data"]))
                self._looking.add(look)
                look.add_done_callback(self._looking.discard)
        held.offset = max(held.offset, offset)

    async def _look(self, told: dict[str, Any]) -> None:
        """Read a message that an event has told of: whoever answers, it is there, in this state or a later one."""
        with suppress(Lost):
            status, there = await self.person.call("GET", f"/api/messages/{told['id']}")
            if status == 401:
                await self.person.renew()
                return
            self.looked += 1
            if status != 200 or there["rev"] < told["rev"]:
                found = f"at {there['rev']}" if status == 200 else f"answered with {status}"
                self._faults.append(f"{self.person.name}: told of {told['id']} at {told['rev']}, which is {found}")


async def _deaf(_seconds: float | None = None) -> dict[str, Any]:
    raise Lost("left")
