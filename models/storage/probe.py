"""Starts the worker that opens strangers' files (worker.py), and makes of its end a result or a Problem."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import structlog

from core.errors import Invalid, Problem, StorageFull, Unavailable, UnsupportedType

log = structlog.get_logger("marquee.probe")

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 2  # each may take 2 GiB and a core
SECONDS = 60.0  # of wall time for any job ...
BYTES_PER_SECOND = 4_000_000  # ... and more for what is large: 500 MB may take another 2 minutes
OUTPUT = 65_536
UNREADABLE = "The file could not be read."


@dataclass(frozen=True, slots=True)
class Probed:
    """What is to be served of an upload. `sha256`, `bytes` and `path` are of the content that is served.

    `width` and `height` are in pixels as displayed; `duration_ms` is a video's length, None for images.
    """

    type: str
    content_type: str
    ext: str
    sha256: str
    bytes: int
    width: int
    height: int
    duration_ms: int | None
    path: Path
    thumbnail_path: Path
    thumbnail_content_type: str

    @property
    def key(self) -> str:
        """The storage key of the content."""
        return f"{self.sha256}.{self.ext}"

    @property
    def thumbnail_key(self) -> str:
        """The storage key of the thumbnail: named after the content that it shows."""
        return f"thumbs/{self.sha256}.{self.thumbnail_content_type.removeprefix('image/')}"


class Prober:
    """Runs workers, `at_once` at a time; who comes when all are busy waits for a turn."""

    def __init__(self, *, at_once: int = AT_ONCE, seconds: float = SECONDS) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._seconds = seconds

    async def probe(self, source: Path, folder: Path) -> Probed:
        """Check the upload at `source`, and write what will be served of it into `folder` (which exists).

        The source is left alone. Raises UnsupportedType, Invalid (damaged, cut off, too large, or it broke
        the worker) or StorageFull; no process is left behind, whatever happens to the caller.
        """
        return await self._run("probe", source, folder)

    async def thumbnail(self, source: Path, folder: Path) -> Probed:
        """Like `probe`, but write a thumbnail only: `path` is the source, and its metadata stays."""
        return await self._run("thumbnail", source, folder)

    async def _run(self, mode: Literal["probe", "thumbnail"], source: Path, folder: Path) -> Probed:
        size = source.stat().st_size  # noqa: ASYNC240 - one stat of a file just written
        async with self._turns:
            found = await _work(mode, source, folder, self._seconds + size / BYTES_PER_SECOND)
        if "wrong" in found:
            raise _problem(**found["wrong"])
        path = folder / "content" if mode == "probe" else source
        return Probed(**found, path=path, thumbnail_path=folder / "thumbnail")


async def _work(mode: str, source: Path, folder: Path, seconds: float) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "models.storage.worker", mode, str(source), str(folder), str(os.getpid())),
        cwd=ROOT,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    answer, said = b"", b""
    try:
        async with asyncio.timeout(seconds):
            answer, said = await asyncio.gather(_last_of(process.stdout), _last_of(process.stderr))
            await process.wait()
    except TimeoutError:
        said = b"took too long"
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    return _read(process.returncode, answer, said.decode(errors="replace"))


async def _last_of(stream: asyncio.StreamReader) -> bytes:
    """Read `stream` to its end, and return the last of it: it may say more than it is asked."""
    kept = b""
    while piece := await stream.read(OUTPUT):
        kept = (kept + piece)[-OUTPUT:]
    return kept


def _read(status: int | None, answer: bytes, said: str) -> dict[str, Any]:
    """Return what the worker found. Raises Invalid where the file has ended it, Unavailable where we have."""
    try:
        found = json.loads(answer) if status == 0 else None
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    log.warning("probe.failed", status=status, said=said[-1000:])
    if status is not None and status > 0:
        raise Unavailable(detail="Media cannot be checked at the moment: try again.")
    raise Invalid(detail=UNREADABLE)


def _problem(kind: str, detail: str) -> Problem:
    if kind == "full":
        return StorageFull()
    return UnsupportedType(detail=detail) if kind == "unsupported" else Invalid(detail=detail)
