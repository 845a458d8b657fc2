"""A multipart/form-data body with one file, parsed while it arrives: hashed and written on the way, memory flat.

`Upload` knows nothing of Tornado: `feed` until the body ends, then `finish`; `abort` at any time. What is
refused is refused as soon as it is known.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from streaming_form_data import ParseFailedException, StreamingFormDataParser
from streaming_form_data.parser import UnexpectedPartException, parse_content_boundary
from streaming_form_data.targets import BaseTarget

from core.errors import Invalid, Malformed, Problem, TooLarge, UnsupportedType
from core.sizes import in_words
from models.storage.sniff import HEAD_BYTES
from models.storage.spool import Spool

MAX_SILENT = 16_384  # of bytes that are neither file nor field; the parser would hold an endless header in memory
TAIL = 4096  # of the body, in which its last boundary has to be
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # and direction marks


@dataclass(frozen=True, slots=True)
class Received:
    """A file that has arrived whole. `name` is the sender's, cut to its last part and cleaned; it may be empty."""

    path: Path
    sha256: str
    bytes: int
    name: str
    fields: Mapping[str, str]


class Upload:
    """One multipart body with one `file` and some text fields.

    `fields` maps the names of text fields to the most bytes each may have; `most` is asked, with the file's
    first HEAD_BYTES, how many bytes such a file may have, and raises UnsupportedType for one that is not taken.
    """

    def __init__(
        self, content_type: str, folder: Path, *, fields: Mapping[str, int], most: Callable[[bytes], int]
    ) -> None:
        self._file = _File(Spool(folder), most)
        self._fields = {name: _Text(name, limit) for name, limit in fields.items()}
        self._silent = 0
        self._tail = b""
        try:
            self._parser = StreamingFormDataParser({"Content-Type": content_type}, strict=True)
            self._end = b"--" + parse_content_boundary(self._parser.headers) + b"--"
        except ParseFailedException as e:
            if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
                raise UnsupportedType(detail="Send the file as multipart/form-data.") from e
            raise Malformed(detail="The multipart body has no usable boundary.") from e
        self._parser.register("file", self._file)
        for name, target in self._fields.items():
            self._parser.register(name, target)

    async def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body; waits while the disk is behind."""
        heard = self._heard()
        try:
            self._parser.data_received(chunk)
        except Problem:
            raise
        except UnexpectedPartException as e:
            taken = ", ".join(target.name for target in self._targets())
            what = f"is not a field of this request, which takes {taken}"
            raise Invalid.field(_clean(e.part_name)[:100], what) from e
        except Exception as e:  # the parser and the e-mail parser in it let many kinds through
            raise Malformed(detail="The multipart body could not be read.") from e
        self._tail = (chunk if len(chunk) >= TAIL else self._tail + chunk)[-TAIL:]
        self._silent = self._silent + len(chunk) if self._heard() == heard else 0
        if self._silent > MAX_SILENT:
            raise Malformed(detail="The multipart body could not be read.")
        await self._file.spool.write()

    async def finish(self) -> Received:
        """Return what has arrived; raises where the body was not complete."""
        if self._end not in self._tail or not all(target.ended for target in self._targets()):
            raise Malformed(detail="The multipart body ends too early.")
        if not self._file.begun:
            raise Invalid.field("file", "is required")
        self._file.decide()
        fields = {name: target.text() for name, target in self._fields.items() if target.begun}
        sha256 = await self._file.spool.close()
        name = _clean(self._file.multipart_filename or "")
        return Received(self._file.spool.path, sha256, self._file.spool.bytes, name, fields)

    async def abort(self) -> None:
        """Remove what has arrived; again is no error, and neither is a file that was moved away."""
        await self._file.spool.discard()

    @property
    def bytes(self) -> int:
        """How much of the file has arrived."""
        return self._file.spool.bytes

    def _targets(self) -> "list[_Target]":
        return [self._file, *self._fields.values()]

    def _heard(self) -> int:
        return sum(target.heard for target in self._targets())


class _Target(BaseTarget):  # type: ignore[misc]
    """One part of the body, which may come once."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.begun = False
        self.ended = True
        self.heard = 0

    def on_start(self) -> None:
        if self.begun:
            raise Invalid.field(self.name, "is given twice")
        self.begun, self.ended = True, False
        self.heard += 1

    def on_data_received(self, chunk: bytes) -> None:
        self.heard += 1
        self.take(chunk)

    def on_finish(self) -> None:
        self.heard += 1
        self.ended = True

    def take(self, chunk: bytes) -> None:
        """Take a piece of the part's content."""
        raise NotImplementedError


class _Text(_Target):
    def __init__(self, name: str, limit: int) -> None:
        super().__init__(name)
        self._limit = limit
        self._held = bytearray()

    def take(self, chunk: bytes) -> None:
        self._held += chunk
        if len(self._held) > self._limit:
            raise Invalid.field(self.name, f"must have at most {self._limit} bytes")

    def text(self) -> str:
        try:
            return self._held.decode()
        except UnicodeDecodeError as e:
            raise Invalid.field(self.name, "must be UTF-8") from e


class _File(_Target):
    def __init__(self, spool: Spool, most: Callable[[bytes], int]) -> None:
        super().__init__("file")
        self.spool = spool
        self._most = most
        self._limit: int | None = None
        self._head = b""

    def take(self, chunk: bytes) -> None:
        if self._limit is None:
            self._head = (self._head + chunk)[:HEAD_BYTES]
            if len(self._head) == HEAD_BYTES:
                self.decide()
        self.spool.add(chunk)
        self._refuse_large()

    def decide(self) -> None:
        """Decide how large the file may be, by what it is."""
        if self._limit is None:
            self._limit = self._most(self._head)
            self._refuse_large()

    def _refuse_large(self) -> None:
        if self._limit is not None and self.spool.bytes > self._limit:
            raise too_large(self._limit)


def too_large(limit: int) -> TooLarge:
    """Return the refusal of a file over `limit` bytes."""
    return TooLarge(detail=f"A file of this kind may have at most {in_words(limit)}.")


def _clean(name: str) -> str:
    """Return a file name as it may be shown: its last part, without controls, at most 200 characters."""
    last = _CONTROL.sub("", re.split(r"[/\\]", name)[-1]).strip()
    return "" if set(last) <= {"."} else last[:200]
