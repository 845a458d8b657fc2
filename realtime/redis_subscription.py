"""One connection that listens to Redis channels: redis-py connects it, hiredis reads it.

redis-py's own `get_message` costs 13-16 us a message, this 0.8 us (anchors/realtime.md, 4.3), and many
messages come with one read. Whoever owns it decides what silence means.
"""

import asyncio
from typing import Any

import hiredis
from redis.asyncio import Redis

CONNECT_SECONDS = 2.0
_READ = 262_144  # bytes: some thousand publications in one turn
_NAMES_IN_COMMAND = 500  # a SUBSCRIBE of all channels at once would hold up Redis and everybody behind it


class Subscription:
    """A connection in subscribed state. Made by `connect`; ends by itself only through its reader's errors."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        # redis-py offers no public way to the stream beneath a connection that it has authenticated.
        self._reader: asyncio.StreamReader = connection._reader
        self._writer: asyncio.StreamWriter = connection._writer
        self._parser = hiredis.Reader()

    @classmethod
    async def connect(cls, redis: "Redis") -> "Subscription":
        """Open a connection of its own with the client's address and credentials. Raises RedisError, OSError."""
        connection: Any = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return cls(connection)

    def ask(self, command: str, names: list[str]) -> None:
        """Send SUBSCRIBE or UNSUBSCRIBE for `names`; the confirmations come by `read`."""
        for start in range(0, len(names), _NAMES_IN_COMMAND):
            self._writer.write(_pack(command, *names[start : start + _NAMES_IN_COMMAND]))

    async def read(self, seconds: float) -> list[tuple[bytes, bytes, bytes]]:
        """Return `(kind, channel name, payload)` of what has come, nothing after `seconds` of silence.

        Raises EOFError when Redis has hung up, OSError and hiredis' errors when the connection is broken.
        """
        try:
            async with asyncio.timeout(seconds):
                data = await self._reader.read(_READ)
        except TimeoutError:
            return []
        if not data:
            raise EOFError("Redis closed the connection")
        return self._parse(data)

    def _parse(self, data: bytes) -> list[tuple[bytes, bytes, bytes]]:
        messages = []
        try:
            self._parser.feed(data)
            while (message := self._parser.gets()) is not False:
                if isinstance(message, hiredis.HiredisError):
                    raise ConnectionError(str(message))
                messages.append((message[0], message[1], message[2]))
        except hiredis.HiredisError as e:
            raise ConnectionError(str(e)) from e
        return messages

    async def close(self) -> None:
        """Close the connection without waiting for the other side."""
        await self._connection.disconnect(nowait=True)


def _pack(*words: str) -> bytes:
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]
    return packed
