"""A client's TCP stream: Tornado's, with problem+json for what is not HTTP, and without what it keeps for nothing."""

import json
import socket
from typing import Any, cast

from tornado.iostream import IOStream

from core.errors import Malformed
from core.settings import Settings
from handlers.headers import protection
from handlers.requests import new_request_id

_BARE_REFUSAL = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class Stream(IOStream):
    """One client's stream, as `handlers.application.Server` makes them."""

    def __init__(self, sock: socket.socket, settings: Settings, **options: Any) -> None:
        """`options` are IOStream's."""
        super().__init__(sock, **options)
        self._settings = settings
        # Tornado queues what the kernel has not taken in two deques. Each takes 760 bytes when it is empty, and most
        # of the time they all are: of an open WebSocket that was a tenth of its memory.
        private = cast(Any, self)
        private._write_futures = _Short()
        private._write_buffer._buffers = _Short()

    def write(self, data: bytes | memoryview) -> Any:
        """Write as IOStream does, but replace the bare 400, the only answer that no handler makes."""
        return super().write(bad_request(self._settings) if data == _BARE_REFUSAL else data)

    def close(self, exc_info: Any = False) -> None:
        """Close as IOStream does. The error that was the cause is kept without its stack, which holds the stream."""
        super().close(exc_info)
        if self.error is not None:
            self.error.__traceback__ = None


class _Short(list[Any]):
    """A queue of few by the names that Tornado calls; a list takes 72 bytes when it is empty."""

    __slots__ = ()

    def popleft(self) -> Any:
        """Take the first one off; the others move up."""
        return self.pop(0)


def bad_request(settings: Settings) -> bytes:
    """Return the whole answer to what could not be read so far that a handler had it."""
    request_id = new_request_id()
    body = json.dumps(Malformed(detail="This is not HTTP as this server reads it.").body(request_id)).encode()
    lines = {
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "X-Request-Id": request_id,
        "Cache-Control": "no-store",
        "Connection": "close",
        **protection(settings),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 400 Bad Request\r\n{head}\r\n".encode() + body
