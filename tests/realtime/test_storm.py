"""Many clients at the same moment: all get in, and a slow store is not their fault."""

import asyncio
import json

import pytest

from realtime.connection import Connection
from realtime.dashboard import DashboardEndpoint
from realtime.rules import Rules
from tests.realtime.wire import Wire, masked


@pytest.mark.gen_test(timeout=60)
async def test_five_hundred_that_connect_at_once_all_get_in(hall, owner, marquee):
    wires = await asyncio.gather(*(hall.open(owner) for _ in range(500)))
    async with asyncio.timeout(30):
        while len(hall.node.presence._mine.leases()) < 500:
            await asyncio.sleep(0.01)

    assert len(hall.node.hub) == 500
    assert await marquee.node.presence.online([owner.id]) == {owner.id: "online"}
    assert hall.node.broker.up

    for wire in wires:
        wire.hang_up()
    async with asyncio.timeout(30):
        while len(hall.node.hub) or await marquee.node.presence.online([owner.id]):
            await asyncio.sleep(0.02)


async def test_a_frame_that_comes_with_the_handshake_is_read(hall, owner):
    reader, writer = await asyncio.open_connection("127.0.0.1", hall.port)
    wire = Wire(reader, writer)
    Wire.opened.append(wire)
    head = [
        "GET /ws/dashboard HTTP/1.1",
        "Host: x",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    first = json.dumps({"type": "auth", "data": {"token": owner.token}}).encode()

    writer.write("\r\n".join([*head, "", ""]).encode() + masked(first))
    await reader.readuntil(b"\r\n\r\n")

    assert (await wire.read())["event"] == "hello"


async def test_a_token_that_came_in_time_is_waited_for_however_long_the_stores_take(hasty, owner, monkeypatch):
    admit = hasty.shared.gate.admit

    async def admit_slowly(token, ip):
        await asyncio.sleep(1)
        return await admit(token, ip)

    monkeypatch.setattr(hasty.shared.gate, "admit", admit_slowly)

    wire = await Wire.open(hasty.port, "/ws/dashboard", owner.token)

    assert (await wire.read())["data"]["user"] == {"id": owner.id}


@pytest.fixture
def hasty(halls):
    """A hall that gives its clients little time."""
    return halls(Rules(auth_seconds=0.2))


async def test_a_defect_of_ours_while_joining_closes_with_1011(hall, owner, monkeypatch):
    async def fail(self, connection: Connection):
        raise RuntimeError("on purpose")

    monkeypatch.setattr(DashboardEndpoint, "joined", fail)

    wire = await Wire.open(hall.port, "/ws/dashboard", owner.token)

    assert await wire.closed_with() == 1011


async def test_a_defect_of_ours_at_the_gate_leaves_nobody_behind(hall, owner, monkeypatch):
    async def fail(token, ip):
        raise RuntimeError("on purpose")

    monkeypatch.setattr(hall.shared.gate, "admit", fail)

    wire = await Wire.open(hall.port, "/ws/dashboard", owner.token)

    assert await wire.closed_with() == 1011
    assert not len(hall.node.hub)
