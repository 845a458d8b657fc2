"""Whether the chat loses, repeats or disorders anything while processes and stores die under it.

    .venv/bin/python -m bench.delivery [--seconds 60] [--processes 2] [--rooms 4] [--writers 8] [--readers 8]
        [--faults kill,stop,redis,cut,freeze,halfopen] [--seed N] [--presence]

Starts a MongoDB, a Redis and server processes of its own. Writers send, edit, delete and react, readers resume and
apply as docs/events.md says, and faults (bench/delivery_faults.py) come all the while. When they have healed: what was
acknowledged is in the history once, what was refused is not, every reader holds what a fresh fetch brings, numbers have
no holes, and offsets only rose. `--presence` waits up to 75 s more until nobody's ghost is shown. Exit status 1 and the
logs' place when anything was violated. A seed repeats the plan, not the timing.

Not here: the death of a MongoDB primary, and publications that come in another order than the processes' own timing
gives.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient

from bench import delivery_checker as checker
from bench.delivery_client import Person
from bench.delivery_faults import FAULTS, Injector
from bench.delivery_reader import Reader
from bench.delivery_site import Site
from bench.delivery_writer import Writer

CONVERGE_SECONDS = 20.0  # a lost change is there within 2 s; a machine that is busy with faults gets more
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
    converge_seconds: float = CONVERGE_SECONDS
    command: list[str] | None = None  # starts one server process; None means server.py


@dataclass
class Verdict:
    """What a run did and found; `violations` is empty when all promises held."""

    violations: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[str, int] = field(default_factory=dict)
    resumes: int = 0
    reloads: int = 0
    messages: int = 0

    def __str__(self) -> str:
        """Return the report that is printed."""
        lines = [
            f"faults: {', '.join(f'{kind} {count}' for kind, count in self.faults.items()) or 'none'}",
            f"messages: {', '.join(f'{count} {name}' for name, count in sorted(self.outcomes.items()))}; "
            f"{self.messages} in the history",
            f"readers: {self.resumes} breaks, {self.reloads} full loads",
            *[f"VIOLATION {one}" for one in self.violations[:40]],
            f"{len(self.violations)} violations" if self.violations else "nothing lost, nothing twice, all in order",
        ]
        return "\n".join(lines)


async def run(plan: Plan, directory: Path) -> Verdict:
    """Run a plan with all its files under `directory`; logs of the server processes stay there."""
    site = Site(directory, plan.processes, plan.command)
    http = AsyncHTTPClient(max_clients=200)  # this loop's, which everybody shares
    try:
        await asyncio.to_thread(site.start)
        return await _verify(plan, site)
    finally:
        http.close()
        await asyncio.to_thread(site.stop)


async def _people(plan: Plan, site: Site) -> list[Person]:
    """Register everybody: the owner of the rooms, then writers, then readers."""
    ports = [process.port for process in site.processes]
    names = ["owner", *(f"writer{n}" for n in range(plan.writers)), *(f"reader{n}" for n in range(plan.readers))]
    homes = [ports[n // 2 % len(ports)] if n % 2 else None for n in range(len(names))]
    people = [
        Person(name, ports, random.Random(f"{plan.seed} {name}"), home) for name, home in zip(names, homes, strict=True)
    ]
    for person in people:  # the first becomes the admin
        await person.register()
    return people


async def _rooms(plan: Plan, people: Sequence[Person]) -> list[str]:
    rooms = []
    for number in range(plan.rooms):
        body = {"name": f"verified-{number}", "type": "private", "memberIds": [person.id for person in people[1:]]}
        status, room = await people[0].call("POST", "/api/rooms", body)
        if status != 201:
            raise RuntimeError(f"no room: {room}")
        rooms.append(room["id"])
    return rooms


async def _verify(plan: Plan, site: Site) -> Verdict:
    people = await _people(plan, site)
    rooms = await _rooms(plan, people)
    verdict = Verdict()
    writers = [Writer(person, rooms, verdict.violations) for person in people[1 : 1 + plan.writers]]
    readers = [Reader(person, rooms, verdict.violations) for person in people[1 + plan.writers :]]
    injector = Injector(site, readers, plan.faults, random.Random(plan.seed))
    reading = [asyncio.create_task(reader.run()) for reader in readers]
    writing = [asyncio.create_task(writer.run(plan.pause)) for writer in writers]
    trouble = asyncio.create_task(injector.run())
    try:
        await asyncio.wait([*reading, *writing, trouble], timeout=plan.seconds, return_when=asyncio.FIRST_EXCEPTION)
        injector.stopped = True
        await trouble
        for writer in writers:
            writer.stopped = True
        await asyncio.gather(*writing)
        await asyncio.sleep(5)  # undecided batches end within 4 s, so that what is fetched now is the end
        await _judge(plan, people[0], writers, readers, rooms, verdict)
        verdict.violations += [f"a reader ended: {task.exception()!r}" for task in reading if task.done()]
    finally:
        for task in (*reading, *writing, trouble):
            task.cancel()
        await asyncio.gather(*reading, *writing, trouble, return_exceptions=True)
        for line in [line for reader in readers for line in (reader.line, *reader.left) if line is not None]:
            line.socket.close()
        for writer in writers:
            writer.hang_up()
    verdict.faults = injector.done
    return verdict


async def _judge(
    plan: Plan, owner: Person, writers: Sequence[Writer], readers: Sequence[Reader], rooms: list[str], verdict: Verdict
) -> None:
    state = await checker.fresh(owner, rooms)
    verdict.messages = sum(map(len, state.values()))
    verdict.outcomes = Counter(sent.outcome for writer in writers for sent in writer.sent.values())
    verdict.violations += checker.history(state, writers)
    verdict.violations += await checker.converged(readers, state, plan.converge_seconds)
    verdict.resumes = sum(reader.resumes for reader in readers)
    verdict.reloads = sum(reader.reloads for reader in readers)
    if not verdict.outcomes["acknowledged"]:
        verdict.violations.append("nothing was ever acknowledged: nothing was verified")
    if plan.presence:
        for writer in writers:
            writer.hang_up()
        here, gone = {one.person.id for one in readers}, {one.person.id for one in writers}
        verdict.violations += await checker.presence(owner, here, gone, PRESENCE_SECONDS)


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


def main() -> int:
    """Run, print, and return the exit status."""
    directory = Path(tempfile.mkdtemp(prefix="marquee-delivery-"))
    plan = read_plan()
    print(f"{plan.seconds:.0f} s, {plan.processes} processes, seed {plan.seed}, {', '.join(plan.faults)}", flush=True)
    verdict = asyncio.run(run(plan, directory))
    print(verdict)
    if verdict.violations:
        print(f"the servers' logs are in {directory}")
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
