"""Media on this machine's disk: files named by their content's hash, served by this server under signed addresses."""

import asyncio
import errno
import os
import secrets
import shutil
from datetime import datetime
from pathlib import Path

import structlog

from core.errors import StorageFull, Unavailable
from core.ports import DirectUploads
from core.signatures import Signatures, window_expiry
from models.storage.keys import split

log = structlog.get_logger("marquee.storage")
PARTS = "parts"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def problem_of(error: OSError) -> StorageFull | Unavailable:
    """Return what a failed write is to the caller: a full disk, or a disk that is not well."""
    if error.errno in FULL:
        return StorageFull()
    log.error("storage.failed", error=error.strerror, errno=error.errno)
    return Unavailable(detail="The server's storage is not well: try again in a moment.")


class LocalStorage:
    """Files under `root`: `ab/<sha256>.<ext>` and `thumbs/ab/<sha256>.<ext>`.

    A file appears under its name whole or not at all, and is on disk when `put` returns; what comes from another
    disk is in `parts` until it is all here. File work runs
    in threads, so that the loop never waits for the disk.
    """

    name = "local"
    direct: DirectUploads | None = None

    def __init__(self, root: Path, signatures: Signatures) -> None:
        self._root = root
        self._parts = root / PARTS
        self._parts.mkdir(parents=True, exist_ok=True)
        self._signatures = signatures

    def path(self, key: str) -> Path:
        """Return where `key` lies, whether it is there or not."""
        folder, sha256, ext = split(key)
        return self._root / folder / sha256[:2] / f"{sha256}.{ext}"

    async def put(self, source: Path, key: str) -> None:
        """Store `source` under `key`, moving it where it lies on the same disk."""
        try:
            await asyncio.to_thread(_place, source, self.path(key), self._parts)
        except OSError as e:
            raise problem_of(e) from e

    async def delete(self, key: str) -> None:
        """Remove `key`."""
        try:
            await asyncio.to_thread(self.path(key).unlink, missing_ok=True)
        except OSError as e:
            raise problem_of(e) from e

    def url(self, key: str, now: datetime) -> str:
        """Return the signed path of `key` on this server."""
        return self._signatures.sign(f"/media/{key}", window_expiry(now))

    def file(self, key: str, expiry: str, signature: str, now: datetime) -> tuple[Path, datetime]:
        """Return the file that a signed path names, and when the path expires. Raises Forbidden."""
        return self.path(key), self._signatures.verify(f"/media/{key}", expiry, signature, now)

    def place(self, key: str, made: datetime, expires_at: datetime, *, download: bool) -> Path | str:
        """Return where `key` lies; how long and how it may be read is for this server to keep."""
        return self.path(key)


def _place(source: Path, target: Path, parts: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    _sync(source)
    try:
        source.replace(target)
    except OSError as e:
        if e.errno != errno.EXDEV:
            raise
        _copy(source, target, parts / f"{secrets.token_hex(8)}.part")
    _sync(target.parent)


def _copy(source: Path, target: Path, part: Path) -> None:
    """Copy over a border between disks, by way of `part` on the target's side."""
    try:
        shutil.copyfile(source, part)
        _sync(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
