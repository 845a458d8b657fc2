"""Counts of what is unread, on their way to people's connections: for each person and room at most one a second.

Several processes count, each when it sees cause to, and what one has counted may come after what another has
counted later. How far somebody has read and how much there is in a room only rise, so what is behind is known.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from realtime import frames
from realtime.publication import Publication

if TYPE_CHECKING:
    from realtime.node import Node

PAUSE_SECONDS = 1.0  # as the contract has it
Key = tuple[str, str]  # channel of a user, id of a room


@dataclass(slots=True)
class _Pause:
    """After counts were told: how far they were, `(lastReadSeq, unread)`, and the newest that wait since."""

    reached: tuple[int, int]
    waiting: Publication | None = None


class Unread:
    """Passes `room.unread` on to those connections of a user that do not hear the room itself."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._pauses: dict[Key, _Pause] = {}

    def take(self, channel: str, publication: Publication) -> None:
        """Take counts for the user of `channel`: told at once, or at the end of the pause if they are not behind."""
        data = orjson.loads(publication.body)["data"]
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
