"""One connection's subscription to one room, from its first question until it hears everything live.

    deaf -> listening (what the room hands out is kept) -> read -> merged -> live

It listens before it reads, so nothing falls between what was read and what comes live. Where more is missing
than one reading brings, it reads on as fast as the socket drains, and hears nothing newer before.
"""

import asyncio
from collections.abc import Callable

import structlog

from core.errors import Problem
from models.room_feed import RoomFeed
from realtime import frames
from realtime.connection import Connection
from realtime.publication import Publication
from realtime.room import DELETED, REMOVED, Room

log = structlog.get_logger("marquee.rooms")

MOST_KEPT = 262_144  # bytes of frames that come during one reading; after more of them it reads again
DRAINED = 65_536  # bytes waiting for a connection; above, it is given no more of what it missed
_LOOK_SECONDS = 0.02
_RETRY_SECONDS = 0.5


class Subscription:
    """`position` is the offset up to which the client has got, or will have with its reply, all that it missed."""

    __slots__ = (
        "_floor",
        "_kept",
        "_kept_bytes",
        "_leave",
        "answered",
        "connection",
        "ended",
        "is_overrun",
        "position",
        "room",
        "since",
    )

    def __init__(self, connection: Connection, room: Room, leave: "Callable[[Subscription], None]") -> None:
        self.connection = connection
        self.room = room
        self.answered = False  # before its reply a client is told of the end by the reply
        self.ended = False
        self.position = 0
        self.since = -1
        self.is_overrun = False
        self._kept_bytes = 0
        self._kept: list[tuple[int, bytes]] | None = None
        self._floor: int | None = None
        self._leave = leave
        self.listen()

    def is_over(self) -> bool:
        """Whether nobody hears it any more."""
        return self.ended or self.connection.code is not None

    def listen(self) -> None:
        """Keep what the room hands out from now on: all above `since`."""
        self._kept, self._kept_bytes = [], 0
        self.since = self.room.last
        self.is_overrun = False

    def rest(self) -> None:
        """Keep nothing: more has to be read first."""
        self._kept = None

    def take(self, offset: int, frame: bytes) -> None:
        """Take what the room hands out while this is not live."""
        if self._kept is not None:
            self._kept_bytes += len(frame)
            if self._kept_bytes <= MOST_KEPT:
                self._kept.append((offset, frame))
            else:
                self.is_overrun = True
        elif self._floor is not None:
            if offset > self._floor:
                self.connection.push(frame)
            if offset >= self._floor:
                self._go_live()

    def settle(self, offset: int) -> None:
        """Go live: the client has everything up to `offset`, and what came meanwhile was kept."""
        kept, self._kept = self._kept or [], None
        for at, frame in kept:
            if at > offset:
                self.connection.push(frame)
        if self.room.last >= offset:
            self._go_live()
        else:
            self._floor = offset  # read ahead of the room: what it still hands out up to there, the client has
            self.room.expect(offset)

    def _go_live(self) -> None:
        self.room.pending.discard(self)
        self.room.live.add(self.connection)

    def end(self, code: str) -> None:
        """End it from our side; a client that was told of it is told why."""
        if self.ended:
            return
        self._leave(self)
        if self.answered:
            ended = frames.event_frame("unsubscribed", {"code": code}, channel=self.room.channel)
            self.connection.push(ended)

    async def catch_up(self, feed: RoomFeed) -> None:
        """Send what the client missed, step by step, then go live."""
        while not self.is_over():
            await self._drained()
            try:
                if await self._step(feed):
                    return
            except Problem as e:
                log.warning("room.not_caught_up", room=self.room.id, error=e.code)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _drained(self) -> None:
        """Wait until the client has taken most of what waits for it."""
        while self.connection.waiting > DRAINED and not self.is_over():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(_LOOK_SECONDS)

    async def _step(self, feed: RoomFeed) -> bool:
        """Read and send one part; return whether that was all."""
        self.listen()
        assert self.connection.actor is not None
        step = await feed.rest(self.room.id, self.position, reader=self.connection.actor.id)
        if self.is_over():
            return True
        if step is None or not step.may_read:
            self.end(DELETED if step is None else REMOVED)
            return True
        for event in step.events:
            await self._drained()
            if self.is_over():
                return True
            self.connection.push(frames.text_frame(Publication.of(event).body))
        self.position = step.offset
        if step.done and step.offset >= self.since and not self.is_overrun:
            self.settle(step.offset)
            return True
        self.rest()
        return False
