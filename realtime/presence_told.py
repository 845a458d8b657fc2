"""What was told of whom, over all processes: so that each change is told once, and a ghost's end at all.

Kept in Redis. Redis away, each process remembers by itself what it told: then a change may be told twice.
"""

from collections.abc import Mapping
from pathlib import Path

from core.breaker import Breaker, RedisAway

_SCRIPT = (Path(__file__).parent / "presence_told.lua").read_text()
_TURN_MS = 4500  # one process compares, about every five seconds
OFFLINE = "offline"


class Told:
    """Users by the status that was told last; who is not there is offline."""

    def __init__(self, redis: Breaker, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._script = redis.client.register_script(_SCRIPT)
        self._mine: dict[str, str] = {}

    async def note(self, statuses: Mapping[str, str]) -> list[str]:
        """Note what is about to be told; return those users of whom something else was told before."""
        args = [text for pair in statuses.items() for text in pair]
        before, self._mine = self._mine, self._mine | dict(statuses)
        self._mine = {user: status for user, status in self._mine.items() if status != OFFLINE}
        try:
            new = await self._redis.run(lambda client: self._script(keys=[self._key], args=args, client=client))
        except RedisAway:
            return [user for user, status in statuses.items() if before.get(user, OFFLINE) != status]
        return [user.decode() for user in new]

    async def everybody(self) -> dict[str, str] | None:
        """Return all who were told to be here, or None where looking after them is another process's turn."""
        try:
            if not await self._redis.run(lambda client: client.set(f"{self._key}:turn", b"1", nx=True, px=_TURN_MS)):
                return None
            told = await self._redis.run(lambda client: client.hgetall(self._key))
        except RedisAway:
            return self._mine
        return {user.decode(): status.decode() for user, status in told.items()}

    @property
    def _key(self) -> str:
        return f"{self._prefix}:{{presence}}:told"
