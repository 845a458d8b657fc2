"""What every answer has, from whichever handler: headers, a request id, metrics, a log line, the one error handler.

Every error leaves through `send_error`, as problem+json.
"""

import asyncio
import time
from asyncio import Future
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson
import structlog
from tornado.web import HTTPError, RequestHandler, stream_request_body

from core import errors
from core.clock import Clock, rfc3339
from core.errors import Problem
from core.limits import Limits, Window
from core.metrics import Metrics
from core.permissions import NOBODY
from core.settings import Settings
from handlers import headers, requests
from handlers.endpoint import declared
from models.access import Access
from models.health import Health
from models.stores import Stores

log = structlog.get_logger("marquee.http")
DRAIN_SECONDS = 5  # a refused body is read on this long, so that its sender sees the answer and not a reset


@dataclass(frozen=True, slots=True)
class Edge:
    """What handlers are given: the stores, and what the gateway itself needs."""

    stores: Stores
    access: Access
    settings: Settings
    limits: Limits
    metrics: Metrics
    clock: Clock
    health: Health


def encode(document: Any, *, sort: bool = False) -> bytes:
    """Return JSON as the contract writes it: UTF-8, times with milliseconds and `Z`; with `sort` keys are in order."""
    option = orjson.OPT_PASSTHROUGH_DATETIME | (orjson.OPT_SORT_KEYS if sort else 0)
    return orjson.dumps(document, default=_encode_other, option=option)


def _encode_other(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


@stream_request_body
class BaseHandler(RequestHandler):
    """Headers, request id, metrics, logs and the one error handler; for API, pages and media alike."""

    edge: Edge
    route: str
    SUPPORTED_METHODS = ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")
    lingers = False
    lingering: asyncio.TimerHandle | None = None
    page = False  # pages have a Content-Security-Policy that lets them load what they need

    def initialize(self, edge: Edge, route: str) -> None:
        """Keep what the route was made with (Tornado calls this first)."""
        self.edge = edge
        self.route = route
        self.started = time.perf_counter()
        self.actor = NOBODY
        self.window: Window | None = None
        self.ip = requests.client_ip(self.request, edge.settings.trusted_proxies)
        self.in_progress = True
        edge.metrics.requests_in_progress.inc()

    def set_default_headers(self) -> None:
        """Set what every answer carries, errors and preflights included."""
        # Tornado calls this before initialize; what it needs is asked from the application.
        settings: Settings = self.application.settings["settings"]
        if not hasattr(self, "request_id"):
            self.request_id = requests.request_id(self.request)
        headers.protect(self, settings, page=self.page)
        headers.allow_origin(self, settings)
        if self.request.path.startswith("/api/"):
            self.set_header("Cache-Control", "no-store")
        self.set_header("X-Request-Id", self.request_id)
        window = getattr(self, "window", None)
        for name, value in window.headers.items() if window else ():
            self.set_header(name, value)

    def compute_etag(self) -> None:
        """Tornado's own hash of the body is not wanted: tags are versions and revisions."""
        return

    def check_etag_header(self) -> bool:
        """Conditional answers are made where a tag means something (`not_modified`)."""
        return False

    def not_modified(self, etag: str) -> bool:
        """Set ETag; answer 304 and return True when the caller holds that version."""
        self.set_header("ETag", f'"{etag}"')
        held = self.request.headers.get("If-None-Match", "")
        tags = {tag.strip().removeprefix("W/").strip('"') for tag in held.split(",")}
        if held.strip() == "*" or etag in tags:
            self.set_status(304)
            self.clear_header("Content-Type")
            return True
        return False

    @property
    def if_version(self) -> int | None:
        """The version that If-Match asks for, None where any will do; one that cannot match is -1."""
        held = self.request.headers.get("If-Match")
        if held is None or held.strip() == "*":
            return None
        version = held.strip().strip('"')
        return int(version) if version.isascii() and version.isdigit() and len(version) < 15 else -1

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take nothing: the handlers that have bodies read them."""
        return None

    def read_on_politely(self) -> None:
        """Let the rest of a body that is refused be read and dropped, for a while, before the connection closes.

        Closed with bytes unread it would be reset, and a sender who reads only at the end never see the answer.
        """
        cast(Any, self.request.connection).set_max_body_size(1 << 62)
        self.lingers = True

    def finish(self, chunk: Any = None) -> "Future[None]":
        """Answer. Where the request was not read to its end, say that the connection closes.

        Tornado closes it then without a word (an answer from `prepare` is always one of these), and the next
        request on it is lost: a proxy that keeps connections takes that for a dead process.
        """
        connection = cast(Any, self.request.connection)
        if self.edge.health.draining and not self._headers_written:
            self.set_header("Connection", "close")  # so that a proxy asks on elsewhere, and nothing is cut off
        if self._headers_written or getattr(connection, "_read_finished", True):
            return super().finish(chunk)
        self.set_header("Connection", "close")
        if not self.lingers:
            return super().finish(chunk)
        # Tornado closes as soon as the answer is written unless all was read: let it think so for that moment. It
        # goes on reading then, to nobody, and says so by `on_connection_close`.
        connection._read_finished, connection._disconnect_on_finish = True, False
        self.lingering = asyncio.get_running_loop().call_later(DRAIN_SECONDS, connection.stream.close)
        try:
            return super().finish(chunk)
        finally:
            connection._read_finished = False

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer with problem+json: the one error handler of the REST side."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        problem = self._problem(status_code, error)
        if self._headers_written:
            log.warning("http.cut_off", request_id=self.request_id, code=problem.code)
            super().send_error(status_code, **kwargs)  # closes: half an answer cannot be mended
            return
        self.clear()
        self.set_status(problem.status, errors.title(problem.status))
        self.set_header("Content-Type", "application/problem+json")
        self.set_header("Cache-Control", "no-store")
        for name, value in problem.headers.items():
            self.set_header(name, value)
        if getattr(self, "body_refused", False):
            self.read_on_politely()
        if isinstance(problem, errors.RateLimited):
            self.edge.metrics.rate_limited.labels(problem.policy).inc()
        self.finish(encode(problem.body(self.request_id)))

    def _problem(self, status: int, error: BaseException | None) -> Problem:
        if isinstance(error, Problem):
            return error
        if isinstance(error, HTTPError) or error is None:
            status = error.status_code if isinstance(error, HTTPError) else status
            if status == 405:
                return errors.MethodNotAllowed(self.allowed_methods())
            kinds = {400: errors.Malformed, 403: errors.Forbidden, 404: errors.NotFound, 413: errors.TooLarge}
            return kinds[status]() if status in kinds else Problem()
        return Problem()

    def allowed_methods(self) -> list[str]:
        """Return what the Allow header lists here."""
        methods = [method.upper() for method in declared(type(self))]
        return [*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"]

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log a defect of ours once, under its request id; a refusal is no defect."""
        if isinstance(value, Problem | HTTPError):
            return
        log.error("http.defect", request_id=self.request_id, route=self.route, exc_info=(typ, value, tb))

    def on_connection_close(self) -> None:
        """Count off a request whose sender went away before it was read: nothing will answer it.

        Also the end of a connection that was only kept for the rest of a refused body.
        """
        super().on_connection_close()
        if self.lingering is not None:
            self.lingering.cancel()
            stream = cast(Any, self.request.connection).stream
            if stream is not None:
                stream.close()
        if not self._finished:
            self._counted_off()

    def _counted_off(self) -> None:
        if self.in_progress:
            self.in_progress = False
            self.edge.metrics.requests_in_progress.dec()

    def on_finish(self) -> None:
        """Count and log the answer."""
        metrics, status = self.edge.metrics, self.get_status()
        seconds = time.perf_counter() - self.started
        self._counted_off()
        # A method is whatever the sender wrote: unbounded, and so no label, unless it is one of HTTP's.
        method = self.request.method if self.request.method in self.SUPPORTED_METHODS else "other"
        metrics.requests.labels(self.route, method, status).inc()
        metrics.request_seconds.labels(self.route).observe(seconds)
        say = log.warning if status >= 500 else log.info
        say(
            "http.answered",
            method=self.request.method,
            route=self.route,
            status=status,
            ms=round(seconds * 1000, 1),
            request_id=self.request_id,
            actor=self.actor.id or None,
            ip=self.ip,
        )


class NotFoundHandler(BaseHandler):
    """What no route matches."""

    def prepare(self) -> None:
        """Refuse every method alike."""
        raise errors.NotFound
