"""Whether the stores answer, for readiness and for `python server.py check`."""

import asyncio

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
        self._ground.metrics.redis_up.set(redis == "ok")
        checks = {"mongodb": mongodb, "redis": redis}
        if self.draining:
            checks["process"] = "draining"
        return mongodb == "ok" and not self.draining, checks

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
