"""A way between the servers and Redis that loses publications and lets them overtake each other.

It knows as much of Redis's protocol as it takes to see where one reply ends. Messages of channels, which servers
get because they subscribed, are dropped or come late; commands and their replies pass as they are.
"""

import asyncio
import random
from contextlib import suppress

_READ = 65_536
_MESSAGE = (b">3\r\n$7\r\nmessage\r\n", b"*3\r\n$7\r\nmessage\r\n")  # as RESP3 and RESP2 write it
_LATE_SECONDS = (0.001, 0.3)  # beyond the moment for which a room waits for what was overtaken


class Proxy:
    """Listens on `port` once started. `losing` and `delaying` are shares of messages; both begin as 0."""

    def __init__(self, target: int, chance: random.Random) -> None:
        """`target` is Redis's port. While nothing listens there, connections are closed at once."""
        self._target, self._chance = target, chance
        self.losing = self.delaying = 0.0
        self.lost = self.delayed = 0
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break everything."""
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        while self._open:
            await asyncio.sleep(0.01)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(OSError):
            answers, redis = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                ways = [asyncio.ensure_future(_pass(reader, redis)), asyncio.ensure_future(self._hand(answers, writer))]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
            finally:
                redis.transport.abort()
        writer.transport.abort()
        self._open.discard(writer)

    async def _hand(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on Redis's replies one by one."""
        held = b""
        while data := await answers.read(_READ):
            held += data
            start = 0
            while (end := reply_end(held, start)) is not None:
                self._one(held[start:end], writer)
                start = end
            held = held[start:]
            await writer.drain()

    def _one(self, reply: bytes, writer: asyncio.StreamWriter) -> None:
        if writer.is_closing():
            return
        if not reply.startswith(_MESSAGE):
            writer.write(reply)
        elif self._chance.random() < self.losing:
            self.lost += 1
        elif self._chance.random() < self.delaying:
            self.delayed += 1
            asyncio.get_running_loop().call_later(self._chance.uniform(*_LATE_SECONDS), _late, reply, writer)
        else:
            writer.write(reply)


def reply_end(data: bytes, start: int) -> int | None:
    """Return where the reply that begins at `start` ends, None where it is not all there."""
    line = data.find(b"\r\n", start)
    if line < 0:
        return None
    kind, end = data[start : start + 1], line + 2
    if kind in b"$!=":  # a length, then so many bytes
        size = int(data[start + 1 : line])
        end += size + 2 if size >= 0 else 0
        return end if end <= len(data) else None
    if kind in b"*~>%":  # a count, then so many replies
        for _ in range(int(data[start + 1 : line]) * (2 if kind == b"%" else 1)):
            inner = reply_end(data, end)
            if inner is None:
                return None
            end = inner
    return end


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while (data := await reader.read(_READ)) and not writer.is_closing():
        writer.write(data)
        await writer.drain()


def _late(reply: bytes, writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():
        writer.write(reply)
