"""A client's stream, on a pair of sockets: what waits goes out whole and in order, and a bare 400 is a problem."""

import json
import socket

import pytest

from core.settings import Settings
from handlers.stream import Stream

PIECES = [bytes([number]) * size for number in range(120) for size in (10, 3000, 100_000)]


@pytest.fixture
def pair(io_loop):
    """A stream, and the socket at its other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    async def make():
        return Stream(ours, Settings())

    stream = io_loop.run_sync(make)
    yield stream, theirs
    stream.close()
    theirs.close()


async def test_what_a_slow_reader_makes_wait_comes_whole_and_in_order(pair, io_loop):
    stream, theirs = pair

    written = [stream.write(piece) for piece in PIECES]
    assert stream.writing()
    came = bytearray()
    while len(came) < sum(map(len, PIECES)):
        came += await io_loop.asyncio_loop.sock_recv(theirs, 65_536)
    for one in written:
        await one

    assert came == b"".join(PIECES)
    assert not stream.writing()


async def test_tornados_bare_400_becomes_a_problem(pair, io_loop):
    stream, theirs = pair

    await stream.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    head, _, body = (await io_loop.asyncio_loop.sock_recv(theirs, 65_536)).partition(b"\r\n\r\n")

    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["status"] == 400
