"""`/media/...`: the bytes of media on local storage, to whoever holds a signed address.

Content is named by its hash, so it never changes: browsers keep it until the address expires. It is never
rendered as a page, whatever a browser thinks of it.
"""

import asyncio
import os
import re
from datetime import datetime
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl

from tornado.iostream import StreamClosedError

from core.errors import Forbidden, NotFound, Problem
from handlers.base import BaseHandler
from models.storage.keys import PATTERN
from models.storage.sniff import KINDS

PIECE = 262_144  # read at once in a thread; as much may wait for a slow client
SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'"
_RANGE = re.compile(r"bytes=(?P<first>\d{0,18})-(?P<last>\d{0,18})", re.ASCII)


class RangeNotSatisfiable(Problem):
    """The range asked for begins behind the content's end."""

    status, default_code, default_detail = 416, "range_not_satisfiable", "That range is not in this content."

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Range": f"bytes */{self._size}"}


class MediaContentHandler(BaseHandler):
    """One file, whole or in part."""

    METHODS: ClassVar[list[str]] = ["GET", "HEAD", "OPTIONS"]

    def allowed_methods(self) -> list[str]:
        """Return what the Allow header lists here."""
        return self.METHODS

    async def get(self, key: str) -> None:
        """Serve the content of `key`, or the part that Range asks for."""
        path, expires_at = self._file(key)
        try:
            descriptor = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as e:
            raise NotFound from e
        try:
            await self._serve(descriptor, key, expires_at)
        except StreamClosedError:  # the client has what it wanted, or went away
            return
        finally:
            os.close(descriptor)

    async def head(self, key: str) -> None:
        """Serve the headers alone."""
        await self.get(key)

    def options(self, key: str) -> None:
        """Say what methods there are."""
        self.set_header("Allow", ", ".join(self.METHODS))
        self.set_status(204)

    def _file(self, key: str) -> tuple[Path, datetime]:
        """Return the file and when its address expires. Raises Forbidden for any that is not exactly one of ours."""
        given = dict(parse_qsl(self.request.query, keep_blank_values=True))
        if set(given) != {"exp", "sig"} or self.request.query.count("=") != 2:
            raise Forbidden(detail="This address is not one that the server gave.")
        return self.edge.stores.media.file(key, given["exp"], given["sig"])

    async def _serve(self, descriptor: int, key: str, expires_at: datetime) -> None:
        size = os.fstat(descriptor).st_size
        self._set_headers(key, expires_at)
        if self.not_modified(key):
            return
        first, last = self._range(size, f'"{key}"')
        if (first, last) != (0, size - 1):
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.set_header("Content-Length", last - first + 1)
        if self.request.method == "HEAD":
            return
        while first <= last:
            piece = await asyncio.to_thread(os.pread, descriptor, min(PIECE, last - first + 1), first)
            if not piece:
                raise StreamClosedError  # the disk gave less than it promised: end the connection, not the process
            first += len(piece)
            self.write(piece)
            await self.flush()

    def _set_headers(self, key: str, expires_at: datetime) -> None:
        left = max(0, int((expires_at - self.edge.clock.now()).total_seconds()))
        kind = KINDS[key.rpartition(".")[2]]
        self.set_header("Content-Type", kind.content_type)
        self.set_header("Cache-Control", f"private, immutable, max-age={left}")
        self.set_header("Content-Security-Policy", SANDBOX)
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        self.set_header("Content-Disposition", f'inline; filename="{key.rpartition("/")[2]}"')
        self.set_header("Accept-Ranges", "bytes")

    def _range(self, size: int, tag: str) -> tuple[int, int]:
        """Return the first and the last byte to serve; all of them where Range is absent, odd or conditional."""
        whole = 0, size - 1
        asked = _RANGE.fullmatch(self.request.headers.get("Range", "").strip())
        if asked is None or self.request.headers.get("If-Range", tag) != tag or self.request.method == "HEAD":
            return whole
        first, last = asked["first"], asked["last"]
        if not first and not last:
            return whole
        if not first:
            wanted = int(last)
            if wanted == 0:
                raise RangeNotSatisfiable(size)
            return max(0, size - wanted), size - 1
        if last and int(last) < int(first):
            return whole
        if int(first) >= size:
            raise RangeNotSatisfiable(size)
        return int(first), min(int(last), size - 1) if last else size - 1


routes = [(rf"/media/(?P<key>{PATTERN})", MediaContentHandler)]
