"""What goes wrong while people write and read: each fault takes some seconds and heals what it hurt."""

import asyncio
import itertools
import random
import signal
from collections.abc import Sequence

from bench.delivery_reader import Reader
from bench.delivery_site import Site

FAULTS = {
    "kill": "kill -9 of a process, and its restart",
    "stop": "a process stands still for some seconds (SIGSTOP)",
    "redis": "Redis is killed, and comes back empty",
    "cut": "Redis hangs up on all who listen: what is published until they are back is lost",
    "freeze": "a reader reads nothing for some seconds",
    "halfopen": "a reader leaves its connection without closing it and comes back on another",
}


class Injector:
    """Does `kinds` in turns at random distances; `done` counts them. Cancel `run` only through `stop`."""

    def __init__(self, site: Site, readers: Sequence[Reader], kinds: Sequence[str], chance: random.Random) -> None:
        self._site, self._readers, self._kinds, self._chance = site, readers, kinds, chance
        self.done = dict.fromkeys(kinds, 0)
        self.stopped = False
        self._victims = itertools.cycle(site.processes)

    async def run(self) -> None:
        """Go on until `stopped`; returns with everything healed."""
        turn = 0
        while not self.stopped and self._kinds:
            await asyncio.sleep(self._chance.uniform(0.5, 2))
            kind = self._kinds[turn % len(self._kinds)]
            turn += 1
            await getattr(self, f"_{kind}")()
            self.done[kind] += 1

    async def _kill(self) -> None:
        process = next(self._victims)
        await asyncio.to_thread(process.kill)
        await asyncio.sleep(self._chance.uniform(0, 1.5))
        process.start()
        await asyncio.to_thread(process.wait)

    async def _stop(self) -> None:
        process = next(self._victims)
        process.signal(signal.SIGSTOP)
        await asyncio.sleep(self._chance.uniform(1, 6))
        process.signal(signal.SIGCONT)

    async def _redis(self) -> None:
        await asyncio.to_thread(self._site.redis.kill)
        await asyncio.sleep(self._chance.uniform(0.5, 2))
        await asyncio.to_thread(self._site.redis.start)

    async def _cut(self) -> None:
        await asyncio.to_thread(self._site.redis.cut)

    async def _freeze(self) -> None:
        reader = self._chance.choice(self._readers)
        reader.thawed.clear()
        await asyncio.sleep(self._chance.uniform(1, 4))
        reader.thawed.set()

    async def _halfopen(self) -> None:
        self._chance.choice(self._readers).leave()
