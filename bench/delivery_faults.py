"""What goes wrong while people write and read: each fault takes some seconds and heals what it hurt."""

import asyncio
import itertools
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.delivery_proxy import Proxy
from bench.delivery_reader import Reader
from bench.delivery_site import Site, value_of
from bench.delivery_writer import Writer

FAULTS = {
    "kill": "kill -9 of a process, and its restart",
    "stop": "a process stands still for some seconds (SIGSTOP)",
    "primary": "kill -9 of the MongoDB primary of three members, and its restart",
    "redis": "Redis is killed, and comes back empty",
    "cut": "Redis hangs up on all who listen: what is published until they are back is lost",
    "lose": "a third of what Redis tells the processes is lost, for some seconds",
    "shuffle": "half of what Redis tells the processes comes late, behind what came after it, for some seconds",
    "freeze": "a reader reads nothing for some seconds",
    "halfopen": "a reader leaves its connection without closing it and comes back on another",
    "away": "a reader is away while more than 1,000 messages come in a room, and has to load it anew",
    "slow": "a reader reads nothing until more than 1 MiB waits for it, and is closed with 4408",
}
LOSING, DELAYING = 0.33, 0.5
_CHANGES = 1100  # above the 1,000 up to which a reader gets what it missed
_LONG = "\N{FACE WITH TEARS OF JOY}" * 4000  # 16 kB as UTF-8, the longest message there may be
_LONG_AT_ONCE, _MOST_LONG = 20, 600  # 9.6 MB in all: about 1.5 are enough, but others may be too slow before
_PATIENCE_SECONDS = 40.0  # for a reader that is told something about itself, on a machine busy with other faults


@dataclass(frozen=True)
class Scene:
    """What faults may hurt: processes and stores, readers, and what lies between processes and Redis.

    `crowd` is somebody who writes very much into one of `rooms`; `violations` gets what a fault did not bring about.
    """

    site: Site
    readers: Sequence[Reader]
    proxy: Proxy
    crowd: Writer
    rooms: Sequence[str]
    violations: list[str]


class Injector:
    """Does `kinds` in turns at random distances, each at least once; `done` counts them."""

    def __init__(self, scene: Scene, kinds: Sequence[str], chance: random.Random) -> None:
        self._scene, self._kinds, self._chance = scene, kinds, chance
        self._site, self._proxy = scene.site, scene.proxy
        self.done = dict.fromkeys(kinds, 0)
        self.stopped = False
        self._victims = itertools.cycle(scene.site.processes)

    async def run(self) -> None:
        """Go on until `stopped`; returns with everything healed."""
        for turn, kind in enumerate(itertools.cycle(self._kinds)):
            if self.stopped and turn >= len(self._kinds):
                return
            await self._pause(0.3, 1.5)
            await getattr(self, f"_{kind}")()
            self.done[kind] += 1

    # --- processes and stores ---------------------------------------------------------------------------------------

    async def _kill(self) -> None:
        process = next(self._victims)
        await asyncio.to_thread(process.kill)
        await self._pause(0, 1.5)
        process.start()
        await asyncio.to_thread(process.wait)

    async def _stop(self) -> None:
        process = next(self._victims)
        process.signal(signal.SIGSTOP)
        await self._pause(1, 6)
        process.signal(signal.SIGCONT)

    async def _primary(self) -> None:
        mongodb = self._site.mongodb
        assert mongodb is not None
        await asyncio.to_thread(mongodb.wait)
        primary = await asyncio.to_thread(mongodb.primary)
        primary.signal(signal.SIGKILL)
        await self._pause(0, 4)  # the others may have elected by then, or not
        primary.start()
        await asyncio.to_thread(mongodb.wait)

    async def _redis(self) -> None:
        await asyncio.to_thread(self._site.redis.kill)
        await self._pause(0.5, 2)
        await asyncio.to_thread(self._site.redis.start)

    # --- publications -----------------------------------------------------------------------------------------------

    async def _cut(self) -> None:
        await asyncio.to_thread(self._site.redis.cut)

    async def _lose(self) -> None:
        self._proxy.losing = LOSING
        await self._pause(1, 4)
        self._proxy.losing = 0.0

    async def _shuffle(self) -> None:
        self._proxy.delaying = DELAYING
        await self._pause(1, 4)
        self._proxy.delaying = 0.0

    # --- readers ----------------------------------------------------------------------------------------------------

    async def _freeze(self) -> None:
        reader = self._chance.choice(self._scene.readers)
        reader.thawed.clear()
        await self._pause(1, 4)
        reader.thawed.set()

    async def _halfopen(self) -> None:
        self._chance.choice(self._scene.readers).leave()

    async def _away(self) -> None:
        reader, room = self._chance.choice(self._scene.readers), self._chance.choice(self._scene.rooms)
        before = reader.full_loads
        reader.present.clear()
        reader.hang_up()
        gone = await _until(lambda: reader.is_away)
        await self._scene.crowd.burst(room, _CHANGES)
        reader.present.set()
        if not gone or not await _until(lambda: reader.full_loads > before):
            self._missing(f"{reader.person.name} missed {_CHANGES} messages and was not told to load the room")

    async def _slow(self) -> None:
        reader, room = self._chance.choice(self._scene.readers), self._chance.choice(self._scene.rooms)
        before, seen = reader.too_slow, await self._closed_for_slowness()
        for _ in range(_MOST_LONG // _LONG_AT_ONCE):
            reader.thawed.clear()
            await self._scene.crowd.burst(room, _LONG_AT_ONCE, _LONG)
            closed = await self._closed_for_slowness()
            if closed > seen:  # thaw it in time to take the close frame, if it was not another one who was too slow
                seen = closed
                reader.thawed.set()
                if await _until(lambda: reader.too_slow > before, 3):
                    return
        reader.thawed.set()
        if not await _until(lambda: reader.too_slow > before):
            self._missing(f"{reader.person.name} left {_MOST_LONG * 16} kB unread and was not closed with 4408")

    async def _closed_for_slowness(self) -> float:
        """Return how many connections the processes have closed because they were too slow."""
        pages = await asyncio.gather(*(asyncio.to_thread(process.metrics) for process in self._site.processes))
        return sum(value_of(page, "marquee_slow_clients_total") for page in pages)

    def _missing(self, sentence: str) -> None:
        self._scene.violations.append(sentence)

    async def _pause(self, least: float, most: float) -> None:
        await asyncio.sleep(self._chance.uniform(least, most))


async def _until(is_so: Callable[[], bool], seconds: float = _PATIENCE_SECONDS) -> bool:
    """Wait until it is so, and return whether it is in time."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.05)
    return True
