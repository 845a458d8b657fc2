"""What waits for one connection: bounded, joined, and sent straight to the socket where that works.

Frames pushed in one turn of the loop leave in one write. A write that the kernel takes only in part is
cut at a frame: the rest of that one frame goes to Tornado's stream, which waits for the socket, and
everything behind it stays here, where the bytes are shared with the other connections and can still be
dropped. So a close frame never has more than the rest of one frame before it.

Measured against `write_message` in a loop: 33-41 us a delivery there, 8-11 us here, and about 1 us
where ten frames are joined (design, section 4).
"""

import asyncio
import socket
import ssl
from collections import deque
from contextlib import suppress
from typing import Any

from tornado.iostream import IOStream, SSLIOStream, StreamClosedError

MOST_WAITING = 1_048_576  # bytes for one connection; at this bound it is too slow and is closed
DROP_FROM = MOST_WAITING // 2  # bytes; from here ephemeral frames are dropped
TURN = 200  # connections written to before the loop gets its turn: about 2 ms
_KERNEL_BUFFER = 131_072  # bytes the kernel may hold for one connection (Linux doubles it); ours come on top
_UNACKNOWLEDGED_MS = 60_000  # the kernel gives up on a peer that acknowledges nothing for so long


def tune(stream: IOStream) -> None:
    """Make the socket send at once, bound what the kernel holds, and let it give up on a peer that is gone.

    One that was reset while its handshake was answered is closed by now: whoever reads from it finds out.
    """
    if stream.closed():
        return
    stream.set_nodelay(True)
    with suppress(OSError):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT") and stream.socket.family in {socket.AF_INET, socket.AF_INET6}:
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)


class Writer:
    """Writes out the outboxes that have something, a process's all in one queue, first come first served.

    It yields to the loop after every TURN connections, so that a fan-out to thousands delays nobody's
    request, and it never raises: a dead socket ends its own connection only.
    """

    def __init__(self) -> None:
        self._due: deque[Outbox] = deque()
        self._running = False

    def schedule(self, box: "Outbox") -> None:
        """Write `box` out in the loop's next turn. Must be called on the loop."""
        self._due.append(box)
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        due = self._due
        for _ in range(min(TURN, len(due))):
            box = due.popleft()
            box._scheduled = False
            box.flush()
        if due:
            asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._running = False


class Outbox:
    """The frames that wait for one connection.

    `waiting` counts bytes that the kernel has not taken: those here and the rest that the stream holds.
    Subclasses say in `_overflow` what happens at the bound, in `_dropped` what a dropped frame counts as.
    """

    __slots__ = ("_blocked", "_direct", "_frames", "_scheduled", "_stream", "_writer", "waiting")

    def __init__(self, writer: Writer, stream: IOStream | None) -> None:
        self._writer = writer
        self._stream = stream
        # A TLS stream keeps state of its own between the bytes and the socket.
        self._direct = not isinstance(stream, SSLIOStream)
        self._frames: list[bytes] = []
        self._scheduled = False
        self._blocked = False
        self.waiting = 0

    def push(self, frame: bytes, ephemeral: bool = False) -> bool:
        """Queue one whole frame and tell whether it was taken. Never raises and never blocks."""
        if self._stream is None:
            return False
        size = len(frame)
        if self.waiting + size > DROP_FROM and not self._has_room(size, ephemeral):
            return False
        self._frames.append(frame)
        self.waiting += size
        if not self._scheduled and not self._blocked:
            self._scheduled = True
            self._writer.schedule(self)
        return True

    def flush(self) -> None:
        """Hand what waits to the kernel, as far as it takes it now.

        A fan-out is mostly this: beside the kernel's 2 us, each call of a function more costs one in fifty deliveries.
        """
        stream: Any = self._stream  # Tornado's types do not say that a closed stream has no socket
        out = self._frames
        if stream is None or not out or self._blocked:
            return
        open_socket = stream.socket
        if open_socket is None:  # closed
            self.forget()
            return
        self._frames = []
        sent = 0
        if self._direct and not stream.writing():
            try:
                sent = open_socket.send(out[0] if len(out) == 1 else b"".join(out))
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as e:  # the stream notices a close from the other side by itself; this it is told
                stream.close(exc_info=e)
                self.forget()
                return
            if sent == self.waiting:
                self.waiting = 0
                return
        self._keep_rest(stream, out, sent)

    def forget(self) -> None:
        """Drop what waits and take nothing more: the connection is over, or a close frame comes next."""
        self._stream = None
        self._frames = []
        self.waiting = 0

    def _overflow(self) -> None:
        raise NotImplementedError

    def _dropped(self) -> None:
        raise NotImplementedError

    def _keep_rest(self, stream: IOStream, out: list[bytes], sent: int) -> None:
        """Give the rest of the frame that was cut in two to the stream and keep those behind it."""
        index = 0
        while sent >= len(out[index]):
            sent -= len(out[index])
            index += 1
        rest = memoryview(out[index])[sent:]
        self._frames = out[index + 1 :]
        self.waiting = len(rest) + sum(map(len, self._frames))
        self._blocked = True
        try:
            written = stream.write(rest)
        except (StreamClosedError, ssl.SSLError):
            self.forget()
            return
        size = len(rest)
        written.add_done_callback(lambda future: self._drained(future, size))

    def _drained(self, written: "asyncio.Future[None]", size: int) -> None:
        self._blocked = False
        if self._stream is None:
            return
        if written.cancelled() or written.exception() is not None:
            self.forget()
            return
        self.waiting -= size
        if self._frames and not self._scheduled:
            self._scheduled = True
            self._writer.schedule(self)

    def _has_room(self, size: int, ephemeral: bool) -> bool:
        """Decide about a frame that would go over the mark; a burst that the kernel still takes is not slowness."""
        if not self._blocked:
            self.flush()
            if self._stream is None:
                return False
        waiting = self.waiting + size
        if waiting <= DROP_FROM:
            return True
        if ephemeral:
            self._dropped()
            return False
        if waiting > MOST_WAITING:
            self._overflow()
            return False
        return True
