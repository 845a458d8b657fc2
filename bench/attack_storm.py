"""The clients that all come back at once, in a process of their own: their work must not slow down those who measure.

Told by a line on standard input (JSON: `port`, `token`, `room`, `members`, and `screens`, their tokens) whom to be.
Connects all, prints a line; the server is then killed and started. Told by a second line (`offset` up to which messages
were missed, the `revision` that screens are to show by now), lets all come back, and prints how long it took until the
last was current, in seconds.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bench.attack_wire import Refused, Wire

_AT_ONCE = 200  # handshakes of one turn before the storm; in the storm all come at once

_PATIENCE = 60.0  # seconds in which everybody can get in


async def member(port: int, token: str, room: str, *, room_for: int = 0) -> Wire:
    """Connect somebody who hears the room."""
    wire = await Wire.open(port, "/ws/chat", token, room_for=room_for)
    try:
        await wire.read()
        await enter(wire, room)
    except Refused:
        wire.drop()
        raise
    return wire


async def members(count: int, port: int, token: str, room: str, *, room_for: int = 0) -> list[Wire]:
    """Connect many."""
    return await _in_turns([lambda: member(port, token, room, room_for=room_for)] * count)


async def _in_turns(ways: "list[Callable[[], Awaitable[Wire]]]") -> list[Wire]:
    wires: list[Wire] = []
    while len(wires) < len(ways):
        wires += await asyncio.gather(*(_in(way) for way in ways[len(wires) : len(wires) + _AT_ONCE]))
    return wires


async def _in(way: "Callable[[], Awaitable[Wire]]") -> Wire:
    """Connect, again where a busy machine has refused it: before an attack that is nobody's fault. Raises Refused."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return await way()
        except Refused:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(random.uniform(0, 1))


async def enter(wire: Wire, room: str, **mark: Any) -> dict[str, Any]:
    """Subscribe, and return the reply's entry of the room. Raises Refused."""
    wire.send({"id": "enter", "type": "room.subscribe", "data": {"rooms": [{"room": room, **mark}]}})
    while (reply := await wire.read()).get("reply") != "enter":
        pass
    if not reply["ok"] or "error" in reply["data"]["rooms"][0]:
        raise Refused(str(reply))
    entry: dict[str, Any] = reply["data"]["rooms"][0]
    return entry


async def screen(port: int, token: str, wanted: str = "") -> Wire:
    """Connect a screen, and read until it was told a revision, or the one that is `wanted`."""
    wire = await Wire.open(port, "/ws/screen", token)
    try:
        while (told := await wire.read()).get("event") != "manifest.changed" or wanted not in told["data"]["revision"]:
            pass
    except Refused:
        wire.drop()
        raise
    return wire


async def _back(try_once: Callable[[], Awaitable[bool]]) -> None:
    """Come back with back-off, as clients do, until `try_once` returns that all is known that was missed."""
    pause = 1.0
    while True:
        try:
            if await try_once():
                return
        except Refused:
            pass
        await asyncio.sleep(random.uniform(0, pause))
        pause = min(pause * 2, 60)


async def _member_back(port: int, token: str, room: str, mark: dict[str, Any], offset: int) -> None:
    """Read until everything up to `offset` is here; what came before a connection broke is kept."""
    held = mark["offset"]

    async def try_once() -> bool:
        nonlocal held
        wire = await Wire.open(port, "/ws/chat", token)
        try:
            await wire.read()
            held = (await enter(wire, room, after=held, epoch=mark["epoch"]))["offset"]
            while held < offset:
                held = max(held, (await wire.read()).get("offset", 0))
        finally:
            wire.drop()
        return True

    await _back(try_once)


async def _screen_back(port: int, token: str, revision: str) -> None:
    async def try_once() -> bool:
        (await screen(port, token, revision)).drop()
        return True

    await _back(try_once)


async def _line() -> Any:
    return json.loads(await asyncio.to_thread(sys.stdin.readline))


async def main() -> None:
    """Connect, wait, come back."""
    told = await _line()
    port, token, room, screens = told["port"], told["token"], told["room"], told["screens"]
    wires = await members(told["members"], port, token, room)
    mark = await enter(wires[0], room)
    wires += await _in_turns([lambda own=own: screen(port, own) for own in screens])  # type: ignore[misc]
    print("here", flush=True)
    missed = await _line()
    for wire in wires:
        wire.drop()
    began = time.monotonic()
    await asyncio.gather(
        *(_member_back(port, token, room, mark, missed["offset"]) for _ in range(told["members"])),
        *(_screen_back(port, own, missed["revision"]) for own in screens),
    )
    print(time.monotonic() - began, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
