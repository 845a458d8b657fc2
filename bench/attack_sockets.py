"""The attacks on sockets: what clients may do to a server process, each with what it must leave unharmed.

The crowd of bench/attack.py is at work meanwhile and is not to be disturbed; memory is bounded; who comes back is
current. Attackers are members of the crowd's room.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, TypeVar

from bench.attack_comeback import Comeback
from bench.attack_site import FRAMES, Site
from bench.attack_storm import members
from bench.attack_wire import CUT_OFF, Wire, frame
from bench.delivery_site import value_of

if TYPE_CHECKING:
    from bench.attack import Crowd

T = TypeVar("T")

ATTACKS = {
    "loris": "connections that send a header, or a body, a few bytes at a time",
    "deaf": "members of a room who stop reading while much is written there",
    "flood": "floods of frames",
    "large": "frames of 65 KB and more",
    "dying": "members who die in the middle of a fan-out",
    "storm": "a process is killed; all its clients come back at once",
}
_SLACK = 48 << 20  # bytes by which a working process's memory moves by itself
_LORIS_BYTES, _DEAF_BYTES, _FEW_BYTES = 64 << 10, 2 << 20, 64 << 10  # what one attacker may cost
_LONG = "\N{FACE WITH TEARS OF JOY}" * 4000  # 16 kB as UTF-8, the longest message there may be
_DEAF_MESSAGES = 120
_PATIENCE = 120.0  # seconds for what has to happen, on a machine that does other things too


class Attackers:
    """Attack `site`'s first process with `count` clients; a storm, of `storm` clients, is of its last one."""

    def __init__(self, site: Site, crowd: "Crowd", *, count: int, storm: int, seconds: float) -> None:
        self._site, self._crowd = site, crowd
        self._count, self._seconds = count, seconds
        self._judge = crowd.judge
        self._comeback = Comeback(site, crowd, storm, _PATIENCE)

    @property
    def restarted(self) -> int:
        """How many processes were killed and started."""
        return self._comeback.restarted

    async def do(self, attack: str) -> None:
        """Do one, with an eye on the memory of the process."""
        await self._crowd.people["attacker"].renew()  # tokens live for a quarter of an hour only
        if attack == "storm":
            await self._comeback.do()
            return
        count, allowed = self._cost(attack)
        before, _ = self._site.size(0)
        highest = [before]
        watching = asyncio.create_task(self._watch(highest))
        try:
            await getattr(self, f"_{attack}")(count)
        finally:
            watching.cancel()
        grown = max(highest) - before
        if grown > count * allowed + _SLACK:
            self._judge.blame(f"{attack}: {grown >> 20} MB for {count} attackers")

    def _cost(self, attack: str) -> tuple[int, int]:
        """Return how many attack, and how many bytes each may cost."""
        if attack == "loris":
            return self._count, _LORIS_BYTES
        return min(self._count, 40 if attack == "deaf" else 100), _DEAF_BYTES if attack == "deaf" else _FEW_BYTES

    async def _watch(self, highest: list[int]) -> None:
        while True:
            highest.append(self._site.size(0)[0])
            await asyncio.sleep(0.2)

    # --- the attacks ------------------------------------------------------------------------------------------------

    async def _loris(self, count: int) -> None:
        port = self._site.ports[0]
        half = "POST /api/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Slow: "
        whole = half + f"1\r\nAuthorization: Bearer {self._token}\r\nContent-Length: 200000\r\n\r\n{{"
        ways = []
        for number in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write((whole if number % 2 else half).encode())
            ways.append(writer)
        until = time.monotonic() + self._seconds
        while time.monotonic() < until:
            for writer in ways:
                if not writer.transport.is_closing():
                    writer.write(b"x")
            await asyncio.sleep(1)
        for writer in ways:
            writer.transport.abort()

    async def _deaf(self, count: int) -> None:
        wires = await self._members(count, room_for=4096)
        for wire in wires:
            wire.pause()
        before = closed = await self._too_slow()
        for _ in range(_DEAF_MESSAGES // 10):
            await asyncio.gather(*(self._crowd.say(_LONG) for _ in range(10)))
            closed = await self._too_slow()
            if closed - before >= count:
                break
        for wire in wires:
            wire.resume()
        ends = await self._in_time("deaf clients were not closed", [wire.ends() for wire in wires])
        if closed - before < count:
            self._judge.blame(f"of {count} deaf clients {closed - before:g} were closed as too slow")
        # Who takes nothing for 5 s more is cut off, the close frame with it: on a busy machine that may be everybody.
        if others := {end for end in ends if end != "4408" and not end.startswith(CUT_OFF)}:
            self._judge.blame(f"deaf clients were closed with {sorted(others)}")

    async def _too_slow(self) -> float:
        """Return how many connections the process has closed because they were too slow."""
        async with asyncio.timeout(_PATIENCE):
            while not (page := await asyncio.to_thread(self._site.processes[0].metrics)):
                await asyncio.sleep(0.1)
        return value_of(page, "marquee_slow_clients_total")

    async def _flood(self, count: int) -> None:
        wires = await self._members(count)
        bursts = [frame(b'{"type": "ping"}') * (3 * FRAMES), frame(b"", 0x9) * (3 * FRAMES)]
        for number, wire in enumerate(wires):
            wire.send_raw(bursts[number % 2])
        ends = await self._in_time("floods were not ended", [wire.ends() for wire in wires])
        # These clients answer no pings: where reading a flood takes longer than two heartbeats, it may end as silence.
        if set(ends) - {"4429", "4408"} or "4429" not in ends:
            self._judge.blame(f"floods were ended with {sorted(set(ends))}")

    async def _large(self, count: int) -> None:
        wires = await self._members(count)
        for number, wire in enumerate(wires):
            wire.send_raw(frame(b'{"type": "ping", "id": "' + b"x" * (65_600 + number * 100) + b'"}'))
        ends = await self._in_time("too large frames were not refused", [wire.ends() for wire in wires])
        if set(ends) - {"1009"}:
            self._judge.blame(f"too large frames were refused with {sorted(set(ends))}")

    async def _dying(self, count: int) -> None:
        wires = await self._members(count)
        random.shuffle(wires)
        for start in range(0, len(wires), 25):
            saying = [asyncio.create_task(self._crowd.say("in the middle of it")) for _ in range(4)]
            for wire in wires[start : start + 25]:
                await asyncio.sleep(0)
                wire.die()
            await asyncio.gather(*saying)

    # --- their hands ------------------------------------------------------------------------------------------------

    @property
    def _token(self) -> str:
        return self._crowd.people["attacker"].token

    async def _members(self, count: int, *, room_for: int = 0) -> list[Wire]:
        return await members(count, self._site.ports[0], self._token, self._crowd.rooms[0], room_for=room_for)

    async def _in_time(self, otherwise: str, works: Sequence[Awaitable[T]]) -> list[T]:
        try:
            return list(await asyncio.wait_for(asyncio.gather(*works), _PATIENCE))
        except TimeoutError:
            self._judge.blame(f"{otherwise} within {_PATIENCE:g} s")
            return []
