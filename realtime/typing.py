"""Who is writing just now. It ends by itself, when the message comes, and with the connection."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.events import announce, room_channel

if TYPE_CHECKING:
    from realtime.connection import Connection
    from realtime.node import Node

LASTS_SECONDS = 6.0
AGAIN_SECONDS = 3.0  # a client that repeats itself is passed on this often, for those who have come since


@dataclass(slots=True)
class _Writing:
    """One connection that writes in one room."""

    connection_id: str
    told: float
    ends: asyncio.TimerHandle


class Typing:
    """What this process's connections said about writing; by room and user, as two devices of one count once."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._writing: dict[tuple[str, str], _Writing] = {}

    def began(self, connection: "Connection", room_id: str) -> None:
        """Note that the connection's user writes, for LASTS_SECONDS from now."""
        assert connection.actor is not None
        key, loop = (room_id, connection.actor.id), asyncio.get_running_loop()
        found = self._writing.get(key)
        told = found.told if found is not None else float("-inf")
        if found is not None:
            found.ends.cancel()
        if loop.time() - told >= AGAIN_SECONDS:
            told = loop.time()
            self._tell(key, on=True)
        self._writing[key] = _Writing(connection.id, told, loop.call_later(LASTS_SECONDS, self.ended, *key))

    def ended(self, room_id: str, user_id: str) -> None:
        """Note that a user writes no longer."""
        found = self._writing.pop((room_id, user_id), None)
        if found is not None:
            found.ends.cancel()
            self._tell((room_id, user_id), on=False)

    def left(self, connection: "Connection") -> None:
        """Forget a connection."""
        for room_id, user_id in [key for key, one in self._writing.items() if one.connection_id == connection.id]:
            self.ended(room_id, user_id)

    def _tell(self, key: tuple[str, str], *, on: bool) -> None:
        room_id, user_id = key
        event = announce("typing", room_channel(room_id), {"userId": user_id, "on": on})
        self._node.spawn(self._node.publish([event]))
