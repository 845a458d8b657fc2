"""The gateway of REST: what happens to every request before and after the handler's own line.

    headers -> route and method -> who asks (one Redis round trip, which also counts) -> may they at all
    -> body (read, parsed, validated) -> the method -> allow-list -> JSON

Handlers translate and nothing else: they call `self.stores` with `by=self.actor`.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import structlog

from core import errors
from core.deadline import ANSWER_SECONDS, answer_due
from core.limits import Window, client_of
from core.shapes import Shape
from core.shared import Given
from core.validation import Json
from handlers import requests
from handlers.endpoint import Answer, Declaration, ListOf, declared
from handlers.gateway import BaseHandler, Edge, NotFoundHandler, encode
from models.paging import Listing, Page
from models.stores import Stores

__all__ = ["ApiHandler", "BaseHandler", "Edge", "NotFoundHandler", "asked", "encode"]


class ApiHandler(BaseHandler):
    """A REST handler: subclasses declare methods with `@endpoint` and call the stores."""

    answer_seconds = ANSWER_SECONDS  # what is left of it when it is known who asks

    async def prepare(self) -> None:
        """Decide who asks and whether they may, before a byte of the body is read."""
        # Tornado runs each request in a task, so this ends with it: every line below says which request it is of.
        structlog.contextvars.bind_contextvars(request_id=self.request_id)
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
        began = time.monotonic()
        async with answer_due():
            await self._admit(declaration)
        self.answer_seconds = max(ANSWER_SECONDS - (time.monotonic() - began), 0)  # the body's way is the sender's time
        if declaration.upload is None:
            requests.refuse_encoding(self.request)
            self._refuse_large()
        self.body_refused = False

    async def _admit(self, declaration: Declaration) -> None:
        """Authenticate and count the caller, and refuse kinds of callers that the declaration does not name."""
        token = requests.bearer(self.request)
        admitted, refused = None, None
        # What is for everybody and counts against nobody, probes among it, needs no token, and so no store.
        asks_who = declaration.needs != "nobody" or (declaration.counted and token != "")
        if token is not None and asks_who:
            try:
                admitted = await self.edge.access.admit(token, self.ip)
            except errors.Unauthenticated as e:
                refused = e
        if admitted is not None:
            self.actor, self.window = admitted
        elif declaration.counted:
            self.window = await self.edge.limits.count("anonymous", client_of(self.ip))
        if self.window is not None:
            self.enforce(self.window)
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

    def enforce(self, window: Window) -> None:
        """Tell the caller where it stands, and raise RateLimited beyond the limit."""
        self.window = window
        for name, value in window.headers.items():
            self.set_header(name, value)
        window.enforce()

    def _refuse_large(self) -> None:
        length = self.request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > requests.MAX_JSON:
            self.body_refused = True
            raise errors.TooLarge(detail=f"A JSON body may have at most {requests.MAX_JSON >> 10} KiB.")
        connection = cast(Any, self.request.connection)
        connection.set_max_body_size(requests.MAX_JSON * 2)
        connection.set_body_timeout(requests.BODY_SECONDS)

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
        query = requests.read_query(self.request, declaration.query or {}, declaration.read_query)
        if declaration.query is not None:
            given["query"] = query
        if declaration.upload is None and self.request.method in {"POST", "PUT", "PATCH"}:
            body = requests.read_json(self.request, bytes(self._raw), declaration.read_body)
            if declaration.body is not None:
                given["body"] = body

        async def run() -> Answer:
            returned = await method(self, **given)
            return returned if isinstance(returned, Answer) else Answer(returned)

        # What was uploaded is looked at for as long as that takes; the stores' steps have their deadlines all the same.
        async with answer_due(self.answer_seconds if declaration.upload is None else None):
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
        asked = encode([self.request.method, self.request.path, self.request.query, self.fingerprint(given)], sort=True)

        async def first() -> tuple[int, dict[str, str], bytes]:
            try:
                return self._render(declaration, await run())
            except errors.Problem as e:
                e.extra.setdefault("requestId", self.request_id)  # a refusal is kept too, under its own request's id
                raise

        self._write(*await self.edge.stores.idempotency.once(caller, key, asked, first))

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
        extra.setdefault("Content-Type", declaration.content_type)
        if isinstance(answer.document, Page | Given):
            return status, extra, made_once(declaration.returns, answer.document)
        document = render(declaration.returns, answer.document)
        if "version" in document and "id" in document:
            extra.setdefault("ETag", f'"{document["version"]}"')
        if declaration.location and status in {200, 201, 202}:
            extra.setdefault("Location", declaration.location.format_map({**self.path_kwargs, **document}))
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


def made_once(shape: Shape | ListOf, document: Page | Given) -> bytes:
    """Return the JSON of what several may have been given: made for the first of them, and the others' is the same."""
    content = document.made.get(shape)
    if content is None:
        content = document.made[shape] = encode(render(shape, document))
    return content


def asked(query: Mapping[str, Any]) -> Listing:
    """Return the paging part of a list's query."""
    return Listing(query["limit"], query.get("cursor"), query.get("sort"), query.get("search"))
