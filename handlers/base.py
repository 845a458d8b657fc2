"""The gateway of REST: what happens to every request before and after the handler's own line.

    headers -> route and method -> who asks (one Redis round trip, which also counts) -> may they at all
    -> body (read, parsed, validated) -> the method -> allow-list -> JSON

Every error leaves through `send_error`, as problem+json. Handlers translate and nothing else: they call
`self.stores` with `by=self.actor`.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
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
from core.shapes import Shape
from core.validation import Json
from handlers import headers, requests
from handlers.endpoint import Answer, Declaration, ListOf, declared
from models.access import Access
from models.paging import Listing, Page
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
    ready: Callable[[], Awaitable[tuple[bool, dict[str, str]]]]


def encode(document: Any) -> bytes:
    """Return JSON as the contract writes it: UTF-8, times with milliseconds and `Z`."""
    return orjson.dumps(document, default=_encode_other, option=orjson.OPT_PASSTHROUGH_DATETIME)


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
    page = False  # pages have a Content-Security-Policy that lets them load what they need

    def initialize(self, edge: Edge, route: str) -> None:
        """Keep what the route was made with (Tornado calls this first)."""
        self.edge = edge
        self.route = route
        self.started = time.perf_counter()
        self.actor = NOBODY
        self.window: Window | None = None
        self.ip = requests.client_ip(self.request, edge.settings.trusted_proxies)
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
        """Let the rest of a body that was refused be read and dropped, for a while, then close."""
        connection = cast(Any, self.request.connection)
        connection.set_max_body_size(1 << 62)
        connection.set_body_timeout(DRAIN_SECONDS)
        self.set_header("Connection", "close")

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
        if problem.status == 429 and self.window is not None:
            self.edge.metrics.rate_limited.labels(self.window.policy).inc()
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

    def on_finish(self) -> None:
        """Count and log the answer."""
        metrics, status = self.edge.metrics, self.get_status()
        seconds = time.perf_counter() - self.started
        metrics.requests_in_progress.dec()
        metrics.requests.labels(self.route, self.request.method, status).inc()
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


class ApiHandler(BaseHandler):
    """A REST handler: subclasses declare methods with `@endpoint` and call the stores."""

    async def prepare(self) -> None:
        """Decide who asks and whether they may, before a byte of the body is read."""
        self.body_refused = self.request.headers.get("Content-Length", "0") != "0"
        self._raw = bytearray()
        method = self.request.method or ""
        if method == "OPTIONS":
            self.set_header("Allow", ", ".join(self.allowed_methods()))
            self.set_status(204)
            await self.finish()
            return
        declaration = declared(type(self)).get("get" if method == "HEAD" else method.lower())
        if declaration is None:
            raise errors.MethodNotAllowed(self.allowed_methods())
        await self._admit(declaration)
        if declaration.upload is None:
            requests.refuse_encoding(self.request)
            self._refuse_large()
        self.body_refused = False

    async def _admit(self, declaration: Declaration) -> None:
        """Authenticate and count the caller, and refuse kinds of callers that the declaration does not name."""
        token = requests.bearer(self.request)
        admitted, refused = None, None
        if token is not None and (declaration.needs != "nobody" or token):
            try:
                admitted = await self.edge.access.admit(token, self.ip)
            except errors.Unauthenticated as e:
                refused = e
        if admitted is not None:
            self.actor, self.window = admitted
        elif declaration.counted:
            self.window = await self.edge.limits.count("anonymous", self.ip)
        if self.window is not None:
            for name, value in self.window.headers.items():
                self.set_header(name, value)
            self.window.enforce()
        if refused is not None and declaration.needs != "nobody":
            raise refused
        if declaration.needs != "nobody":
            self._require(declaration.needs)

    def _require(self, needs: str) -> None:
        wanted = "screen" if needs == "screen" else "user"
        if self.actor.kind != wanted:
            raise errors.Unauthenticated
        if needs == "admin":
            self.actor.require_admin()

    def _refuse_large(self) -> None:
        length = self.request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > requests.MAX_JSON:
            self.body_refused = True
            raise errors.TooLarge(detail=f"A JSON body may have {requests.MAX_JSON} bytes.")
        cast(Any, self.request.connection).set_max_body_size(requests.MAX_JSON * 2)

    async def data_received(self, chunk: bytes) -> None:
        """Collect a JSON body up to its limit; a chunked one is refused as soon as it is over."""
        if self._finished:
            return
        self._raw += chunk
        if len(self._raw) > requests.MAX_JSON:
            self.body_refused = True
            self.send_error(413)

    async def serve(
        self, declaration: Declaration, method: Callable[..., Awaitable[Any]], path: Mapping[str, str]
    ) -> None:
        """Run a declared method with what was declared, and answer with what it returns."""
        given: dict[str, Any] = dict(path)
        query = requests.read_query(self.request, declaration.query)
        if declaration.query is not None:
            given["query"] = query
        if declaration.upload is None and self.request.method in {"POST", "PUT", "PATCH"}:
            body = requests.read_json(self.request, bytes(self._raw), declaration.body or {})
            if declaration.body is not None:
                given["body"] = body

        async def run() -> Answer:
            returned = await method(self, **given)
            return returned if isinstance(returned, Answer) else Answer(returned)

        if self.request.method == "POST" and declaration.idempotent and "Idempotency-Key" in self.request.headers:
            await self._serve_once(declaration, run, given)
        else:
            self.answer(declaration, await run())

    async def _serve_once(
        self, declaration: Declaration, run: Callable[[], Awaitable[Answer]], given: Mapping[str, Any]
    ) -> None:
        """Answer a POST that carries an Idempotency-Key: the first answer again, where there is one."""
        key = self.request.headers["Idempotency-Key"]
        caller = self.actor.id or self.ip
        asked = encode([self.request.method, self.request.path, self.request.query, self.fingerprint(given)])

        async def first() -> tuple[int, dict[str, str], bytes]:
            status, extra, content = self._render(declaration, await run())
            return status, extra, content

        status, extra, content = await self.edge.stores.idempotency.once(caller, key, asked, first)
        self._write(status, extra, content)

    def fingerprint(self, given: Mapping[str, Any]) -> Any:
        """Return what makes this request the same as another under one key; uploads add their content's hash."""
        return {name: value for name, value in given.items() if name != "query"}

    def answer(self, declaration: Declaration, answer: Answer) -> None:
        """Write the method's answer through its allow-list."""
        if self._finished or self._headers_written:
            return  # the method wrote a stream itself
        self._write(*self._render(declaration, answer))

    def _render(self, declaration: Declaration, answer: Answer) -> tuple[int, dict[str, str], bytes]:
        status = answer.status or (self.get_status() if self.get_status() != 200 else declaration.status)
        extra = dict(answer.headers)
        if answer.document is None or declaration.returns is None or status == 304:
            return status, extra, b""
        document = render(declaration.returns, answer.document)
        if "version" in document and "id" in document:
            extra.setdefault("ETag", f'"{document["version"]}"')
        if declaration.location and status in {200, 201, 202}:
            extra.setdefault("Location", declaration.location.format_map({**self.path_kwargs, **document}))
        extra.setdefault("Content-Type", declaration.content_type)
        return status, extra, encode(document)

    def _write(self, status: int, extra: Mapping[str, str], content: bytes) -> None:
        self.set_status(status, errors.title(status))
        for name, value in extra.items():
            self.set_header(name, value)
        if not content:
            self.clear_header("Content-Type")
        self.finish(content or None)

    @property
    def stores(self) -> Stores:
        """The stores, for the method's own line."""
        return self.edge.stores

    async def head(self, **path: str) -> None:
        """Answer like GET without the body."""
        await cast(Any, self).get(**path)


def render(shape: Shape | ListOf, document: Any) -> Json:
    """Put a document, or a page of them, through its allow-list."""
    if isinstance(shape, Shape):
        return shape.render(document)
    page = cast(Page, document)
    listed: Json = {"items": [shape.shape.render(item) for item in page.items], "next": page.next}
    return listed if page.total is None else listed | {"total": page.total}


def asked(query: Mapping[str, Any]) -> Listing:
    """Return the paging part of a list's query."""
    return Listing(query["limit"], query.get("cursor"), query.get("sort"), query.get("search"))


class NotFoundHandler(BaseHandler):
    """What no route matches."""

    def prepare(self) -> None:
        """Refuse every method alike."""
        raise errors.NotFound
