"""A file that is written as it arrives: hashed on the way, in threads, with little of it in memory."""

import asyncio
import hashlib
import os
import secrets
from pathlib import Path

from models.storage.local import problem_of

# Written at once; as much again may be on its way to the disk. Each batch is handed over between threads, and each
# hand-over waits for the interpreter's lock: of 1 MiB they cost a tenth of a large upload's time. Of 4 MiB, what is
# handed over has left the processor's cache.
BATCH = 2 << 20
PART = ".part"


class Spool:
    """One upload's file in `folder`, under a name of our own.

    `write` waits while a batch before it is still being written, which is what slows a sender down to the
    disk's pace. Whoever makes a spool ends it with `close` (and owns `path` then) or `discard`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{secrets.token_hex(12)}{PART}"
        self.bytes = 0
        self._hash = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._size = 0
        self._file: int | None = None
        self._writing: asyncio.Future[None] | None = None
        self._over = False

    def add(self, piece: bytes) -> None:
        """Take a piece; it is written with the batch that it completes."""
        self._waiting.append(piece)
        self._size += len(piece)
        self.bytes += len(piece)

    async def write(self) -> None:
        """Start writing what waits, once it is a batch. Raises StorageFull or Unavailable for the batch before."""
        if self._size >= BATCH:
            await self._settle()
            self._start()

    async def close(self) -> str:
        """Write the rest and return the SHA-256 of it all, in lower-case hex. Raises as `write` does."""
        await self._settle()
        self._start()
        await self._settle()
        if self._file is not None:
            os.close(self._file)
            self._file = None
        return self._hash.hexdigest()

    async def discard(self) -> None:
        """Remove the file, whatever state it is in; nothing is written after that. Again is no error."""
        self._over = True
        if self._writing is not None:
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._file is not None:
            os.close(self._file)
            self._file = None
        await asyncio.to_thread(self.path.unlink, missing_ok=True)

    def _start(self) -> None:
        if self._over:
            return
        batch, self._waiting, self._size = self._waiting, [], 0
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._append, batch)

    def _append(self, batch: list[bytes]) -> None:
        if self._file is None:
            self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        content = memoryview(b"".join(batch))  # hashed and written piece by piece it would ask for the lock each time
        self._hash.update(content)
        while content:
            content = content[os.write(self._file, content) :]

    async def _settle(self) -> None:
        """Wait until the batch under way is written."""
        writing = self._writing
        if writing is None:
            return
        try:
            await asyncio.shield(writing)
        except OSError as e:
            raise problem_of(e) from e
        finally:
            if writing.done():
                self._writing = None
