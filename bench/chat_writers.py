"""People who send messages, in one process: each sends again when the last one was acknowledged, or by the clock.

Their rooms' events come to them too, as to anybody who has a chat open; they are read, and only own answers looked at.
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop

from bench.chat_dialects import Dialect, connect, texts

_UNIQUE = itertools.count(time.time_ns())
_PATIENCE_SECONDS = 30.0
SEATED_SECONDS = 0.3  # after all are connected: for what is told of their coming
CONTENT = "A message of some eighty characters, as people write them to each other: {stamp}"


@dataclass(frozen=True)
class Seat:
    """Where a writer sits: the process, who it is, and the room that it writes in."""

    port: int
    token: str
    room: str


@dataclass
class Sent:
    """What was acknowledged: how long each one took, in seconds, and the time of it all."""

    seconds: float = 0.0
    took: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Acknowledged messages a second."""
        return len(self.took) / self.seconds


class Writer(asyncio.Protocol):
    """One connection that sends."""

    def __init__(self, dialect: Dialect, room: str) -> None:
        self._dialect, self._room = dialect, room
        self._buffer = bytearray()
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._ids = itertools.count(2)
        self._transport: Any = None  # a WriteTransport; uvloop's says so by its methods only

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        for text in texts(self._buffer):
            if text == b"2":
                self._transport.write(self._dialect.beat)
            answered = self._dialect.answer(text)
            if answered in self._waiting:
                self._waiting.pop(answered).set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        for future in self._waiting.values():
            future.set_exception(exc or ConnectionError("the server hung up"))

    async def send(self) -> float:
        """Send one message; return the seconds until it was acknowledged."""
        frame_id, began = next(self._ids), time.perf_counter()
        future = self._waiting[frame_id] = asyncio.get_running_loop().create_future()
        content = CONTENT.format(stamp=f"<{time.monotonic_ns()}>")
        self._transport.write(self._dialect.send(frame_id, self._room, content, f"{next(_UNIQUE)}"))
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await future
        return time.perf_counter() - began

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()


def busy(dialect: Dialect, seats: Sequence[Seat], seconds: float, *, warm: float = 1.0) -> Sent:
    """Let everybody send for `seconds`, each again as soon as it was answered, after `warm` seconds not counted."""
    return uvloop.run(_busy(dialect, seats, seconds, warm))


def paced(dialect: Dialect, seats: Sequence[Seat], seconds: float, rate: float) -> Sent:
    """Let `rate` messages a second be sent, by one after the other, whether or not the last ones were answered."""
    return uvloop.run(_paced(dialect, seats, seconds, rate))


async def _seated(dialect: Dialect, seats: Sequence[Seat]) -> list[Writer]:
    loop, writers = asyncio.get_running_loop(), []
    for seat in seats:
        line = connect(dialect, seat.port, seat.token, [seat.room])
        line.setblocking(False)
        _, writer = await loop.create_connection(lambda room=seat.room: Writer(dialect, room), sock=line)  # type: ignore[misc]
        writers.append(writer)
    await asyncio.sleep(SEATED_SECONDS)
    return writers


async def _busy(dialect: Dialect, seats: Sequence[Seat], seconds: float, warm: float) -> Sent:
    writers, found = await _seated(dialect, seats), Sent()

    async def go_on(writer: Writer, until: float) -> list[float]:
        took = []
        while time.perf_counter() < until:
            took.append(await writer.send())
        return took

    if warm:
        await asyncio.gather(*(go_on(writer, time.perf_counter() + warm) for writer in writers))
    began = time.perf_counter()
    for took in await asyncio.gather(*(go_on(writer, began + seconds) for writer in writers)):
        found.took += took
    found.seconds = time.perf_counter() - began
    for writer in writers:
        writer.close()
    return found


async def _paced(dialect: Dialect, seats: Sequence[Seat], seconds: float, rate: float) -> Sent:
    writers, found, began = await _seated(dialect, seats), Sent(), time.perf_counter()
    sending = []
    for number in range(int(seconds * rate)):
        await asyncio.sleep(began + number / rate - time.perf_counter())
        sending.append(asyncio.ensure_future(writers[number % len(writers)].send()))
    found.took = await asyncio.gather(*sending)
    found.seconds = time.perf_counter() - began
    await asyncio.sleep(0.3)  # for the last ones to be shown
    for writer in writers:
        writer.close()
    return found
