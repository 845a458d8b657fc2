"""One connection to Redis for much and small traffic: redis-py connects it, hiredis writes and reads it.

redis-py's own way costs 13-16 us for a message heard and 20 us for one published in a pipeline of 64; this
costs about 1 us for either (anchors/realtime.md, 4.3), and many messages come with one read. Whoever owns
the connection decides what silence means.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import hiredis
from redis.asyncio import Redis

CONNECT_SECONDS = 2.0
_READ = 262_144  # bytes: some thousand publications in one turn
_NAMES_IN_COMMAND = 500  # a SUBSCRIBE of all channels at once would hold up Redis and everybody behind it


class RedisWire:
    """A connection of its own, with the client's address and credentials. Made by `connect`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        # redis-py offers no public way to the stream beneath a connection that it has authenticated.
        self._reader: asyncio.StreamReader = connection._reader
        self._writer: asyncio.StreamWriter = connection._writer
        self._parser = hiredis.Reader()

    @classmethod
    async def connect(cls, redis: "Redis") -> "RedisWire":
        """Open a connection. Raises RedisError, OSError, TimeoutError."""
        connection: Any = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return cls(connection)

    def ask(self, command: str, names: Sequence[str]) -> None:
        """Send SUBSCRIBE or UNSUBSCRIBE for `names`; the confirmations come by `read`."""
        for start in range(0, len(names), _NAMES_IN_COMMAND):
            self._writer.write(_pack(command, *names[start : start + _NAMES_IN_COMMAND]))

    async def read(self, seconds: float) -> list[Any]:
        """Return the replies and messages that have come, nothing after `seconds` of silence.

        Raises EOFError when Redis has hung up, OSError when the connection is broken or Redis says no.
        """
        try:
            async with asyncio.timeout(seconds):
                data = await self._reader.read(_READ)
        except TimeoutError:
            return []
        if not data:
            raise EOFError("Redis closed the connection")
        return self._parse(data)

    async def publish(self, publications: Sequence[tuple[str, bytes]], seconds: float) -> None:
        """Publish `(name, payload)` pairs in order; return when Redis has taken all of them.

        Raises what `read` does, and TimeoutError after `seconds`: then nobody knows, and the connection is spent.
        """
        self._writer.write(b"".join([_pack("PUBLISH", name, payload) for name, payload in publications]))
        missing = len(publications)
        async with asyncio.timeout(seconds):
            while missing > 0:
                replies = await self.read(seconds)
                missing -= sum(not isinstance(reply, hiredis.PushNotification) for reply in replies)

    async def close(self) -> None:
        """Close the connection without waiting for the other side."""
        await self._connection.disconnect(nowait=True)

    def _parse(self, data: bytes) -> list[Any]:
        replies = []
        try:
            self._parser.feed(data)
            while (reply := self._parser.gets()) is not False:
                if isinstance(reply, hiredis.HiredisError):
                    raise ConnectionError(str(reply))
                replies.append(reply)
        except hiredis.HiredisError as e:
            raise ConnectionError(str(e)) from e
        return replies


def _pack(*words: str | bytes) -> bytes:
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]
    return packed
