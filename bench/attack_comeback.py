"""The storm: a process is killed, and all its clients come back at once to the one that takes its place.

Half of them are members of a room, in which people write meanwhile; the other half are screens, for which an emergency
begins meanwhile. All have to become current, in bounded memory. They are a process of their own (attack_storm.py).
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from typing import TYPE_CHECKING, Any

from bench import delivery_site
from bench.attack_crowd import Screen
from bench.attack_site import Site

if TYPE_CHECKING:
    from bench.attack import Crowd

_MISSED = 20  # messages
_PAIRING = 16  # screens at once
_CLIENT_BYTES = 64 << 10  # of the process's memory that one client may cost, all at the same moment
_SLACK = 64 << 20  # by which a process grows that has just started and is used
_EMERGENCY = {"title": "Storm", "message": "Stay inside.", "level": "critical", "expiresIn": 3600}


class Comeback:
    """Kills `site`'s last process under `count` clients, as often as asked. `patience` is in seconds."""

    def __init__(self, site: Site, crowd: "Crowd", count: int, patience: float) -> None:
        self._site, self._crowd, self._count, self._patience = site, crowd, count, patience
        self._judge = crowd.judge
        self._screens: list[Screen] = []
        self.restarted = 0

    async def do(self) -> None:
        """Do it once."""
        await self._pair(self._count // 2)
        told = {
            "port": self._site.processes[-1].port,
            "token": self._attacker.token,
            "room": self._crowd.quiet_room,
            "members": self._count - len(self._screens),
            "screens": [screen.person.token for screen in self._screens],
        }
        command = [sys.executable, "-m", "bench.attack_storm"]
        clients = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, cwd=delivery_site.ROOT)
        try:
            _tell(clients, told)
            here = await self._heard(clients)
            missed = await self._restart()
            highest = [self._size()]
            watching = asyncio.create_task(self._watch(highest))
            _tell(clients, missed)
            seconds = await self._heard(clients)
            watching.cancel()
            self._hold(here, seconds, max(highest) - highest[0])
            await self._judge.insist(self._attacker, "DELETE", f"/api/emergencies/{missed['emergency']}")
        finally:
            if clients.returncode is None:
                clients.kill()
            await clients.wait()

    async def _pair(self, count: int) -> None:
        """Pair the screens, the first time."""
        self._screens = self._screens or [
            Screen(self._judge, self._site.ports, every=15, socket=True) for _ in range(count)
        ]
        for start in range(0, count, _PAIRING):
            fresh = [screen for screen in self._screens[start : start + _PAIRING] if not screen.id]
            await asyncio.gather(*(screen.pair(self._attacker, "Stormed") for screen in fresh))

    async def _restart(self) -> dict[str, Any]:
        """Kill the process, let there be something to miss, and start it; return what was missed."""
        process = self._site.processes[-1]
        self._judge.excused = True
        await asyncio.to_thread(process.kill)
        for number in range(_MISSED):
            said = await self._crowd.say(f"missed {number}", self._crowd.quiet_room)
        missed = {"offset": said["rev"], **await self._alarm()}
        process.start()
        self.restarted += 1
        await asyncio.to_thread(process.wait)
        self._judge.excused = False
        return missed

    async def _alarm(self) -> dict[str, str]:
        """Begin an emergency on all of the screens; return its id, and the revision that they are to show with it."""
        before = await self._shown()
        body = {**_EMERGENCY, "workspaceId": before["workspaceId"]}
        begun = await self._judge.insist(self._attacker, "POST", "/api/emergencies", body)
        while (after := await self._shown())["revision"] == before["revision"]:
            await asyncio.sleep(0.1)
        return {"emergency": begun["id"], "revision": after["revision"]}

    async def _shown(self) -> dict[str, Any]:
        screen: dict[str, Any] = await self._judge.insist(self._attacker, "GET", f"/api/screens/{self._screens[-1].id}")
        return screen

    def _hold(self, here: str, seconds: str, grown: int) -> None:
        if not here or not seconds:
            self._judge.blame("not all clients came back and became current")
            return
        self._judge.back[self._count] = float(seconds)
        if grown > self._count * _CLIENT_BYTES + _SLACK:
            self._judge.blame(f"storm: {grown >> 20} MB for {self._count} clients that came back")

    async def _heard(self, clients: Process) -> str:
        """Return the clients' next line, or nothing when it does not come in time."""
        assert clients.stdout is not None
        try:
            return (await asyncio.wait_for(clients.stdout.readline(), self._patience)).decode()
        except TimeoutError:
            return ""

    def _size(self) -> int:
        return self._site.size(-1)[0]

    async def _watch(self, highest: list[int]) -> None:
        while True:
            highest.append(self._size())
            await asyncio.sleep(0.1)

    @property
    def _attacker(self) -> Any:
        return self._crowd.people["attacker"]


def _tell(clients: Process, what: Any) -> None:
    assert clients.stdin is not None
    clients.stdin.write(f"{json.dumps(what)}\n".encode())
