"""`room.subscribe`: what was missed in the reply, what is left of it as events, then live."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from core.errors import Conflict, NotFound, Problem, Unavailable
from core.validation import Json
from models.room_feed import Ask, RoomFeed
from models.rooms import Rooms as Store
from realtime.connection import Connection
from realtime.node import Node
from realtime.room import Part
from realtime.rooms import Rooms
from realtime.subscription import Subscription

MOST_MESSAGES = 200  # in one reply, over all its rooms
MOST_BYTES = 262_144
_ID = re.compile(r"[0-9a-f]{24}")
_MOST_NAMES = 1000
# Frames. When thousands come back the stores are asked in turns, and a turn of the loop is no longer than it takes to
# make so many replies (60 KB and 0.12 ms each): requests are served in between.
_AT_ONCE = 32
_TRIES = 5
_PAUSE_SECONDS = 0.05


class Entered(NamedTuple):
    """A room that a connection has come into: its subscription, which listens, and what was read for it."""

    subscription: Subscription
    part: Part


class Budget:
    """What a reply still has room for."""

    def __init__(self) -> None:
        self._messages = MOST_MESSAGES
        self._bytes = MOST_BYTES - 4096  # for what a reply has beside its messages

    def spent_on_room(self) -> None:
        """Count a room's own fields."""
        self._bytes -= 300

    def takes(self, messages: Sequence[bytes]) -> int:
        """Return how many of `messages` fit, and count them."""
        taken = 0
        for message in messages:
            if self._messages < 1 or self._bytes < len(message) + 1:
                break
            self._messages -= 1
            self._bytes -= len(message) + 1
            taken += 1
        return taken


class Subscriber:
    """Subscribes connections to rooms."""

    def __init__(self, node: Node, rooms: Rooms, feed: RoomFeed, store: Store) -> None:
        self._node = node
        self._rooms = rooms
        self._feed = feed
        self._store = store
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._names: dict[str, str] = {}  # of public rooms, as they were lately: to be checked against what is read

    async def subscribe(self, connection: Connection, asked: Sequence[Json]) -> Mapping[str, Any]:
        """Subscribe to all rooms that are asked for, and return the reply; a room that cannot be is an error in it.

        The rooms' events begin behind the reply: it is written in the same step of the loop in which this returns.
        """
        async with self._turn:
            outcomes = await asyncio.gather(*(self._entered(connection, one) for one in asked))
        budget, begun, entries = Budget(), [], []
        for one, outcome in zip(asked, outcomes, strict=True):
            budget.spent_on_room()
            if isinstance(outcome, Problem):
                entries.append({"room": one["room"], "error": outcome.frame()})
            elif outcome.subscription.ended:
                entries.append({"room": one["room"], "error": Conflict(detail="You are out again.").frame()})
            else:
                entry, more = _entry(one["room"], outcome, budget)
                entries.append(entry)
                begun.append((outcome.subscription, more))
        asyncio.get_running_loop().call_soon(self._begin, begun)
        return {"rooms": entries}

    def _begin(self, begun: Sequence[tuple[Subscription, bool]]) -> None:
        """Go live, where nothing is left to be read first."""
        late = []
        for subscription, more in begun:
            if more or subscription.is_overrun:
                subscription.rest()
                late.append(subscription)
            elif not subscription.is_over():
                subscription.settle(subscription.position)
        if late:
            self._node.spawn(self._catch_up(late))

    async def _catch_up(self, late: Sequence[Subscription]) -> None:
        """One after the other, so that a connection costs one reading's memory, however many its rooms."""
        for subscription in late:
            await subscription.catch_up(self._feed)

    async def _entered(self, connection: Connection, asked: Json) -> Entered | Problem:
        try:
            return await self._enter(connection, asked)
        except Problem as e:
            return e

    async def _enter(self, connection: Connection, asked: Json) -> Entered:
        assert connection.actor is not None
        name = asked["room"].casefold()
        known = asked["room"] if _ID.fullmatch(asked["room"]) else self._names.get(name)
        if known != asked["room"] and known in connection.place:
            known = None  # entering ends what is subscribed there: only when the name is still that room's
        if known is not None:
            try:
                entered = await self._read(connection, known, asked)
            except NotFound:
                if known == asked["room"]:
                    raise
            else:
                if name in {known, entered.part.missed.room["name"]}:
                    return entered
                self._rooms.leave(entered.subscription)
        room, _ = await self._store.resolve(asked["room"], by=connection.actor)
        if room["type"] == "public":
            if len(self._names) > _MOST_NAMES:
                self._names.clear()
            self._names[name] = room["_id"]
        return await self._read(connection, room["_id"], asked)

    async def _read(self, connection: Connection, room_id: str, asked: Json) -> Entered:
        """Listen, then read: at the moment of the snapshot the actor may read the room, or NotFound."""
        assert connection.actor is not None
        ask = Ask(connection.actor.id, asked.get("after"), asked.get("epoch"))
        subscription = self._rooms.enter(connection, room_id)
        try:
            await self._rooms.opened(subscription)
            part = await self._read_in_time(subscription, ask)
            if not part.missed.may_read:
                raise NotFound
        except BaseException:
            self._rooms.leave(subscription)
            raise
        if connection.code is not None:
            self._rooms.leave(subscription)
        return Entered(subscription, part)

    async def _read_in_time(self, subscription: Subscription, ask: Ask) -> Part:
        """Read a snapshot that is not behind what the room had handed out when the subscription began to listen."""
        for _ in range(_TRIES):
            part = await subscription.room.missed(ask)
            if part.missed.room["offset"] >= subscription.since:
                return part
            await asyncio.sleep(_PAUSE_SECONDS)
        raise Unavailable


def _entry(name: str, entered: Entered, budget: Budget) -> tuple[dict[str, Any], bool]:
    """Return the reply's part for one room, and whether more has to follow as events.

    `offset` is what the client has applied with it, and resumes from if it is cut off now.
    """
    subscription, (missed, encoded) = entered.subscription, (entered.part.missed, entered.part.messages)
    count = budget.takes(encoded)
    more = missed.more or count < len(encoded)
    if not more:
        subscription.position = missed.room["offset"]
    elif count:
        subscription.position = missed.messages[count - 1]["rev"]
    else:
        subscription.position = missed.messages[0]["rev"] - 1
    subscription.answered = True
    entry = {
        "room": name,
        "roomId": subscription.room.id,
        "epoch": missed.room["epoch"],
        "offset": subscription.position,
        "recovered": missed.recovered,
        "messages": [orjson.Fragment(message) for message in encoded[:count]],
        "more": more,
    }
    return entry, more
