"""Joins an upload (multipart.py) to a request: who may send, how much, and what becomes of what was cut off."""

import asyncio
import copy
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, cast

import structlog

from core.errors import Problem
from handlers import requests
from handlers.base import ApiHandler
from handlers.endpoint import Declaration
from handlers.multipart import Received, Upload, too_large

log = structlog.get_logger("marquee.uploads")

FRAMING = 65_536  # what a body may be larger than its file: boundaries, headers, the other fields
UNBOUNDED = 1 << 62  # Tornado's own limit would answer a chunked body with a bare 400
PIECE = 262_144  # read at once: a quarter of the turns that Tornado's 64 KiB take
IDLE_SECONDS = 60  # without a byte; then the sender is gone


class UploadHandler(ApiHandler):
    """A handler whose POST is an upload. Subclasses say what they take, and read `self.received`."""

    fields: ClassVar[Mapping[str, int]] = {}
    upload: Upload | None = None
    received: Received
    _idle: asyncio.TimerHandle | None = None

    @property
    def largest(self) -> int:
        """The most bytes that any file may have here."""
        raise NotImplementedError

    def most(self, head: bytes) -> int:
        """Return the most bytes that a file may have which starts with `head`, or raise UnsupportedType."""
        raise NotImplementedError

    async def prepare(self) -> None:
        """Admit the caller, then refuse at once what is too large or no multipart."""
        await super().prepare()
        if self._finished or self.request.method != "POST":
            return
        self.body_refused = True
        requests.refuse_encoding(self.request)
        length = self.request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > self.largest + FRAMING:
            raise too_large(self.largest)
        self._read_large_pieces()
        content_type = self.request.headers.get("Content-Type", "")
        folder = self.edge.settings.data_dir / "incoming"
        self.upload = Upload(content_type, folder, fields=self.fields, most=self._most_of_length)
        self.body_refused = False
        self._watch(0)

    def _read_large_pieces(self) -> None:
        """Let this body come in PIECEs, and as many as there are: `Upload` counts, and answers by itself."""
        connection = cast(Any, self.request.connection)
        connection.set_max_body_size(UNBOUNDED)
        connection.stream.read_chunk_size = PIECE
        connection.params = copy.copy(connection.params)  # the server's own, which all connections share
        connection.params.chunk_size = PIECE

    def _most_of_length(self, head: bytes) -> int:
        """What `most` says, held against the Content-Length, so that nobody sends 400 MB to hear that 20 are taken."""
        limit = self.most(head)
        length = self.request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > limit + FRAMING:
            raise too_large(limit)
        return limit

    async def data_received(self, chunk: bytes) -> None:
        """Pass on what arrives; the first refusal is answered, and the rest dropped."""
        if self.upload is None:
            await super().data_received(chunk)
            return
        if self._finished:
            return
        self.edge.metrics.upload_bytes.inc(len(chunk))
        try:
            await self.upload.feed(chunk)
        except Problem:
            await self._refuse()
        except Exception:  # noqa: BLE001 - the one error handler decides what it is
            self.log_exception(*sys.exc_info())
            await self._refuse()

    async def _refuse(self) -> None:
        error = sys.exc_info()
        self.edge.metrics.uploads.labels(_outcome(error[1])).inc()
        await self._drop()
        if not self._finished:
            self.body_refused = True
            self.send_error(500, exc_info=error)

    async def serve(
        self, declaration: Declaration, method: Callable[..., Awaitable[Any]], path: Mapping[str, str]
    ) -> None:
        """Run the method once the file is there; whatever it leaves of the file is removed."""
        if self.upload is None:
            await super().serve(declaration, method, path)
            return
        if self._finished:
            return
        self._stop_watching()
        outcome = "failed"
        try:
            self.received = await self.upload.finish()
            await super().serve(declaration, self._cleaning(method), path)
            outcome = "taken"
        except Problem as e:
            outcome = _outcome(e)
            raise
        finally:
            self.edge.metrics.uploads.labels(outcome).inc()
            await asyncio.shield(self._drop())

    def _cleaning(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Return `method` with the file gone when it returns: who has the answer finds nothing left."""

        async def run(handler: "UploadHandler", **given: Any) -> Any:
            try:
                return await method(handler, **given)
            finally:
                await asyncio.shield(handler._drop())

        return run

    def fingerprint(self, given: Mapping[str, Any]) -> Any:
        """Add the content and the fields, so that another file under the same key is noticed."""
        if self.upload is None:
            return super().fingerprint(given)
        return {"sha256": self.received.sha256, "fields": self.received.fields}

    async def _drop(self) -> None:
        self._stop_watching()
        if self.upload is not None:
            await self.upload.abort()

    def on_connection_close(self) -> None:
        """Remove what a sender has left behind who went away."""
        super().on_connection_close()
        if self.upload is not None and not self._finished and not hasattr(self, "received"):
            self.edge.metrics.uploads.labels("cut").inc()
            self._dropping = asyncio.ensure_future(self._drop())

    def _watch(self, seen: int) -> None:
        """Close the connection of a sender who has sent nothing since `seen` bytes."""
        assert self.upload is not None
        arrived = self.upload.bytes
        if self._idle is not None and arrived == seen:
            log.info("upload.idle", request_id=self.request_id)
            stream = cast(Any, self.request.connection).stream
            stream.close()
            return
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._watch, arrived)

    def _stop_watching(self) -> None:
        if self._idle is not None:
            self._idle.cancel()


def _outcome(error: BaseException | None) -> str:
    """Return what an upload that ended by `error` counts as: refused for what it was, or failed by our own fault."""
    return "refused" if isinstance(error, Problem) and error.status < 500 else "failed"
