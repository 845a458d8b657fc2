"""The WebSocket handlers: the handshake, and a line to the connection that does the work."""

from collections.abc import Awaitable
from typing import Any, Protocol, cast

import structlog
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.iostream import IOStream
from tornado.web import HTTPError, RequestHandler
from tornado.websocket import WebSocketHandler

from core import errors
from core.errors import Forbidden, Malformed, MethodNotAllowed, Problem, RateLimited, Unavailable
from realtime import frames
from realtime.connection import Connection
from realtime.endpoint import Endpoint
from realtime.shared import Shared

log = structlog.get_logger("marquee.socket")

# Above frames.MAX_FRAME, so that a frame somewhat too large is read to its end and its sender sees 1009;
# Tornado hangs up in the middle of what is larger than this.
_MOST_READ = 4 * frames.MAX_FRAME
_RETRY_SECONDS = 5.0
_NO_HEADERS = HTTPHeaders()


class Door(Protocol):
    """What the gateway of REST knows and a handshake needs too (handlers/door.py; `server.py` joins them)."""

    def ip(self, request: HTTPServerRequest) -> str: ...

    def token(self, request: HTTPServerRequest) -> str | None:
        """Return the bearer token, "" for an Authorization header that holds none."""

    def request_id(self, request: HTTPServerRequest) -> str: ...

    def knows_origin(self, origin: str, host: str) -> bool: ...

    def protect(self, handler: RequestHandler) -> None:
        """Set the protective headers."""


class SocketHandler(WebSocketHandler):
    """One socket address. Routes give it the process's `Shared`, the `Endpoint` and the `Door`."""

    connection: Connection | None = None

    def initialize(self, shared: Shared, endpoint: Endpoint, door: Door) -> None:
        """Keep what the route was made with (Tornado calls this first)."""
        self._shared = shared
        self._endpoint = endpoint
        self._door = door
        self._ip = door.ip(self.request)
        self._request_id = door.request_id(self.request)
        self.set_default_headers()  # Tornado's own call comes too early to know how

    def prepare(self) -> None:
        """Refuse what must not become a socket, while it can still be said in HTTP."""
        headers = self.request.headers
        if self.request.method != "GET":
            raise MethodNotAllowed(["GET"])
        if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in headers.get("Connection", "").lower():
            raise Malformed(detail="This address takes WebSocket handshakes only.")
        if headers.get("Sec-WebSocket-Version") != "13" or not headers.get("Sec-WebSocket-Key"):
            raise Malformed(detail="The handshake is not one of WebSocket version 13.")
        origin = headers.get("Origin")
        if origin is not None and not self._door.knows_origin(origin, self.request.host):
            raise Forbidden(detail="Pages of this origin may not connect.")
        if self._shared.node.draining:
            raise Unavailable(detail="This process is about to stop: connect again.")
        if self._door.token(self.request) is None and self._shared.lobby.is_full(self._ip):
            told = "Too many sockets of this address wait to be authenticated."
            raise RateLimited(_RETRY_SECONDS, told, policy="sockets")

    async def open(self, *_args: str, **_kwargs: str) -> None:
        """Hand the stream to a connection."""
        protocol = cast(Any, self.ws_connection)
        token = self._door.token(self.request)
        self.connection = Connection(
            self._shared,
            self._endpoint,
            self,
            protocol.stream,
            ip=self._ip,
            user_agent=self.request.headers.get("User-Agent", "")[:500],
        )
        # Tornado keeps the handshake for as long as the socket lives: 2 KB that nobody reads again.
        self.request.headers.clear()
        self._headers = _NO_HEADERS
        self._say("socket.opened", connection=self.connection.id)
        await self.connection.opened(token)

    def _detach_stream(self) -> IOStream:
        """Take the stream without Tornado's seven reminders on the instance, which cost 1.5 KB a socket."""
        return self.detach()

    def on_message(self, message: str | bytes) -> Awaitable[None] | None:
        """Give a frame to the connection; Tornado reads the next one when the awaitable is done."""
        return self.connection.received(message) if self.connection is not None else None

    def on_ping(self, data: bytes) -> None:
        """Note a sign of life."""
        self._heard()

    def on_pong(self, data: bytes) -> None:
        """Note a sign of life."""
        self._heard()

    def on_close(self) -> None:
        """Tell the connection that it is over."""
        if self.connection is not None:
            self.connection.lost(self.close_code)

    def _heard(self) -> None:
        if self.connection is not None:
            self.connection.heard()

    def _say(self, event: str, **facts: Any) -> None:
        log.info(event, endpoint=self._endpoint.name, ip=self._ip, request_id=self._request_id, **facts)

    @property
    def ping_interval(self) -> float:
        """Nothing: the node pings, without a task for each connection."""
        return 0

    @property
    def max_message_size(self) -> int:
        """Where Tornado hangs up; the contract's own limit is kept by the connection."""
        return _MOST_READ

    def get_compression_options(self) -> None:
        """No compression: 13 KB a connection against 160-190 KB (design, section 4)."""
        return

    def check_origin(self, origin: str) -> bool:
        """Say yes: `prepare` has looked at it."""
        return True

    def set_default_headers(self) -> None:
        """Set what every answer of the server carries."""
        if hasattr(self, "_request_id"):
            self._door.protect(self)
            self.set_header("X-Request-Id", self._request_id)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer a handshake that fails with problem+json, as the gateway of REST does."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if self._headers_written:
            super().send_error(status_code, **kwargs)
            return
        problem = error if isinstance(error, Problem) else _problem_of(status_code)
        self.clear()
        self.set_status(problem.status, errors.title(problem.status))
        self.set_header("Content-Type", "application/problem+json")
        self.set_header("Cache-Control", "no-store")
        for name, value in problem.headers.items():
            self.set_header(name, value)
        self._say("socket.refused", status=problem.status, code=problem.code)
        self.finish(frames.encode(problem.body(self._request_id)))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log a defect of ours; a refusal is none."""
        if not isinstance(value, Problem | HTTPError):
            log.error("socket.defect", endpoint=self._endpoint.name, exc_info=(typ, value, tb))


def _problem_of(status: int) -> Problem:
    kinds = {400: Malformed, 403: Forbidden, 404: errors.NotFound}
    if status == 405:
        return MethodNotAllowed(["GET"])
    return kinds[status]() if status in kinds else Problem()
