"""Counts of what is unread, on their way to people's connections: for each person and room at most one a second.

When a room has moved, each process counts for those of its connections that do not hear the room, at most once a
second; so what a busy room costs follows from who looks elsewhere, not from how many are in it.
Several processes count, each when it sees cause to, and what one has counted may come after what another has
counted later. How far somebody has read and how much there is in a room only rise, so what is behind is known.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from core.errors import Problem
from core.events import ROOM_MOVED
from models.room_news import RoomNews
from realtime import frames
from realtime.publication import Publication

if TYPE_CHECKING:
    from realtime.connection import Connection
    from realtime.node import Node

log = structlog.get_logger("marquee.rooms")

PAUSE_SECONDS = 1.0  # as the contract has it
Key = tuple[str, str]  # channel of a user, id of a room


@dataclass(slots=True)
class _Pause:
    """After counts were told: how far they were, `(lastReadSeq, unread)`, and the newest that wait since."""

    reached: tuple[int, int]
    waiting: Publication | None = None


class Unread:
    """Tells `room.unread` to those connections of a user that do not hear the room itself."""

    def __init__(self, node: "Node", news: RoomNews) -> None:
        self._node = node
        self._news = news
        self._here: set[Connection] = set()
        self._counted: dict[str, bool] = {}  # rooms that were counted just now: have they moved since?
        self._pauses: dict[Key, _Pause] = {}
        node.on_control(ROOM_MOVED, lambda data: self._moved(data["roomId"]))

    def enter(self, connection: "Connection") -> None:
        """Tell a connection what it does not hear."""
        self._here.add(connection)

    def leave(self, connection: "Connection") -> None:
        """Tell it nothing more."""
        self._here.discard(connection)

    def _moved(self, room_id: str) -> None:
        if room_id in self._counted:
            self._counted[room_id] = True
            return
        self._counted[room_id] = False
        asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._look_again, room_id)
        self._node.spawn(self._count(room_id))

    def _look_again(self, room_id: str) -> None:
        if self._counted.pop(room_id):
            self._moved(room_id)

    async def _count(self, room_id: str) -> None:
        elsewhere = {one.actor.id for one in self._here if room_id not in one.place and one.actor is not None}
        if not elsewhere:
            return
        try:
            for event in await self._news.counts(room_id, elsewhere):
                self._offer(event.channel, event.data, Publication.of(event))
        except Problem as e:
            log.warning("unread.not_told", room=room_id, error=str(e))
            self._moved(room_id)  # nothing else may ever move these counts again

    def take(self, channel: str, publication: Publication) -> None:
        """Take counts for the user of `channel`: told at once, or at the end of the pause if they are not behind."""
        self._offer(channel, orjson.loads(publication.body)["data"], publication)

    def _offer(self, channel: str, data: Mapping[str, Any], publication: Publication) -> None:
        key, reached = (channel, data["roomId"]), (data["lastReadSeq"], data["unread"])
        pause = self._pauses.get(key)
        if pause is None:
            self._tell(key, publication, reached)
        elif reached >= pause.reached:
            pause.reached, pause.waiting = reached, publication

    def _tell(self, key: Key, publication: Publication, reached: tuple[int, int]) -> None:
        channel, room_id = key
        hearers = [one for one in self._node.hub.listeners(channel) if room_id not in one.place]
        if hearers:
            self._node.hub.send(hearers, frames.text_frame(publication.body), ephemeral=publication.ephemeral)
            self._pauses[key] = _Pause(reached)
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._go_on, key)

    def _go_on(self, key: Key) -> None:
        pause = self._pauses.pop(key)
        if pause.waiting is not None:
            self._tell(key, pause.waiting, pause.reached)
