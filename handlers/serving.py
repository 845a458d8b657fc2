"""Serving content to whoever holds a signed address: whole or in part, and never as a page.

Content never changes under an address: browsers keep it until the address expires. Whatever a browser thinks
of it, it runs no script, for it is shown in a sandbox if at all.
"""

import asyncio
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl

from tornado.iostream import StreamClosedError

from core.deadline import answer_due
from core.errors import Forbidden, NotFound, Problem
from handlers.base import BaseHandler

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


@dataclass(frozen=True, slots=True)
class Served:
    """One file of this disk, and how it is served. `tag` names the bytes; `disposition` is the header."""

    path: Path
    expires_at: datetime
    tag: str
    content_type: str
    disposition: str


class ContentHandler(BaseHandler):
    """One file, whole or in part. Subclasses find it."""

    METHODS: ClassVar[list[str]] = ["GET", "HEAD", "OPTIONS"]

    def allowed_methods(self) -> list[str]:
        """Return what the Allow header lists here."""
        return self.METHODS

    async def find(self, expiry: str, signature: str, **path: str) -> Served | str:
        """Return what the address stands for, or another address to send the caller on to.

        Raises Forbidden for an address that is not exactly one of ours, NotFound.
        """
        raise NotImplementedError

    async def get(self, **path: str) -> None:
        """Serve the content, or the part of it that Range asks for."""
        async with answer_due():
            served = await self.find(*self._signed(), **path)
        if isinstance(served, str):
            self.set_header("Cache-Control", "no-store")
            self.redirect(served)
            return
        try:
            descriptor = await asyncio.to_thread(os.open, served.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as e:
            raise NotFound from e
        try:
            await self._serve(descriptor, served)
        except StreamClosedError:  # the client has what it wanted, or went away
            return
        finally:
            os.close(descriptor)

    async def head(self, **path: str) -> None:
        """Serve the headers alone."""
        await self.get(**path)

    def options(self, **_path: str) -> None:
        """Say what methods there are."""
        self.set_header("Allow", ", ".join(self.METHODS))
        self.set_status(204)

    def _signed(self) -> tuple[str, str]:
        """Return expiry and signature of the address. Raises Forbidden where it has not exactly these."""
        given = dict(parse_qsl(self.request.query, keep_blank_values=True))
        if set(given) != {"exp", "sig"} or self.request.query.count("=") != 2:
            raise Forbidden(detail="This address is not one that the server gave.")
        return given["exp"], given["sig"]

    async def _serve(self, descriptor: int, served: Served) -> None:
        size = os.fstat(descriptor).st_size
        self._set_headers(served)
        if self.not_modified(served.tag):
            return
        first, last = self._range(size, f'"{served.tag}"')
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

    def _set_headers(self, served: Served) -> None:
        left = max(0, int((served.expires_at - self.edge.clock.now()).total_seconds()))
        self.set_header("Content-Type", served.content_type)
        self.set_header("Cache-Control", f"private, immutable, max-age={left}")
        self.set_header("Content-Security-Policy", SANDBOX)
        self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        self.set_header("Content-Disposition", served.disposition)
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
