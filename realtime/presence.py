"""Who is here: leases that connections renew and that expire by themselves.

They are kept in Redis for all processes, in memory for one.
A lease is one connection of one user with the status that it has set. Several devices count once, and the
most available one decides. A process that dies leaves leases behind that nobody renews: its ghosts are gone
after LEASE_SECONDS. Redis away, a process answers with what it knows itself.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Protocol, cast

from redis.asyncio import Redis

from core.breaker import Breaker, RedisAway
from core.gather import Gather
from core.metrics import Metrics
from core.resources import PRESENCE

# Renewed every RENEW_SECONDS, so one lost renewal hides nobody; and with the look that finds who is gone
# (realtime/presence_news.py, every 5 s) the ghosts of a process that died are gone within 60 s.
LEASE_SECONDS = 54
RENEW_SECONDS = 25
_BATCH = 100  # users in one pipeline, which holds the loop for 7 ms: redis-py makes and reads one in one go

Status = Literal["online", "away", "busy"]


class Lease(NamedTuple):
    """One connection's claim that its user is here."""

    user_id: str
    connection_id: str
    status: Status = "online"


class Presence(Protocol):
    """Users by their leases. Never raises for a store that is away."""

    async def hold(self, lease: Lease) -> None:
        """Take or change a connection's lease."""

    async def drop(self, user_id: str, connection_id: str) -> bool:
        """Give a lease back; return whether it was the user's last."""

    async def renew(self) -> None:
        """Renew all leases of this process."""

    async def online(self, user_ids: Sequence[str]) -> dict[str, Status]:
        """Return the status of those of `user_ids` who are here."""

    async def everyone(self) -> dict[str, Status]:
        """Return the status of all who are here."""


def most_available(statuses: Iterable[str]) -> Status | None:
    """Return the most available of several statuses (online, then away, then busy), None without any."""
    found = set(statuses)
    return next((cast(Status, status) for status in PRESENCE if status in found), None)


class _Dropped(NamedTuple):
    user_id: str
    connection_id: str


class MemoryPresence:
    """The leases of this process. `Redis` away, it is also what `RedisPresence` answers from."""

    def __init__(self, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._lease_seconds = lease_seconds
        self._users: dict[str, dict[str, tuple[Status, float]]] = {}

    async def hold(self, lease: Lease) -> None:
        """Take or change a lease, from now on for its whole time."""
        expiry = time.monotonic() + self._lease_seconds
        self._users.setdefault(lease.user_id, {})[lease.connection_id] = (lease.status, expiry)

    async def drop(self, user_id: str, connection_id: str) -> bool:
        """Give a lease back."""
        leases = self._users.get(user_id, {})
        leases.pop(connection_id, None)
        if not leases:
            self._users.pop(user_id, None)
        return self.is_away(user_id)

    async def renew(self) -> None:
        """Renew every lease."""
        for lease in self.leases():
            await self.hold(lease)

    async def online(self, user_ids: Sequence[str]) -> dict[str, Status]:
        """Return who of `user_ids` is here."""
        found = {user_id: self._status(user_id) for user_id in user_ids}
        return {user_id: status for user_id, status in found.items() if status is not None}

    async def everyone(self) -> dict[str, Status]:
        """Return all who are here."""
        return await self.online(list(self._users))

    def leases(self) -> list[Lease]:
        """Return the leases that are held here, expired ones too."""
        return [
            Lease(user_id, connection_id, status)
            for user_id, leases in self._users.items()
            for connection_id, (status, _) in leases.items()
        ]

    def holds(self, lease: Lease) -> bool:
        """Tell whether the lease's connection has one with this status."""
        held = self._users.get(lease.user_id, {}).get(lease.connection_id)
        return held is not None and held[0] == lease.status

    def is_away(self, user_id: str) -> bool:
        """Tell whether nobody here holds a lease of the user."""
        return self._status(user_id) is None

    def _status(self, user_id: str) -> Status | None:
        now = time.monotonic()
        return most_available(status for status, expiry in self._users.get(user_id, {}).values() if expiry > now)


class RedisPresence:
    """Leases of all processes: per user a sorted set of `<connection>:<status>` by expiry, and an index of users.

    Expiries are by the clock of whoever writes them; processes' clocks may differ by seconds, not minutes.
    The index only says whom to ask about; a user's own set decides.
    """

    def __init__(self, redis: Breaker, prefix: str, metrics: Metrics, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._redis = redis
        self._prefix = prefix
        self._lease_seconds = lease_seconds
        self._mine = MemoryPresence(lease_seconds=lease_seconds)
        metrics.presence.set_function(lambda: len(self._mine.leases()))
        # One batch at a time, so a lease that is given back is never renewed by a batch under way.
        self._changes: Gather[Lease | _Dropped, bool] = Gather(self._change, most=_BATCH)

    async def hold(self, lease: Lease) -> None:
        """Take or change a lease, here and in Redis."""
        await self._mine.hold(lease)
        await self._changes.add(lease)

    async def drop(self, user_id: str, connection_id: str) -> bool:
        """Give a lease back, here and in Redis."""
        await self._mine.drop(user_id, connection_id)
        return await self._changes.add(_Dropped(user_id, connection_id))

    async def renew(self) -> None:
        """Renew every lease of this process."""
        await self._mine.renew()
        leases = self._mine.leases()
        await asyncio.gather(*(self._changes.add(lease) for lease in leases))

    async def online(self, user_ids: Sequence[str]) -> dict[str, Status]:
        """Return who of `user_ids` is here, as all processes see it."""
        found: dict[str, Status] = {}
        for start in range(0, len(user_ids), _BATCH):
            some = user_ids[start : start + _BATCH]
            try:
                held = await self._redis.run(lambda redis, some=some: self._read(redis, some))  # type: ignore[misc]
            except RedisAway:
                return await self._mine.online(user_ids)
            statuses = {user_id: most_available(one) for user_id, one in zip(some, held, strict=True)}
            found |= {user_id: status for user_id, status in statuses.items() if status is not None}
        return found

    async def everyone(self) -> dict[str, Status]:
        """Return all who are here, as all processes see it."""
        try:
            named = await self._redis.run(lambda redis: redis.zrange(self._index, time.time(), "+inf", byscore=True))
        except RedisAway:
            return await self._mine.everyone()
        return await self.online([name.decode() for name in named])

    @property
    def _index(self) -> str:
        return f"{self._prefix}:{{presence}}:users"

    def _key(self, user_id: str) -> str:
        return f"{self._prefix}:{{user:{user_id}}}:presence"

    async def _read(self, redis: "Redis", user_ids: Sequence[str]) -> list[list[str]]:
        pipeline = redis.pipeline(transaction=False)
        for user_id in user_ids:
            pipeline.zrange(self._key(user_id), time.time(), "+inf", byscore=True)
        members = await pipeline.execute()
        return [[member.decode().rpartition(":")[2] for member in one] for one in members]

    async def _change(self, changes: Sequence[Lease | _Dropped]) -> list[bool]:
        """Write leases and drop others; return for each whether its user is away now. Redis away: as we know it."""
        try:
            left = await self._redis.run(lambda redis: self._write(redis, changes))
        except RedisAway:
            return [self._mine.is_away(change.user_id) for change in changes]
        return [count == 0 for count in left]

    async def _write(self, redis: "Redis", changes: Sequence[Lease | _Dropped]) -> list[int]:
        """Send one pipeline; return how many leases each change's user has after it."""
        now, counted = time.time(), []
        pipeline = redis.pipeline(transaction=False)
        for change in changes:
            key = self._key(change.user_id)
            if isinstance(change, Lease) and self._mine.holds(change):
                pipeline.zadd(key, {f"{change.connection_id}:{change.status}": now + self._lease_seconds})
                pipeline.zadd(self._index, {change.user_id: now + self._lease_seconds})
            kept = change.status if isinstance(change, Lease) else None
            pipeline.zrem(key, *(f"{change.connection_id}:{other}" for other in PRESENCE if other != kept))
            pipeline.zremrangebyscore(key, 0, now)
            pipeline.pexpire(key, int(self._lease_seconds * 1000))
            pipeline.zcard(key)
            counted.append(len(pipeline) - 1)
        pipeline.zremrangebyscore(self._index, 0, now)
        answers = await pipeline.execute()
        return [answers[at] for at in counted]
