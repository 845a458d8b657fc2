"""What is done to the stores: each fault lasts `seconds` and is mended again."""

import asyncio
import signal

from bench.attack_site import Site

FAULTS = {
    "redis-kill": "Redis is killed and comes back empty",
    "redis-freeze": "Redis stands still (SIGSTOP)",
    "mongodb-kill": "MongoDB is killed and comes back",
    "mongodb-freeze": "MongoDB stands still (SIGSTOP)",
    "both-freeze": "both stores stand still at once",
    "stepdown": "the primary of three steps down",
    "primary-kill": "the primary of three is killed and comes back",
    "slow": "the ways to both stores are slow: 100 ms each way, 500 KB/s; then 600 ms; then nothing passes",
}
OF_THREE = ("stepdown", "primary-kill")  # these want a replica set of three
_SLOW = ((0.1, 500_000.0), (0.6, 500_000.0), (60.0, 0.0))
_STEP_DOWN_SECONDS = 10


class Hurt:
    """Hurts a site's stores; `emptied` counts how often Redis came back with nothing."""

    def __init__(self, site: Site, seconds: float) -> None:
        self._site, self._seconds = site, seconds
        self.emptied = 0

    async def do(self, fault: str) -> None:
        """Do one, and return when it is mended."""
        await getattr(self, f"_{fault.replace('-', '_')}")()

    async def _redis_kill(self) -> None:
        await asyncio.to_thread(self._site.redis.kill)
        await asyncio.sleep(self._seconds / 3)
        await asyncio.to_thread(self._site.redis.start)
        self.emptied += 1

    async def _redis_freeze(self) -> None:
        self._site.redis.freeze()
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self._site.redis.thaw()

    async def _mongodb_kill(self) -> None:
        member = self._site.mongodb.members[0]
        await asyncio.to_thread(member.signal, signal.SIGKILL)
        await asyncio.sleep(self._seconds / 3)
        member.start()
        await asyncio.to_thread(self._site.mongodb.wait)

    async def _mongodb_freeze(self) -> None:
        self._signal_all(signal.SIGSTOP)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self._signal_all(signal.SIGCONT)

    async def _both_freeze(self) -> None:
        await asyncio.gather(self._redis_freeze(), self._mongodb_freeze())

    async def _stepdown(self) -> None:
        primary = await asyncio.to_thread(self._site.mongodb.primary)
        await asyncio.to_thread(primary.ask, "replSetStepDown", _STEP_DOWN_SECONDS, secondaryCatchUpPeriodSecs=5)
        await asyncio.to_thread(self._site.mongodb.wait)

    async def _primary_kill(self) -> None:
        primary = await asyncio.to_thread(self._site.mongodb.primary)
        await asyncio.to_thread(primary.signal, signal.SIGKILL)
        await asyncio.sleep(self._seconds)
        primary.start()
        await asyncio.to_thread(self._site.mongodb.wait)

    async def _slow(self) -> None:
        try:
            for delay, rate in _SLOW:
                for way in self._site.ways:
                    way.delay, way.rate = delay, rate
                await asyncio.sleep(self._seconds / len(_SLOW))
        finally:
            for way in self._site.ways:
                way.delay, way.rate = 0.0, 0.0

    def _signal_all(self, number: int) -> None:
        for member in self._site.mongodb.members:
            member.signal(number)
