"""Whether a server that is used and hurt for long stays as it was: memory, descriptors, and every promise.

    .venv/bin/python -m bench.soak [--minutes 30] [--processes 2] [--sockets 200] [--storm 500] [--seed 1]

The crowd of bench/attack.py reads, writes, uploads, chats and beats, and the faults of bench.attack and its attacks on
sockets come in turns, but for those that want three mongods. Each server process's resident memory and descriptors are
taken in the calm between two faults, and printed in the end as a table. The first round of all faults (about three
minutes) is the warm-up: caches fill, pools of connections and allocators keep what the worst attack took. After that
they are flat when the median of the second half is at most a tenth and 24 MB above that of the first one, and 16
descriptors. A shorter run holds all other promises, and says that it is too short for this one. Storms kill the last
process, whose lives of two to three minutes are shown, but not compared: what each holds depends on who came to it.
The others live all the time. Ends with status 1 on any violation; the servers' logs are kept then.
"""

import argparse
import asyncio
import itertools
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient

from bench.attack import Crowd, Plan
from bench.attack_faults import Hurt
from bench.attack_site import Site
from bench.attack_sockets import ATTACKS, Attackers

# First what makes a process take the most: pools of connections keep what they once had.
FAULTS = (*ATTACKS, "redis-kill", "redis-freeze", "mongodb-kill", "mongodb-freeze", "slow")
_EVERY_SECONDS = 2.0
_ROWS = 12  # of the printed table
_GROWTH, _MORE_BYTES, _MORE_DESCRIPTORS = 0.10, 24 << 20, 16
_FEWEST = 20  # samples to judge by: some five faults


@dataclass
class Record:
    """What one server process held, over time."""

    samples: list[tuple[float, int, int]] = field(default_factory=list)  # seconds, bytes, descriptors

    def faults(self, name: str, since: float) -> list[str]:
        """Return what is not flat after `since` (seconds)."""
        kept = [sample for sample in self.samples if sample[0] >= since]
        early, late = kept[: len(kept) // 2], kept[len(kept) // 2 :]
        found = []
        before, after = _median(early, 1), _median(late, 1)
        if after > before * (1 + _GROWTH) + _MORE_BYTES:
            found.append(f"{name}: memory grew from {before / 1e6:.0f} to {after / 1e6:.0f} MB after the warm-up")
        before, after = _median(early, 2), _median(late, 2)
        if after > before + _MORE_DESCRIPTORS:
            found.append(f"{name}: descriptors grew from {before:.0f} to {after:.0f} after the warm-up")
        return found

    def is_long_enough(self, since: float) -> bool:
        """Tell whether enough samples came after `since` to say anything."""
        return sum(seconds >= since for seconds, _, _ in self.samples) >= _FEWEST


def _median(samples: Sequence[tuple[float, int, int]], column: int) -> float:
    return statistics.median(sample[column] for sample in samples)


class Soak:
    """One run: the crowd at work, faults in turns, and a record of each process."""

    def __init__(self, site: Site, crowd: Crowd, minutes: float, chance: random.Random) -> None:
        self._site, self.crowd, self._chance = site, crowd, chance
        self._end = time.monotonic() + minutes * 60
        self._began = time.monotonic()
        self.records = [Record() for _ in site.processes]
        self.warm = float("inf")  # seconds from the beginning to the end of the first round
        self.hurt = Hurt(site, crowd.plan.seconds)
        plan = crowd.plan
        self.attackers = Attackers(site, crowd, count=plan.sockets, storm=plan.storm, seconds=plan.seconds)

    async def run(self) -> None:
        """Hurt, heal, look, until the time is over."""
        for turn, fault in enumerate(itertools.cycle(self.crowd.plan.faults)):
            if turn == len(self.crowd.plan.faults):
                self.warm = time.monotonic() - self._began
            await self._calm()
            if time.monotonic() > self._end:
                return
            print(f"{time.monotonic() - self._began:6.0f} s  {fault}", flush=True)
            await (self.attackers if fault in ATTACKS else self.hurt).do(fault)
            await self.crowd.healed(time.monotonic())

    async def _calm(self) -> None:
        """Let everybody work in peace for a while, and take samples in it, once what was hurt has settled."""
        until = time.monotonic() + self._chance.uniform(8, 12)
        await asyncio.sleep(3)
        while time.monotonic() < until:
            for number, record in enumerate(self.records):
                record.samples.append((time.monotonic() - self._began, *self._site.size(number)))
            await asyncio.sleep(_EVERY_SECONDS)

    def grown(self) -> list[str]:
        """Return what is not flat; nothing, said aloud, where no process lived long enough to tell."""
        old = self.records[:-1]
        if not old or not all(record.is_long_enough(self.warm) for record in old):
            print("nothing lived long enough to say whether memory and descriptors are flat")
            return []
        return [one for n, record in enumerate(old) for one in record.faults(f"process {n}", self.warm)]

    def table(self) -> str:
        """Return memory and descriptors over time."""
        step = max(1, len(self.records[0].samples) // _ROWS)
        lines = ["seconds  " + "  ".join(f"process {n}: MB  fds" for n in range(len(self.records)))]
        for rows in list(zip(*(record.samples for record in self.records), strict=True))[::step]:
            cells = "  ".join(f"{size / 1e6:13.1f} {descriptors:4d}" for _, size, descriptors in rows)
            lines.append(f"{rows[0][0]:7.0f}  {cells}")
        return "\n".join(lines)


async def run(minutes: float, plan: Plan, directory: Path, seed: int = 1) -> tuple[Soak, list[str]]:
    """Run for so long with all files under `directory`; return the record and what broke a promise."""
    site = Site(
        directory, count=plan.processes, slow_ways="slow" in plan.faults, screen_heartbeat_seconds=str(plan.beat)
    )
    http = AsyncHTTPClient(max_clients=300)
    print("starting stores and servers, then people and screens: half a minute or so", flush=True)
    try:
        await asyncio.to_thread(site.start)
        crowd = Crowd(plan, site)
        await crowd.gather()
        soak = Soak(site, crowd, minutes, random.Random(seed))
        async with crowd.at_work():
            await soak.run()
        await crowd.count_guesses(soak.hurt.emptied + soak.attackers.restarted)
        print(crowd.judge)
        return soak, crowd.violations + soak.grown()
    finally:
        http.close()
        await asyncio.to_thread(site.stop)


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, run, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--storm", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    directory = Path(tempfile.mkdtemp(prefix="marquee-soak-"))
    plan = Plan(faults=FAULTS, seconds=6, processes=asked.processes, sockets=asked.sockets, storm=asked.storm)
    soak, found = asyncio.run(run(asked.minutes, plan, directory, asked.seed))
    print(soak.table())
    for one in found[:40]:
        print("VIOLATION", one)
    if not found and not soak.crowd.found:
        print("nothing grew, and nothing was lost")
        shutil.rmtree(directory, ignore_errors=True)
        return 0
    print(f"the servers' logs are in {directory}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
