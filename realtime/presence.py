"""Who is here: leases that connections renew and that expire by themselves.

They are kept in Redis for all processes, in memory for one.
A lease is one connection of one user with the status that it has set. Several devices count once, and the
most available one decides. A process that dies leaves leases behind that nobody renews: its ghosts are gone
after LEASE_SECONDS. Redis away, a process answers with what it knows itself.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Protocol, cast

from redis.asyncio import Redis

from core.breaker import Breaker, RedisAway
from core.metrics import Metrics
from core.resources import PRESENCE

LEASE_SECONDS = 60  # a lease is renewed every RENEW_SECONDS, so one lost renewal hides nobody
RENEW_SECONDS = 25
_BATCH = 500  # users in one pipeline: about 100 KB there and back

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
        return self._status(user_id) is None

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
        self._metrics = metrics
        self._lease_seconds = lease_seconds
        self._mine = MemoryPresence(lease_seconds=lease_seconds)

    async def hold(self, lease: Lease) -> None:
        """Take or change a lease, here and in Redis."""
        await self._mine.hold(lease)
        await self._write([lease])

    async def drop(self, user_id: str, connection_id: str) -> bool:
        """Give a lease back, here and in Redis."""
        last_here = await self._mine.drop(user_id, connection_id)
        members = [f"{connection_id}:{status}" for status in PRESENCE]

        async def remove(redis: "Redis") -> bool:
            pipeline = redis.pipeline(transaction=False)
            pipeline.zrem(self._key(user_id), *members)
            pipeline.zcount(self._key(user_id), f"({time.time()}", "+inf")
            _, left = await pipeline.execute()
            return bool(left == 0)

        try:
            return await self._redis.run(remove)
        except RedisAway:
            return last_here

    async def renew(self) -> None:
        """Renew every lease of this process, in pipelines of _BATCH users."""
        await self._mine.renew()
        leases = self._mine.leases()
        self._metrics.presence.set(len(leases))
        for start in range(0, len(leases), _BATCH):
            await self._write(leases[start : start + _BATCH])
        held = {lease.connection_id for lease in self._mine.leases()}
        for lease in leases:
            if lease.connection_id not in held:  # given back while we renewed it
                await self.drop(lease.user_id, lease.connection_id)

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

    async def _write(self, leases: Sequence[Lease]) -> None:
        """Set leases' expiries and drop the same connections' other statuses. Redis away: the next renewal does it."""
        now = time.time()
        expiry = now + self._lease_seconds

        async def write(redis: "Redis") -> None:
            pipeline = redis.pipeline(transaction=False)
            for user_id, connection_id, status in leases:
                key = self._key(user_id)
                pipeline.zadd(key, {f"{connection_id}:{status}": expiry})
                pipeline.zrem(key, *(f"{connection_id}:{other}" for other in PRESENCE if other != status))
                pipeline.zremrangebyscore(key, 0, now)
                pipeline.pexpire(key, int(self._lease_seconds * 1000))
            pipeline.zadd(self._index, {lease.user_id: expiry for lease in leases})
            pipeline.zremrangebyscore(self._index, 0, now)
            await pipeline.execute()

        try:
            await self._redis.run(write)
        except RedisAway:
            return
