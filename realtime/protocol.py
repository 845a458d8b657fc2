"""An open WebSocket: Tornado's protocol, without the handshake that it began with.

Tornado holds on to the handler of a handshake for as long as the socket lives: with it to the request, the headers of
both sides, the HTTP connection beneath, and four coroutines that wait for nothing but their end. That is more
than all that an open socket needs. So what is open reads in a task of its own and talks to its connection
directly, and whatever belongs to the handshake ends with the handshake.
"""

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import cast

import structlog
from tornado.websocket import WebSocketHandler, WebSocketProtocol13, _WebSocketParams

from core.tasks import apart
from realtime import frames
from realtime.connection import Connection

log = structlog.get_logger("marquee.socket")

# Shared by all sockets. No pings, for the node sends them, without a task for each socket. No compression, which
# costs 150 KB a socket (design, section 4). The most that is read is above frames.MAX_FRAME, so that a frame somewhat
# too large is read to its end and its sender sees 1009; Tornado hangs up in the middle of what is larger than this.
_PARAMS = _WebSocketParams(ping_interval=0, max_message_size=4 * frames.MAX_FRAME, compression_options=None)
# Tornado takes and clears this many bytes for each read, by default 64 KiB; most frames are far smaller.
_READ_CHUNK = 4096


class SocketProtocol(WebSocketProtocol13):
    """One WebSocket, from its handshake to its end; what ends it for its connection (see `Transport`)."""

    # No attribute of our own: Python keeps an instance's attributes in a fifth of the room up to about 30, and Tornado
    # has 29.

    def __init__(self, handshake: WebSocketHandler) -> None:
        """`handshake` hears nothing but what fails before `serve`."""
        super().__init__(handshake, False, _PARAMS)

    def serve(self, connection: Connection) -> None:
        """Tell `connection` from now on what comes, and let go of the handshake."""
        self.handler = Ear(connection)
        self.stream.read_chunk_size = _READ_CHUNK

    async def _receive_frame_loop(self) -> None:
        """Read in a task apart, and return at once: Tornado awaits this as the last step of the handshake."""
        reading = apart(super()._receive_frame_loop())
        reading.add_done_callback(self._ended)
        cast(Ear, self.handler).reading = reading

    def _ended(self, reading: "asyncio.Task[None]") -> None:
        """Hang up after a defect or in the middle of everything; after what comes in order Tornado has hung up."""
        error = None if reading.cancelled() else reading.exception()
        if error is not None and not isinstance(error, ValueError):  # ValueError: a reason that is no UTF-8
            self.handler.log_exception(type(error), error, error.__traceback__)
        self._abort()


class Ear:
    """What Tornado tells of a socket, for its connection. `reading` is the task that does it, kept from the garbage."""

    __slots__ = ("_connection", "reading")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.reading: asyncio.Task[None] | None = None

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Give a frame to the connection; Tornado reads the next one when the awaitable is done."""
        return self._connection.received(message)  # type: ignore[no-any-return]

    def on_ping(self, data: bytes) -> None:
        """Note a sign of life."""
        self._connection.heard()

    def on_pong(self, data: bytes) -> None:
        """Note a sign of life."""
        self._connection.heard()

    def on_ws_connection_close(self, close_code: int | None = None, close_reason: str | None = None) -> None:
        """Tell the connection that it is over."""
        self._connection.lost(close_code)

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Log a defect of ours."""
        told = {"connection": self._connection.id, "endpoint": self._connection.endpoint.name}
        log.error("socket.defect", **told, exc_info=(typ, value, tb))
