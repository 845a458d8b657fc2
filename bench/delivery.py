"""Whether the chat loses, repeats or disorders anything while processes and stores die under it.

    .venv/bin/python -m bench.delivery [--seconds 60] [--processes 2] [--rooms 4] [--writers 8] [--readers 8]
        [--faults kill,primary,lose,...] [--seed N] [--presence]

Starts a MongoDB (three, where a primary is to die), a Redis and server processes of its own. Writers send, edit,
delete and react, readers resume and apply as docs/events.md says, and faults (bench/delivery_faults.py) come all the
while, each at least once. All the time: offsets only rise, and what a reader is told of is found by REST at once,
whichever process is asked. When the faults have healed: what was acknowledged is in the history once, what was refused
is not, every reader holds what a fresh fetch brings, and numbers have no holes. `--presence` waits up to 75 s more
until nobody's ghost is shown. Exit status 1 and the logs' place when anything was violated. A seed repeats the plan,
not the timing.
"""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient

from bench import delivery_checker as checker
from bench.attack_stores import MongoDB
from bench.delivery_client import Person
from bench.delivery_faults import FAULTS, Injector, Scene
from bench.delivery_proxy import Proxy
from bench.delivery_reader import Reader
from bench.delivery_site import Site
from bench.delivery_writer import Writer

CONVERGE_SECONDS = 20.0  # a lost change is there within 2 s; a machine that is busy with faults gets more
UNDECIDED_SECONDS = 5.0  # after this nothing is done any more that was asked for and never answered
PRESENCE_SECONDS = 75.0  # the lease of a process that died, and the look that finds it


@dataclass(frozen=True)
class Plan:
    """What one run does; `pause` is the mean time between a writer's actions, in seconds."""

    seconds: float = 60
    processes: int = 2
    rooms: int = 4
    writers: int = 8
    readers: int = 8
    faults: Sequence[str] = tuple(FAULTS)
    seed: int = 1
    presence: bool = False
    pause: float = 0.1
    looks: float = 0.1  # share of events that a reader looks up
    converge_seconds: float = CONVERGE_SECONDS
    at_first: bool = False  # end at the first violation that is seen
    command: list[str] | None = None  # starts one server process; None means server.py


@dataclass
class Verdict:
    """What a run did and found; `violations` is empty when all promises held."""

    violations: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    delayed: int = 0
    breaks: int = 0
    full_loads: int = 0
    too_slow: int = 0
    looked: int = 0
    messages: int = 0
    presence_seconds: float | None = None  # until nobody's ghost was shown; None where that was not asked

    def __str__(self) -> str:
        """Return the report that is printed."""
        lines = [
            f"faults: {', '.join(f'{kind} {count}' for kind, count in self.faults.items()) or 'none'}",
            f"publications: {self.lost} lost, {self.delayed} late",
            f"messages: {', '.join(f'{count} {name}' for name, count in sorted(self.outcomes.items()))}; "
            f"{self.messages} in the history",
            f"readers: {self.breaks} breaks, {self.full_loads} full loads, {self.too_slow} closed as too slow, "
            f"{self.looked} events looked up",
            *[f"presence: right after {s:.0f} s" for s in [self.presence_seconds] if s is not None],
            *[f"VIOLATION {one}" for one in self.violations[:40]],
            f"{len(self.violations)} violations" if self.violations else "nothing lost, nothing twice, all in order",
        ]
        return "\n".join(lines)


async def run(plan: Plan, directory: Path) -> Verdict:
    """Run a plan with all its files under `directory`; logs of the server processes stay there."""
    mongodb = MongoDB(directory / "replicas", 3) if "primary" in plan.faults else None
    site = Site(directory, plan.processes, plan.command, mongodb)
    proxy = Proxy(site.redis.port, random.Random(plan.seed))
    http = AsyncHTTPClient(max_clients=200)  # this loop's, which everybody shares
    try:
        await proxy.start()
        await asyncio.to_thread(site.start, proxy.port if {"lose", "shuffle"} & set(plan.faults) else None)
        return await _Run(plan, site, proxy).verify()
    finally:
        await asyncio.to_thread(site.stop)
        await proxy.stop()
        await asyncio.sleep(0.1)  # requests that nobody waits for any more see that their server has gone
        http.close()
        shutil.rmtree(directory / "replicas", ignore_errors=True)


class _Run:
    """One run on a site that has been started."""

    def __init__(self, plan: Plan, site: Site, proxy: Proxy) -> None:
        self._plan, self._site, self._proxy = plan, site, proxy
        self._verdict = Verdict()

    async def verify(self) -> Verdict:
        """Write, read and disturb for the plan's time, then judge."""
        await self._begin()
        injector, violations = self._injector, self._verdict.violations
        reading = [asyncio.create_task(reader.run()) for reader in self._readers]
        writing = [asyncio.create_task(writer.run(self._plan.pause)) for writer in self._writers]
        trouble = asyncio.create_task(injector.run())
        try:
            await self._pass_time([*reading, *writing, trouble])
            if not (self._plan.at_first and violations):
                injector.stopped = True
                await self._settle(trouble, writing)
            violations += [f"a reader ended: {task.exception()!r}" for task in reading if task.done()]
        finally:
            for task in (*reading, *writing, trouble):
                task.cancel()
            await asyncio.gather(*reading, *writing, trouble, return_exceptions=True)
            await self._end()
        return self._verdict

    async def _settle(self, trouble: "asyncio.Task[None]", writing: "Sequence[asyncio.Task[None]]") -> None:
        """Wait until everything is healed and written, and judge."""
        try:
            await trouble
        except Exception as e:  # whatever kept it away, the report has to say so
            self._verdict.violations.append(f"what was hurt did not come back: {e!r}")
            return
        for writer in self._writers:
            writer.stopped = True
        await asyncio.gather(*writing)
        unanswered = max((writer.unanswered for writer in self._writers), default=0.0)
        await asyncio.sleep(unanswered + UNDECIDED_SECONDS - time.monotonic())
        await self._judge()

    async def _begin(self) -> None:
        plan, violations = self._plan, self._verdict.violations
        self._owner, crowd, *others = await self._people()
        self._rooms = await self._make_rooms([crowd, *others])
        self._crowd = Writer(crowd, self._rooms, violations)
        self._writers = [Writer(person, self._rooms, violations) for person in others[: plan.writers]]
        self._readers = [Reader(person, self._rooms, violations, plan.looks) for person in others[plan.writers :]]
        scene = Scene(self._site, self._readers, self._proxy, self._crowd, self._rooms, violations)
        self._injector = Injector(scene, plan.faults, random.Random(plan.seed))

    async def _people(self) -> list[Person]:
        """Register everybody: the owner of the rooms, the crowd, then writers, then readers."""
        plan, ports = self._plan, [process.port for process in self._site.processes]
        names = ["owner", "crowd", *(f"writer{n}" for n in range(plan.writers))]
        names += [f"reader{n}" for n in range(plan.readers)]
        homes = [ports[n // 2 % len(ports)] if n % 2 else None for n in range(len(names))]
        people = [
            Person(name, ports, random.Random(f"{plan.seed} {name}"), home)
            for name, home in zip(names, homes, strict=True)
        ]
        await people[0].register()  # the first becomes the admin
        others = iter(people[1:])

        async def register() -> None:
            for person in others:
                await person.register()

        await asyncio.gather(register(), register())  # two at a time: more hashing of passwords ends in 503
        return people

    async def _make_rooms(self, people: Sequence[Person]) -> list[str]:
        rooms = []
        for number in range(self._plan.rooms):
            body = {"name": f"verified-{number}", "type": "private", "memberIds": [person.id for person in people]}
            status, room = await self._owner.call("POST", "/api/rooms", body)
            if status != 201:
                raise RuntimeError(f"no room: {room}")
            rooms.append(room["id"])
        return rooms

    async def _pass_time(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Wait for the plan's time, or until a task ends by a defect, or a violation is enough."""
        until = time.monotonic() + self._plan.seconds
        while (left := until - time.monotonic()) > 0 and not (self._plan.at_first and self._verdict.violations):
            done, _ = await asyncio.wait(tasks, timeout=min(left, 0.2), return_when=asyncio.FIRST_EXCEPTION)
            if done:
                return

    async def _judge(self) -> None:
        verdict, everybody = self._verdict, [self._crowd, *self._writers]
        state = await checker.fresh(self._owner, self._rooms)
        verdict.messages = sum(map(len, state.values()))
        verdict.outcomes = Counter(sent.outcome for writer in everybody for sent in writer.sent.values())
        verdict.violations += checker.history(state, everybody)
        verdict.violations += await checker.converged(self._readers, state, self._plan.converge_seconds)
        if not verdict.outcomes["acknowledged"]:
            verdict.violations.append("nothing was ever acknowledged: nothing was verified")
        if self._plan.presence:
            for writer in self._writers:
                writer.hang_up()
            here, gone = {one.person.id for one in self._readers}, {one.person.id for one in self._writers}
            began = time.monotonic()
            wrong = await checker.presence(self._owner, here, gone, PRESENCE_SECONDS)
            verdict.violations += wrong
            verdict.presence_seconds = None if wrong else time.monotonic() - began

    async def _end(self) -> None:
        """Hang up, and note what was counted."""
        verdict, readers = self._verdict, self._readers
        await asyncio.gather(*(reader.stop() for reader in readers))
        for writer in self._writers:
            writer.hang_up()
        verdict.faults = self._injector.done
        verdict.lost, verdict.delayed = self._proxy.lost, self._proxy.delayed
        for count in ("breaks", "full_loads", "too_slow", "looked"):
            setattr(verdict, count, sum(getattr(reader, count) for reader in readers))


def read_plan() -> Plan:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("processes", "rooms", "writers", "readers", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Plan, name))
    parser.add_argument("--seconds", type=float, default=Plan.seconds)
    parser.add_argument("--faults", default=",".join(FAULTS), help=f"of {', '.join(FAULTS)}, with commas between them")
    parser.add_argument("--presence", action="store_true", help="verify presence too")
    asked = vars(parser.parse_args())
    asked["faults"] = [kind for kind in asked["faults"].split(",") if kind]
    if unknown := set(asked["faults"]) - set(FAULTS):
        parser.error(f"there is no fault {', '.join(sorted(unknown))}")
    return Plan(**asked)


async def _run_until_told(plan: Plan, directory: Path) -> Verdict:
    """Run; SIGTERM ends it as Ctrl-C does, and leaves nothing running."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(plan, directory)


def main() -> int:
    """Run, print, and return the exit status."""
    directory = Path(tempfile.mkdtemp(prefix="marquee-delivery-"))
    plan = read_plan()
    print(f"{plan.seconds:.0f} s, {plan.processes} processes, seed {plan.seed}, {', '.join(plan.faults)}", flush=True)
    verdict = asyncio.run(_run_until_told(plan, directory))
    print(verdict)
    if verdict.violations:
        print(f"the servers' logs are in {directory}")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
