"""Whether the stores answer, for readiness and for `python server.py check`."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from core.breaker import RedisAway
from models.base import Ground, translated

PING_SECONDS = 1.5  # a probe asks every few seconds and gives up soon


class Health:
    """Asks MongoDB and Redis whether they are there. `draining` is set while the process says goodbye."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.draining = False

    async def ready(self) -> tuple[bool, dict[str, str]]:
        """Return whether requests can be served, and the state of each part: `ok` or what is wrong."""
        mongodb, redis = await asyncio.gather(self._mongodb(), self._redis())
        checks = {"mongodb": mongodb, "redis": redis}
        if self.draining:
            checks["process"] = "draining"
        return mongodb == "ok" and not self.draining, checks

    async def measure(self) -> dict[str, float | None]:
        """Return how long each store takes to answer a ping, in milliseconds; None for one that does not."""
        mongodb, redis = await asyncio.gather(_timed(self._mongodb), _timed(self._redis))
        return {"mongodbMs": mongodb, "redisMs": redis}

    async def _mongodb(self) -> str:
        try:
            with translated(self._ground.metrics):
                await asyncio.wait_for(self._ground.client.admin.command("ping"), PING_SECONDS)
        except Exception:  # noqa: BLE001 - whatever it is, the store does not answer
            return "away"
        return "ok"

    async def _redis(self) -> str:
        try:
            await self._ground.redis.run(lambda client: client.ping())
        except RedisAway:
            return "away"
        return "ok"


async def _timed(ping: Callable[[], Awaitable[str]]) -> float | None:
    began = time.perf_counter()
    answer = await ping()
    return round((time.perf_counter() - began) * 1000, 1) if answer == "ok" else None
