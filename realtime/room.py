"""One room as this process delivers it: every event once, in the order of the room's log.

`last` is the offset up to which everything was handed out. What follows on it goes straight out; what comes
twice or late is dropped. Where something is missing, the room waits a moment for a publication that another
one has overtaken, then repairs itself from a snapshot: everything with an offset above `last`, as events.
Publications that come meanwhile wait. So whoever was delivered the offset n was delivered every change up to n
that no later one has overtaken, and everybody who was removed up to n is out.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import structlog

from core.chat_resources import MESSAGE
from core.errors import NotFound, Problem
from core.events import room_channel
from core.gather import Gather
from models.base import Document
from models.room_feed import Ask, Known, Missed, RoomFeed
from realtime import frames
from realtime.publication import Publication

if TYPE_CHECKING:
    from realtime.connection import Connection
    from realtime.node import Node

log = structlog.get_logger("marquee.rooms")

OVERTAKEN_SECONDS = 0.01  # how much later than its successor a publication of another process may come
RETRY_SECONDS = 0.5  # after a repair that failed because the store is away
MOST_HELD = 2000  # publications that wait for a repair; more are dropped, and read from the snapshot after all
_BREATH_BYTES = 131_072  # of a repair in one go: what healthy readers take before more comes
_BREATH_SECONDS = 0.01
_ASKS = 500  # subscribers that are answered from one snapshot

REMOVED = "forbidden"
DELETED = "gone"
REPLACED = "epoch_changed"


class Member(Protocol):
    """A subscription that is not live yet (realtime/subscription.py)."""

    connection: "Connection"

    def take(self, offset: int, frame: bytes) -> None:
        """Take what the room hands out."""

    def end(self, code: str) -> None:
        """End the subscription and tell its client why."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one subscriber lacks, each message as finished JSON that all who lack it share."""

    missed: Missed
    messages: Sequence[bytes]


class Room:
    """See above. `live` connections hear everything at once; `pending` subscriptions are not so far yet."""

    def __init__(self, room_id: str, node: "Node", feed: RoomFeed) -> None:
        self.id = room_id
        self.channel = room_channel(room_id)
        self.live: set[Connection] = set()
        self.pending: set[Any] = set()  # of Member
        self.last = -1
        self.name: str | None = None
        self.is_public = False
        self.epoch = ""
        self.ended = False
        self.opening: asyncio.Task[None] | None = None
        self._node = node
        self._feed = feed
        self._seq = self._version = 0
        self._top = -1
        self._held: dict[int, Publication] = {}
        self._is_busy = True  # being opened or repaired: publications wait
        self._timer: asyncio.TimerHandle | None = None
        self._asks: Gather[Ask, Part] = Gather(self._read, most=_ASKS)

    @property
    def is_open(self) -> bool:
        """Whether the room has begun, and not ended."""
        return self.last >= 0 and not self.ended

    def begin(self, head: Document) -> None:
        """Start where the room stands: the subscription to its channel is confirmed, so all later events come."""
        self.last, self.epoch, self.name = head["offset"], head["epoch"], head["name"]
        self.is_public = head["type"] == "public"
        self._seq, self._version = head["lastSeq"], head["version"]
        self._is_busy = False
        self._go_on()

    # --- what comes in ----------------------------------------------------------------------------------------------

    def receive(self, publication: Publication) -> None:
        """Take a publication of the room's channel, in whatever order they come."""
        offset = publication.offset
        if offset is None:
            self._send(frames.text_frame(publication.body), ephemeral=publication.ephemeral)
            return
        if offset <= self.last:
            return
        self._top = max(self._top, offset)
        if len(self._held) < MOST_HELD:
            self._held[offset] = publication
        if not self._is_busy:
            self._go_on()

    def expect(self, offset: int) -> None:
        """Note that the room has got to `offset`, whether or not its publications have come."""
        self._top = max(self._top, offset)
        if not self._is_busy:
            self._go_on()

    def compare(self, head: Document | None) -> None:
        """Look whether something is missing, by where the room stands in the store."""
        if not self.is_open:
            return
        if head is None:
            self.end(DELETED)
        elif head["epoch"] != self.epoch:
            self.end(REPLACED)
        else:
            self.expect(head["offset"])

    def _go_on(self) -> None:
        """Hand out all that follows; wait a moment for what is missing."""
        while not self.ended and (publication := self._held.pop(self.last + 1, None)) is not None:
            if publication.type == "message.created":
                self._seq += 1
            self._emit(publication)
        if self.last < self._top and self._timer is None and not self.ended:
            self._wait(OVERTAKEN_SECONDS)

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self.last < self._top and not self._is_busy and not self.ended:
            self._is_busy = True
            self._node.spawn(self._repair())

    # --- repair -----------------------------------------------------------------------------------------------------

    async def _repair(self) -> None:
        """Catch up from snapshots, step by step; then go on with what has come meanwhile."""
        known, missing = Known(self._seq, self._version), self._top - self.last
        try:
            while not self.ended and not await self._step(known):
                pass
        except Exception as e:
            if isinstance(e, Problem):
                log.warning("room.not_repaired", room=self.id, error=e.code)
            else:
                log.exception("room.not_repaired", room=self.id)
            self._is_busy = False
            if not self.ended:
                self._wait(RETRY_SECONDS)
            return
        self._node.metrics.room_repairs.inc()
        log.info("room.repaired", room=self.id, missing=missing)
        self._is_busy = False
        self._held = {offset: held for offset, held in self._held.items() if offset > self.last}
        self._top = max(self._held, default=self.last)
        self._go_on()

    async def _step(self, known: Known) -> bool:
        """Hand out one part of what is missing; return whether it was the last."""
        step = await self._feed.changes(self.id, self.last, known)
        if step is None:
            self.end(DELETED)
            return True
        if step.room["epoch"] != self.epoch:
            self.end(REPLACED)
            return True
        emitted = 0
        for event in step.events:
            if self.ended:
                return True
            publication = Publication.of(event)
            self._emit(publication)
            emitted += len(publication.body)
            if emitted > _BREATH_BYTES:
                emitted = 0
                await asyncio.sleep(_BREATH_SECONDS)
        self.last = max(self.last, step.offset)
        if step.done:
            self._seq, self._version, self.name = step.room["lastSeq"], step.room["version"], step.room["name"]
        return step.done

    # --- what goes out ----------------------------------------------------------------------------------------------

    def _emit(self, publication: Publication) -> None:
        assert publication.offset is not None
        self.last = publication.offset
        frame = frames.text_frame(publication.body)
        self._send(frame)
        for subscription in list(self.pending):
            subscription.take(self.last, frame)
        if publication.type == "member.left":
            self._dismiss(orjson.loads(publication.body)["data"]["userId"])
        elif publication.type == "room.updated":
            data = orjson.loads(publication.body)["data"]
            self.name, self._version = data["name"], data["version"]
        elif publication.type == "room.deleted":
            self.end(DELETED)

    def _send(self, frame: bytes, *, ephemeral: bool = False) -> None:
        began = time.perf_counter()
        self._node.hub.send(self.live, frame, ephemeral=ephemeral)
        self._node.metrics.fanout_seconds.observe(time.perf_counter() - began)

    def _dismiss(self, user_id: str) -> None:
        """End what a user, who has just left or was removed, is subscribed to here: this was the last they hear."""
        for subscription in self._subscriptions():
            actor = subscription.connection.actor
            if actor is not None and actor.id == user_id:
                subscription.end(REMOVED)

    def end(self, code: str) -> None:
        """End every subscription."""
        self.close()
        for subscription in self._subscriptions():
            subscription.end(code)

    def close(self) -> None:
        """Hand out nothing more: nobody is here."""
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _subscriptions(self) -> list[Member]:
        return [*self.pending, *(connection.place[self.id] for connection in self.live)]

    # --- what subscribers lack --------------------------------------------------------------------------------------

    async def missed(self, ask: Ask) -> Part:
        """Return what a subscriber lacks; those who ask at the same time share a snapshot. Raises NotFound."""
        return await self._asks.add(ask)

    async def _read(self, asks: Sequence[Ask]) -> list[Part]:
        answers = await self._feed.missed(self.id, asks)
        if answers is None:
            raise NotFound
        encoded: dict[int, bytes] = {}
        return [Part(answer, [_encoded(message, encoded) for message in answer.messages]) for answer in answers]


def _encoded(message: Document, encoded: dict[int, bytes]) -> bytes:
    found = encoded.get(message["rev"])
    if found is None:
        found = encoded[message["rev"]] = frames.encode(MESSAGE.render(message))
    return found
