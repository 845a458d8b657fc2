"""The WebSocket handlers: the handshake alone. What is open is a SocketProtocol and its Connection."""

from typing import Any, Protocol, cast

import structlog
from tornado.httputil import HTTPServerRequest
from tornado.web import HTTPError, RequestHandler
from tornado.websocket import WebSocketHandler

from core import errors
from core.errors import Forbidden, Malformed, MethodNotAllowed, Problem, RateLimited, Unavailable
from realtime import frames
from realtime.connection import Connection
from realtime.endpoint import Endpoint
from realtime.protocol import SocketProtocol
from realtime.shared import Shared

log = structlog.get_logger("marquee.socket")

_RETRY_SECONDS = 5.0


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
    """One socket address. Routes give it the process's `Shared`, the `Endpoint` and the `Door`.

    It ends with the handshake: nothing that lives on refers to it (realtime/protocol.py), it to nothing in a circle.
    """

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

    def get_websocket_protocol(self) -> SocketProtocol:
        """Return our own protocol; `prepare` has looked at the version."""
        return SocketProtocol(self)

    async def open(self, *_args: str, **_kwargs: str) -> None:
        """Hand the open socket to a connection."""
        protocol = cast(SocketProtocol, self.ws_connection)
        token = self._door.token(self.request)
        connection = Connection(
            self._shared,
            self._endpoint,
            protocol,
            protocol.stream,
            ip=self._ip,
            user_agent=self.request.headers.get("User-Agent", "")[:500],
        )
        protocol.serve(connection)
        self._say("socket.opened", connection=connection.id)
        await connection.opened(token)

    def _break_cycles(self) -> None:
        """Let go of the templates' names, which refer back here: now, and not at the socket's end as Tornado would."""
        RequestHandler._break_cycles(self)

    def _say(self, event: str, **facts: Any) -> None:
        log.info(event, endpoint=self._endpoint.name, ip=self._ip, request_id=self._request_id, **facts)

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
