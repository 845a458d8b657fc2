"""Many connections at once: order, slow and dying ones, and what they cost the others."""

import asyncio
import socket
import struct

import pytest

from realtime.frames import PING
from realtime.outbox import DROP_FROM, MOST_WAITING
from realtime.rules import Rules
from tests.promptness import eventually, within


async def numbers(wire, count):
    """Return the numbers of the next `count` events."""
    return [(await wire.read())["data"]["number"] for _ in range(count)]


async def queued(hall, workspace, number, **more):
    """Publish an event and wait until it has come round: what waits for a slow client has grown by this one alone."""
    before = hall.counted("deliveries")
    await hall.publish(workspace, number, **more)
    while hall.counted("deliveries") == before:
        await asyncio.sleep(0)


async def test_every_connection_hears_every_event_once_and_in_order(hall, owner, workspace):
    wires = [await hall.watching(owner, workspace) for _ in range(60)]

    for number in range(300):
        await hall.publish(workspace, number)
        if number % 7 == 0:
            await asyncio.sleep(0)
    heard = await asyncio.gather(*(numbers(wire, 300) for wire in wires))

    assert all(one == list(range(300)) for one in heard)
    assert hall.counted("deliveries") == 60 * 300


async def test_events_cross_between_two_processes_in_order(hall, second, owner, workspace):
    here, there = await hall.watching(owner, workspace), await second.watching(owner, workspace)

    for number in range(100):
        await (hall if number % 2 else second).publish(workspace, number)
    heard = await asyncio.gather(numbers(here, 100), numbers(there, 100))

    for one in heard:
        assert [n for n in one if n % 2] == list(range(1, 100, 2))
        assert [n for n in one if n % 2 == 0] == list(range(0, 100, 2))


@pytest.fixture
def second(halls):
    """Another process on the same Redis."""
    return halls(Rules())


@pytest.mark.gen_test(timeout=60)
async def test_a_client_that_stops_reading_gets_4408_and_delays_nobody(hall, owner, workspace):
    slow = await hall.watching(owner, workspace, receive_buffer=4096)
    quick = [await hall.watching(owner, workspace) for _ in range(5)]
    slow.writer.transport.pause_reading()
    stuck = next(c for c in hall.node.hub if c.id == slow.hello["connectionId"])
    most, number = 0, 0

    while stuck.code is None:
        with within(5):  # Redis may have no turn for a while
            await hall.publish(workspace, number, padding=20_000)
            assert [await numbers(wire, 1) for wire in quick] == [[number]] * 5
        most = max(most, stuck.waiting)
        number += 1
        assert number < 1_000
    slow.writer.transport.resume_reading()

    assert await slow.closed_with() == 4408
    assert DROP_FROM < most <= MOST_WAITING
    assert hall.counted("slow_clients") == 1
    assert len(hall.node.hub) == 5


@pytest.mark.gen_test(timeout=60)
async def test_a_slow_client_that_reads_again_in_time_misses_nothing(hall, owner, workspace):
    slow = await hall.watching(owner, workspace, receive_buffer=4096)
    slow.writer.transport.pause_reading()
    stuck = next(iter(hall.node.hub))
    number = 0
    while stuck.waiting < DROP_FROM // 2:
        await queued(hall, workspace, number, padding=3_000)
        number += 1
    for _ in range(20):
        await hall.publish(workspace, number)
        number += 1

    slow.writer.transport.resume_reading()

    assert await numbers(slow, number) == list(range(number))
    await eventually(lambda: stuck.waiting == 0)


@pytest.mark.gen_test(timeout=60)
async def test_ephemeral_events_are_dropped_from_half_and_others_are_not(hall, owner, workspace):
    slow = await hall.watching(owner, workspace, receive_buffer=4096)
    slow.writer.transport.pause_reading()
    stuck = next(iter(hall.node.hub))
    number = 0
    while stuck.waiting < DROP_FROM - 4_000:
        await queued(hall, workspace, number, padding=3_000)
        number += 1
    for _ in range(50):
        await hall.publish(workspace, -1, padding=3_000, ephemeral=True)
    await hall.publish(workspace, number)
    await eventually(lambda: hall.counted("dropped") >= 45)

    slow.writer.transport.resume_reading()
    heard = []
    while not heard or heard[-1] != number:
        heard += await numbers(slow, 1)

    assert [n for n in heard if n >= 0] == list(range(number + 1))
    assert heard.count(-1) == 50 - hall.counted("dropped")
    assert stuck.code is None


@pytest.mark.gen_test(timeout=60)
async def test_an_event_larger_than_the_kernels_buffer_arrives_whole_among_others(hall, owner, workspace):
    wire = await hall.watching(owner, workspace, receive_buffer=4096)

    for number, padding in enumerate([100, 400_000, 100, 300_000, 200]):
        await hall.publish(workspace, number, padding=padding)

    assert await numbers(wire, 5) == list(range(5))


@pytest.mark.gen_test(timeout=60)
async def test_a_peer_that_dies_in_the_middle_of_a_fan_out_hurts_nobody_else(hall, owner, workspace):
    wires = [await hall.watching(owner, workspace) for _ in range(30)]

    for number in range(200):
        await hall.publish(workspace, number)
        if number in {50, 100, 150}:
            dying = wires.pop(number // 10)
            raw = dying.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            dying.writer.transport.abort()
    heard = await asyncio.gather(*(numbers(wire, 200) for wire in wires))

    assert all(one == list(range(200)) for one in heard)
    await eventually(lambda: len(hall.node.hub) == 27)


@pytest.mark.gen_test(timeout=60)
async def test_a_fan_out_to_hundreds_lets_the_loop_have_its_turns(hall, owner, workspace):
    """The writer yields after every 200 connections; one event for 700 takes at least four turns."""
    wires = []
    for _ in range(14):
        wires += await asyncio.gather(*(hall.watching(owner, workspace) for _ in range(50)))
    turns = 0

    async def count_turns():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += hall.node.writer._running

    counting = asyncio.ensure_future(count_turns())
    await hall.publish(workspace, 1)
    heard = await asyncio.gather(*(numbers(wire, 1) for wire in wires))
    counting.cancel()

    assert heard == [[1]] * 700
    assert turns >= 3


async def test_what_is_pushed_in_one_turn_leaves_in_one_piece(hall, owner, workspace):
    wire = await hall.watching(owner, workspace)
    connection = next(iter(hall.node.hub))

    for _ in range(10):
        connection.push(b"\x81\x02{}")
    waiting = connection.waiting
    joined = await wire.reader.read(1000)

    assert waiting == 40
    assert joined.replace(PING, b"") == b"\x81\x02{}" * 10  # a heartbeat may come at any moment


async def test_a_closed_connection_takes_nothing(hall, owner, workspace):
    await hall.watching(owner, workspace)
    connection = next(iter(hall.node.hub))
    connection.close(4401)

    assert connection.push(b"\x81\x02{}") is False
    assert connection.waiting == 0
    assert not len(hall.node.hub)
