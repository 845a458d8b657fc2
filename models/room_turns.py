"""Turns on a busy room: an optimisation, the transaction stays the guarantee.

Two processes that write one room at once conflict in MongoDB and try again, which costs 16-84 ms at p99
(design, section 3). So a process that has seen a conflict asks for a short lease in Redis before its next
batches of that room. A lease that cannot be had in time, or Redis away, costs a conflict and nothing else.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import Counter

from core.breaker import RedisAway
from models.base import Ground

LEASE_MS = 250  # many times a batch's own length; what a process that dies in its turn costs the others
BUSY_SECONDS = 5.0  # after a conflict a room counts as busy for so long
PATIENCE_SECONDS = 0.1
_LOOK_SECONDS = 0.002
_RELEASE = (Path(__file__).parent / "room_turns.lua").read_text()


class Turn:
    """One batch's turn: knows whether somebody else wrote the room at the same time.

    `contended` says that others did so just before.
    """

    def __init__(self, retries: Counter, *, contended: bool) -> None:
        self.contended = contended
        self.met = False
        self._retries = retries

    def conflicted(self) -> None:
        """Note that the transaction met another one, and starts again."""
        self.met = True
        self._retries.inc()


class Turns:
    """Gives out turns. One object a process."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._busy: dict[str, float] = {}
        self._release = ground.redis.client.register_script(_RELEASE)

    @asynccontextmanager
    async def taken(self, room_id: str) -> AsyncIterator[Turn]:
        """Hold a turn on the room for the block, where it is busy; wait for one at most PATIENCE_SECONDS."""
        now = self._ground.clock.monotonic()
        turn = Turn(self._ground.metrics.room_retries, contended=self._busy.get(room_id, 0.0) > now)
        token = await self._take(room_id) if turn.contended else None
        try:
            yield turn
        finally:
            if turn.met:
                self._note(room_id)
            if token is not None:
                await self._give_back(room_id, token)

    def _note(self, room_id: str) -> None:
        now = self._ground.clock.monotonic()
        if len(self._busy) > 1000:
            self._busy = {room: until for room, until in self._busy.items() if until > now}
        self._busy[room_id] = now + BUSY_SECONDS

    def _key(self, room_id: str) -> str:
        return f"{self._ground.settings.redis_prefix}:{{room:{room_id}}}:turn"

    async def _take(self, room_id: str) -> str | None:
        key, token = self._key(room_id), secrets.token_hex(8)
        give_up = self._ground.clock.monotonic() + PATIENCE_SECONDS
        try:
            while not await self._ground.redis.run(lambda client: client.set(key, token, nx=True, px=LEASE_MS)):
                self._note(room_id)  # somebody else writes this room: go on taking turns
                if self._ground.clock.monotonic() > give_up:
                    return None
                await asyncio.sleep(_LOOK_SECONDS)
        except RedisAway:
            return None
        return token

    async def _give_back(self, room_id: str, token: str) -> None:
        key = self._key(room_id)
        try:
            await self._ground.redis.run(lambda client: self._release(keys=[key], args=[token], client=client))
        except RedisAway:
            return  # it ends by itself
