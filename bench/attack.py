"""Whether the promises hold while MongoDB and Redis are killed, frozen and slow under load: the attack on the stores.

    .venv/bin/python -m bench.attack [--faults all|redis-kill,redis-freeze,...] [--turns 1] [--seconds 30] [--beat 5]

Starts stores and server processes of its own. People read, write, upload and chat, screens beat, somebody guesses a
password, and the stores are hurt one after the other. Held all the while: an answer is the right one or a 503 with
Retry-After, none takes more than 5 s, the limit on logins stays one, no screen is marked offline. When all is healed:
everything that was acknowledged is there, once, and every reader of the chat holds what a fresh fetch brings. Exit
status 1 and the logs' place when anything was violated. `bench/attack_sockets.py` is the attack on sockets.
"""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient

from bench import delivery_checker as checker
from bench.attack_crowd import Editor, Guesser, Screen, begin, read
from bench.attack_faults import FAULTS, OF_THREE, Hurt
from bench.attack_judge import Judge
from bench.attack_site import Site
from bench.attack_sockets import ATTACKS, Attackers
from bench.delivery_client import Person
from bench.delivery_reader import Reader
from bench.delivery_writer import Writer

KINDS = FAULTS | ATTACKS
GUESSES, GUESSES_SECONDS = 10, 900  # the contract's limit on logins
_LOOKS = 0.1  # of the events that a reader of the chat hears are looked up by REST at once
_UNDECIDED_SECONDS = 5.0  # batches whose outcome is open end within this
_OPTIONS = {
    "turns": "how often all faults come",
    "seconds": "how long each fault lasts",
    "beat": "seconds between two heartbeats of a screen",
    "slowest": "seconds that an answer may take",
    "processes": "server processes",
    "sockets": "clients of an attack on sockets",
    "storm": "clients that come back at once",
}


@dataclass(frozen=True)
class Plan:
    """What one run does. `seconds` is how long a fault lasts, `beat` the screens' pace, `slowest` an answer's limit."""

    faults: Sequence[str] = tuple(KINDS)
    turns: int = 1
    seconds: float = 30.0
    beat: int = 5
    slowest: float = 5.0
    processes: int = 2
    readers: int = 4
    screens: int = 6
    calm: float = 3  # seconds before each fault
    heal: float = 30  # seconds within which everything is served again
    uploads: bool = True
    sockets: int = 500  # clients of an attack on sockets
    storm: int = 5000  # clients that come back at once


class Crowd:
    """Everybody who uses the site; `judge` and `violations` have what they saw."""

    def __init__(self, plan: Plan, site: Site) -> None:
        self.plan, self.judge = plan, Judge(plan.slowest)
        self.violations: list[str] = []
        self._began = time.monotonic()
        self._ports = site.ports
        self.screens = [Screen(self.judge, site.ports, plan.beat, socket=n % 2 > 0) for n in range(plan.screens)]
        self.guesser = Guesser(self.judge, site.ports, "victim")

    async def gather(self) -> None:
        """Register everybody, make a room, pair the screens."""
        names = ["owner", "victim", "other", "attacker", "writer0", "writer1", "reader0", "reader1"]
        self.people = {name: Person(name, self._ports, random.Random(name)) for name in names}
        for person in self.people.values():
            await person.register()
        self.owner = self.people["owner"]
        members = [person.id for person in self.people.values() if person is not self.owner]
        body = {"name": "attacked", "type": "private", "memberIds": members}
        room = await self.judge.insist(self.owner, "POST", "/api/rooms", body)
        self.rooms = [room["id"]]
        quiet = await self.judge.insist(self.owner, "POST", "/api/rooms", body | {"name": "stormed"})
        self.quiet_room = quiet["id"]  # where nobody writes but the attackers
        self.writers = [Writer(self.people[f"writer{n}"], self.rooms, self.violations) for n in range(2)]
        self.chatters = [Reader(self.people[f"reader{n}"], self.rooms, self.violations, _LOOKS) for n in range(2)]
        self.editors = [
            Editor(self.judge, self.people[name], name, uploads=self.plan.uploads) for name in ("owner", "other")
        ]
        for number, screen in enumerate(self.screens):
            await screen.pair(self.owner, f"Screen {number}")

    async def say(self, content: str, room: str = "") -> dict[str, Any]:
        """Let the attacker write a message, once whatever happens; by default where everybody writes. Return it."""
        key = f"attack-{random.getrandbits(64):x}"
        body = {"room": room or self.rooms[0], "content": content, "clientId": key}
        said: dict[str, Any] = await self.judge.insist(self.people["attacker"], "POST", "/api/messages", body)
        return said

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Let all work inside the block; then writers come to an end of what they have begun, and the rest stops."""
        steady = begin([screen.run() for screen in self.screens])
        steady += begin([read(self.judge, self.owner, 0.2) for _ in range(self.plan.readers)])
        steady += begin([chatter.run() for chatter in self.chatters])
        guessing = begin([self.guesser.run(0.2)])
        ending = begin([writer.run(0.15) for writer in self.writers] + [editor.run(0.4) for editor in self.editors])
        try:
            yield
            for writer in self.writers:
                writer.stopped = True
            for editor in self.editors:
                editor.stopped = True
            await asyncio.wait_for(asyncio.gather(*ending), 2 * self.plan.heal)
            await asyncio.sleep(_UNDECIDED_SECONDS)
            await self._look_back()
            self.violations += [f"somebody gave up: {task.exception()!r}" for task in steady if task.done()]
        finally:
            for task in (*steady, *guessing, *ending):
                task.cancel()
            await asyncio.gather(*steady, *guessing, *ending, return_exceptions=True)
            for writer in self.writers:
                writer.hang_up()
            await asyncio.gather(*(chatter.stop() for chatter in self.chatters))

    async def _look_back(self) -> None:
        """Hold everything that was acknowledged against what is there."""
        for editor in self.editors:
            await editor.judge()
        for number, screen in enumerate(self.screens):
            for moment in await screen.went_offline(self.owner):
                self.judge.blame(f"screen {number}, which never stopped beating, was marked offline at {moment}")
        state = await checker.fresh(self.owner, self.rooms)
        self.violations += checker.history(state, self.writers)
        self.violations += await checker.converged(self.chatters, state, self.plan.heal)
        if not any(sent.outcome == "acknowledged" for writer in self.writers for sent in writer.sent.values()):
            self.violations.append("no message was ever acknowledged: nothing was verified")

    async def healed(self, since: float) -> None:
        """Wait until every process serves everything again, and note how long that took."""
        until = since + self.plan.heal
        for port in self._ports:
            asker = Person("owner", [port], random.Random(), token=self.owner.token)
            while True:
                status, told = await self.judge.ask(asker, "GET", "/readyz")
                if (status, (told or {}).get("status")) == (200, "ready"):
                    break
                if time.monotonic() > until:
                    self.judge.blame(f"a process was not ready again within {self.plan.heal:g} s: {told}")
                    return
                await asyncio.sleep(0.2)

    async def count_guesses(self, forgotten: int) -> None:
        """Hold the limit on logins: it is each process's own while Redis is away.

        It begins anew when a store or a process has `forgotten` what it counted: one was emptied, or restarted. On a
        busy machine the guesses so far may all have been within it; so more are made, until one is refused.
        """
        counters = 1 + forgotten + len(self._ports)
        while not self.guesser.refused and self.guesser.looked_at <= GUESSES * counters * self._windows:
            await self.guesser.guess()
        if self.guesser.looked_at > GUESSES * counters * self._windows:
            self.judge.blame(f"the limit on logins opened: {self.guesser.looked_at} guesses were looked at")

    @property
    def _windows(self) -> int:
        return 1 + int((time.monotonic() - self._began) / GUESSES_SECONDS)

    @property
    def found(self) -> list[str]:
        """Everything that broke a promise."""
        return [*self.judge.violations, *self.violations]


async def run(plan: Plan, directory: Path) -> Crowd:
    """Run a plan with all its files under `directory`; return the crowd with what it saw.

    Its faults have to be all of one primary among three, or none: a slow way leads to one mongod.
    """
    directory.mkdir(exist_ok=True)
    site = Site(
        directory,
        count=plan.processes,
        mongods=3 if set(plan.faults) <= set(OF_THREE) else 1,
        slow_ways="slow" in plan.faults,
        screen_heartbeat_seconds=str(plan.beat),
    )
    http = AsyncHTTPClient(max_clients=300)  # this loop's, which everybody shares
    print("starting stores and servers, then people and screens: half a minute or so", flush=True)
    try:
        await asyncio.to_thread(site.start)
        crowd = Crowd(plan, site)
        await crowd.gather()
        hurt = Hurt(site, plan.seconds)
        attackers = Attackers(site, crowd, count=plan.sockets, storm=plan.storm, seconds=plan.seconds)
        async with crowd.at_work():
            for fault in [*plan.faults] * plan.turns:
                await asyncio.sleep(plan.calm)
                print(f"{datetime.now(UTC):%H:%M:%S} {fault}: {KINDS[fault]}", flush=True)
                await (attackers if fault in ATTACKS else hurt).do(fault)
                over = time.monotonic()
                await crowd.healed(over)
                took = time.monotonic() - over
                print(f"         served again after {took:.1f} s, {len(crowd.found)} violations so far", flush=True)
            await asyncio.sleep(plan.calm)
        await crowd.count_guesses(hurt.emptied + attackers.restarted)
        return crowd
    finally:
        http.close()
        await asyncio.to_thread(site.stop)


def read_plan() -> Plan:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faults", default="all", help=f"of {', '.join(KINDS)}, with commas; default: all")
    for name, about in _OPTIONS.items():
        default = getattr(Plan, name)
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{about}; default {default:g}")
    asked = vars(parser.parse_args())
    asked["faults"] = list(KINDS) if asked["faults"] == "all" else asked["faults"].split(",")
    if unknown := set(asked["faults"]) - set(KINDS):
        parser.error(f"there is no fault {', '.join(sorted(unknown))}")
    return Plan(**asked)


def main() -> int:
    """Run, print, and return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left running
    plan, found = read_plan(), 0
    directory = Path(tempfile.mkdtemp(prefix="marquee-attack-"))
    of_one = [kind for kind in plan.faults if kind not in OF_THREE]
    for faults in (of_one, [kind for kind in plan.faults if kind in OF_THREE]):
        if not faults:
            continue
        crowd = asyncio.run(run(replace(plan, faults=faults), directory / faults[0]))
        found += len(crowd.found)
        print(crowd.judge)
        for violation in crowd.violations:
            print("VIOLATION", violation)
    if found:
        print(f"{found} violations; the servers' logs are in {directory}")
        return 1
    print("every promise was held")
    shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
