"""What an open socket holds in memory: counted in objects, which tell the same on every machine.

`make bench ARGS=sockets` and `ARGS=chat_memory` measure what comes of it in resident memory.
"""

import asyncio
import gc
import json
import socket
import struct
import sys
from collections import Counter
from contextlib import asynccontextmanager
from functools import partial

import pytest
from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httputil import HTTPHeaders, HTTPServerRequest

from core.clock import new_id
from core.tokens import digest, screen_token
from handlers.stream import Stream
from realtime.connection import Connection
from realtime.protocol import Ear, SocketProtocol
from realtime.sockets import SocketHandler
from tests.api.displays import pair
from tests.realtime.wire import masked

FIRST, MORE = 10, 30  # sockets: the first ones make what all share
CALM_SECONDS = 0.3  # for what goes on after a connection was greeted
CALMS = 40  # on a machine that is busy it takes longer
OF_HANDSHAKES = (SocketHandler, HTTPServerRequest, HTTPHeaders, HTTP1Connection, HTTP1ServerConnection)
OF_SOCKETS = (Connection, SocketProtocol, Ear, Stream)


RESET = struct.pack("ii", 1, 0)  # no time to linger: the connection is reset, as where something was left unread


class Line:
    """A client that is one object, so that it does not matter among what is counted."""

    def __init__(self):
        self._raw = socket.socket()
        self._raw.setblocking(False)

    async def open(self, port, path, token):
        """Connect, and wait for the handshake's answer."""
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._raw, ("127.0.0.1", port))
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        head += f"User-Agent: counted\r\nAuthorization: Bearer {token}\r\n\r\n"
        await loop.sock_sendall(self._raw, head.encode())
        await self.hear(b"\r\n\r\n")

    async def send(self, type_, **data):
        await asyncio.get_running_loop().sock_sendall(
            self._raw, masked(json.dumps({"type": type_, "id": 1, "data": data}).encode())
        )

    async def hear(self, mark):
        """Read until `mark` has come."""
        heard = b""
        while mark not in heard:
            came = await asyncio.get_running_loop().sock_recv(self._raw, 65536)
            assert came, heard
            heard += came

    def hang_up(self, how=b""):
        if how:
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, how)
        self._raw.close()


@pytest.fixture
def lines():
    opened = []
    yield opened
    for line in opened:
        line.hang_up()


@pytest.fixture
def screens(io_loop, marquee, api, editor, workspace):
    """Tokens of FIRST + MORE screens: one that was paired, and copies of it."""

    async def make():
        display, _ = await pair(api, editor, workspace)
        kept = marquee.mongo[marquee.settings.mongodb_database].screens
        paired = await kept.find_one({"_id": display.screen.id})
        found = []
        for _ in range(FIRST + MORE):
            id_ = new_id()
            found.append(screen_token(id_, "x" * 43))
            await kept.insert_one({**paired, "_id": id_, "credentialHash": digest(found[-1])})
        return found

    return io_loop.run_sync(make)


@asynccontextmanager
async def no_garbage_collector():
    """Let nothing go that needs a search: what is in no circle goes by itself."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def there(kinds):
    """Return how many objects there are of each of these types."""
    found = Counter(type(one) for one in gc.get_objects())
    return {kind: found[kind] for kind in kinds}


async def settled(kinds, wanted):
    """Wait until there are no more than `wanted` of these types, and return how many there are."""
    for _ in range(1000):
        found = there(kinds)
        if all(found[kind] <= wanted[kind] for kind in kinds):
            break
        await asyncio.sleep(0.02)
    return found


def tracked():
    """Return number and size (without what they refer to) of all that Python keeps track of, by type.

    Metrics are the process's, and jobs make them whenever they first have something to count.
    """
    gc.collect()
    found, sizes = Counter(), Counter()
    for one in gc.get_objects():
        kind = f"{type(one).__module__}.{type(one).__qualname__}"
        if not kind.startswith(("prometheus_client.", "_thread.")):
            found[kind] += 1
            sizes[kind] += sys.getsizeof(one)
    return found, sizes


async def held_by_each(opened, tokens, join, is_little):
    """Return `{type: (objects, bytes)}` that each further connection adds, once FIRST are there; `join` opens one.

    What there is not once for each of them is left out: other parts of the process live on meanwhile. Where it is not
    yet so that it `is_little`, what goes on may not have come to its end.
    """
    for token in tokens[:FIRST]:
        opened.append(await join(token))
    await asyncio.sleep(CALM_SECONDS)
    before, sizes = tracked()
    for token in tokens[FIRST:]:
        opened.append(await join(token))
    for _ in range(CALMS):
        await asyncio.sleep(CALM_SECONDS)
        after, larger = tracked()
        each = {kind: (after[kind] - before[kind]) // MORE for kind in after}
        held = {kind: (count, (larger[kind] - sizes[kind]) // MORE) for kind, count in each.items() if count > 0}
        if is_little(held):
            break
    return held


async def test_nothing_of_a_handshake_outlives_it(marquee, owner, lines):
    async with no_garbage_collector():
        before = there(OF_HANDSHAKES)
        for _ in range(FIRST):
            lines.append(line := Line())
            await line.open(marquee.port, "/ws/dashboard", owner.token)
        assert await settled(OF_HANDSHAKES, before) == before


@pytest.mark.parametrize("how", [b"", RESET], ids=["closed", "reset"])
async def test_nothing_of_a_connection_outlives_it(marquee, owner, lines, how):
    async with no_garbage_collector():
        before = there(OF_SOCKETS)
        for _ in range(FIRST):
            lines.append(line := Line())
            await line.open(marquee.port, "/ws/chat", owner.token)
            await line.send("room.subscribe", rooms=[{"room": "general"}])
            await line.hear(b'"offset"')
        assert there(OF_SOCKETS) == {kind: count + FIRST for kind, count in before.items()}
        for line in lines:
            line.hang_up(how)
        assert await settled(OF_SOCKETS, before) == before


@pytest.fixture
def holds_at_most(marquee, lines):
    """Connect with each token, and subscribe to `rooms` where there are any.

    Each further connection may hold so many objects, and so many bytes of them.
    """

    async def join(path, rooms, token):
        line = Line()
        await line.open(marquee.port, path, token)
        if rooms:
            await line.send("room.subscribe", rooms=[{"room": room} for room in rooms])
        await line.hear(b'"reply"' if rooms else b"manifest.changed")
        return line

    async def at_most(objects, size, tokens, path, rooms=()):
        def is_little(held):
            counts, sizes = zip(*held.values(), strict=True)
            return sum(counts) <= objects and sum(sizes) <= size

        held = await held_by_each(lines, tokens, partial(join, path, rooms), is_little)
        assert is_little(held), held

    return at_most


@pytest.mark.gen_test(timeout=120)
async def test_an_idle_screen_holds_little(holds_at_most, screens):
    await holds_at_most(41, 4000, screens, "/ws/screen")


@pytest.mark.gen_test(timeout=120)
async def test_an_idle_chat_connection_with_five_rooms_holds_little(holds_at_most, api, owner):
    rooms = ["general"]
    for number in range(4):
        made = await api.post("/api/rooms", {"name": f"room-{number}", "type": "public"}, as_=owner)
        rooms.append(made.json["id"])

    await holds_at_most(46, 5000, [owner.token] * (FIRST + MORE), "/ws/chat", rooms)
