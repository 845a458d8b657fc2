"""The rooms that somebody here is subscribed to, kept in step with their logs.

A room has state in a process only while it has subscribers there. The first one makes it: the broker
confirms the channel, then the room's offset is read, so nothing is published in between unheard.
What the way between processes loses is found by comparing: every CHECK_SECONDS one query asks where all
these rooms stand, every quarter of a second while the broker is down, and at once for channels that it has
subscribed anew.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from core.errors import NotFound, Problem
from core.gather import Gather
from core.tasks import apart
from models.base import Document
from models.room_feed import RoomFeed
from realtime.connection import Connection
from realtime.publication import Publication
from realtime.room import Room
from realtime.subscription import Subscription

if TYPE_CHECKING:
    from realtime.node import Node

log = structlog.get_logger("marquee.rooms")

CHECK_SECONDS = 1.5  # so that a lost change is there within 2 s, the repair included
DOWN_MS = 250  # while the broker is down: then this is how rooms hear of other processes
_HEADS = 1000  # rooms in one query
_KIND = "room:"


class Rooms:
    """Opens, feeds and closes this process's rooms."""

    def __init__(self, node: "Node", feed: RoomFeed) -> None:
        self._node = node
        self._feed = feed
        self._rooms: dict[str, Room] = {}
        self._heads: Gather[str, Document | None] = Gather(self._read_heads, most=_HEADS)
        self._checked = 0.0
        self._inside: dict[str, Callable[[Room, Publication], None]] = {}
        self._leave = self.leave  # made once: every subscription keeps it
        node.listen("room", self._receive)
        node.on_renewed(self._renewed)
        node.every(DOWN_MS, self._check)

    def on_inside(self, name: str, take: Callable[[Room, Publication], None]) -> None:
        """Call `take(room, publication)` for publications of this name, which no client sees."""
        self._inside[name] = take

    # --- subscribers ------------------------------------------------------------------------------------------------

    def enter(self, connection: Connection, room_id: str) -> Subscription:
        """Make a connection a subscriber that listens; an earlier subscription of it to the room ends in silence.

        Whether it may read the room has still to be found out; `opened` waits until the room has begun.
        """
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = Room(room_id, self._node, self._feed)
            room.opening = apart(self._open(room))
            room.opening.add_done_callback(_retrieve)
        earlier = connection.place.get(room_id)
        subscription = Subscription(connection, room, self._leave)
        room.pending.add(subscription)
        if earlier is not None:
            self.leave(earlier)
        connection.place[room_id] = subscription
        return subscription

    async def opened(self, subscription: Subscription) -> None:
        """Wait until the subscription's room has begun. Raises NotFound, Unavailable."""
        room = subscription.room
        if not room.is_open and room.opening is not None:
            await asyncio.shield(room.opening)
            subscription.since = max(subscription.since, room.last)

    def leave(self, subscription: Subscription) -> None:
        """End a subscription without a word; a room that nobody listens to any more is closed."""
        subscription.ended = True
        room, connection = subscription.room, subscription.connection
        room.pending.discard(subscription)
        if connection.place.get(room.id) is subscription:
            del connection.place[room.id]
            room.live.discard(connection)
        if not room.live and not room.pending and self._rooms.get(room.id) is room:
            self._close(room)

    def of(self, connection: Connection, name: str) -> Subscription | None:
        """Return a connection's subscription to a room by its id or name; of one name the public room is meant."""
        found = connection.place.get(name)
        if found is not None:
            return found  # type: ignore[no-any-return]
        named = [one for one in connection.place.values() if one.room.name == name.casefold()]
        return max(named, key=lambda one: one.room.is_public, default=None)

    # --- opening and closing ----------------------------------------------------------------------------------------

    async def _open(self, room: Room) -> None:
        try:
            await self._node.broker.subscribe(room.channel)
            head = await self._heads.add(room.id)
            if head is None or head["deletedAt"] is not None:
                raise NotFound
        except BaseException:
            if self._rooms.get(room.id) is room:
                self._close(room)
            raise
        if not room.ended:
            room.begin(head)

    def _close(self, room: Room) -> None:
        del self._rooms[room.id]
        room.close()
        self._node.broker.unsubscribe(room.channel)

    async def _read_heads(self, room_ids: Sequence[str]) -> list[Document | None]:
        heads = await self._feed.heads(room_ids)
        return [heads.get(room_id) for room_id in room_ids]

    # --- what comes -------------------------------------------------------------------------------------------------

    def _receive(self, channel: str, publication: Publication) -> None:
        room = self._rooms.get(channel.removeprefix(_KIND))
        if room is None:
            return
        take = self._inside.get(publication.type)
        if take is not None:
            take(room, publication)
        else:
            room.receive(publication)

    def _renewed(self, channels: list[str]) -> None:
        ids = [channel.removeprefix(_KIND) for channel in channels if channel.startswith(_KIND)]
        if ids:
            self._node.spawn(self._compare(ids))

    async def _check(self) -> None:
        now = time.monotonic()
        if self._node.broker.up and now < self._checked + CHECK_SECONDS:
            return
        self._checked = now
        await self._compare(list(self._rooms))

    async def _compare(self, room_ids: Sequence[str]) -> None:
        rooms = [room for room in map(self._rooms.get, room_ids) if room is not None and room.is_open]
        if not rooms:
            return
        try:
            heads = await self._feed.heads([room.id for room in rooms])
        except Problem as e:
            log.warning("rooms.not_compared", rooms=len(rooms), error=e.code)
            return
        for room in rooms:
            room.compare(heads.get(room.id))


def _retrieve(opening: "asyncio.Task[None]") -> None:
    """Look at an exception that nobody may have waited for."""
    if not opening.cancelled():
        opening.exception()
