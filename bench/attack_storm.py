"""The clients that all come back at once, in a process of their own: their work must not slow down those who measure.

Told by an argument (JSON: `port`, `token`, `room`, `count`) whom to be. Connects all, prints a line; the server is then
killed and started. Told by a line on standard input the offset up to which messages were missed, lets all come back,
and prints how long it took until the last was current, in seconds.
"""

import asyncio
import json
import random
import sys
import time
from typing import Any

from bench.attack_wire import Refused, Wire

_AT_ONCE = 200  # handshakes of one turn before the storm; in the storm all come at once


async def member(port: int, token: str, room: str, *, room_for: int = 0) -> Wire:
    """Connect somebody who hears the room."""
    wire = await Wire.open(port, "/ws/chat", token, room_for=room_for)
    await wire.read()
    await enter(wire, room)
    return wire


async def members(count: int, port: int, token: str, room: str, *, room_for: int = 0) -> list[Wire]:
    """Connect many."""
    wires: list[Wire] = []
    while len(wires) < count:
        some = min(_AT_ONCE, count - len(wires))
        wires += await asyncio.gather(*(member(port, token, room, room_for=room_for) for _ in range(some)))
    return wires


async def enter(wire: Wire, room: str, **mark: Any) -> dict[str, Any]:
    """Subscribe, and return the reply's entry of the room. Raises Refused."""
    wire.send({"id": "enter", "type": "room.subscribe", "data": {"rooms": [{"room": room, **mark}]}})
    while (reply := await wire.read()).get("reply") != "enter":
        pass
    if not reply["ok"] or "error" in reply["data"]["rooms"][0]:
        raise Refused(str(reply))
    entry: dict[str, Any] = reply["data"]["rooms"][0]
    return entry


async def _back(port: int, token: str, room: str, mark: dict[str, Any], offset: int) -> None:
    """Come back with back-off, as clients do, and read until everything up to `offset` is here."""
    pause, held = 1.0, mark["offset"]
    while held < offset:
        try:
            wire = await Wire.open(port, "/ws/chat", token)
        except Refused:
            wire = None
        if wire is not None:
            try:
                await wire.read()
                held = (await enter(wire, room, after=held, epoch=mark["epoch"]))["offset"]
                while held < offset:
                    held = max(held, (await wire.read()).get("offset", 0))
                return
            except Refused:
                pass
            finally:
                wire.drop()
        await asyncio.sleep(random.uniform(0, pause))
        pause = min(pause * 2, 60)


async def main(port: int, token: str, room: str, count: int) -> None:
    """Connect, wait, come back."""
    wires = await members(count, port, token, room)
    mark = await enter(wires[0], room)
    print("here", flush=True)
    missed = int(await asyncio.to_thread(sys.stdin.readline))
    for wire in wires:
        wire.drop()
    began = time.monotonic()
    await asyncio.gather(*(_back(port, token, room, mark, missed) for _ in range(count)))
    print(time.monotonic() - began, flush=True)


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
