"""A file that is written as it arrives: hashed on the way, in a thread, with little of it in memory."""

import asyncio
import hashlib
import os
import secrets
import threading
from collections import deque
from pathlib import Path

from models.storage.local import problem_of

BATCH = 1 << 20  # written at once: smaller ones cost more hand-overs, larger ones leave the processor's cache
MOST_AHEAD = 2  # batches that are being written or wait for it: with the one that fills, what an upload has in memory
PART = ".part"


class Spool:
    """One upload's file in `folder`, under a name of our own.

    A thread takes batch after batch as long as there are any. Were it to end after each of them, it would wait for the
    event loop and the loop for it, 25 times in a large upload, and neither would do anything in the meantime.

    `write` waits while MOST_AHEAD batches are not yet written, which is what slows a sender down to the disk's pace.
    Whoever makes a spool ends it with `close` (and owns `path` then) or `discard`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{secrets.token_hex(12)}{PART}"
        self.bytes = 0
        self._hash = hashlib.sha256()
        self._filling: list[bytes] = []
        self._size = 0
        self._file: int | None = None
        self._batches: deque[list[bytes]] = deque()  # the first one is being written
        self._lock = threading.Lock()  # whether the thread goes on or has ended is decided under it
        self._writing: asyncio.Future[None] | None = None
        self._wrote = asyncio.Event()
        self._failure: OSError | None = None
        self._over = False

    def add(self, piece: bytes) -> None:
        """Take a piece; it is written with the batch that it completes."""
        self._filling.append(piece)
        self._size += len(piece)
        self.bytes += len(piece)

    async def write(self) -> None:
        """Let what waits be written, once it is a batch. Raises StorageFull or Unavailable for one before."""
        if self._size < BATCH:
            return
        while len(self._batches) >= MOST_AHEAD:
            self._wrote.clear()
            if len(self._batches) >= MOST_AHEAD:
                await self._wrote.wait()
        self._hand_over()

    async def close(self) -> str:
        """Write the rest and return the SHA-256 of it all, in lower-case hex. Raises as `write` does."""
        self._hand_over()
        if self._writing is not None:
            await asyncio.shield(self._writing)
        self._raise_failure()
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

    def _hand_over(self) -> None:
        """Give the thread what waits, and start one where none is under way."""
        self._raise_failure()
        if self._over:
            return
        with self._lock:
            begins = not self._batches
            self._batches.append(self._filling)
        self._filling, self._size = [], 0
        if begins:
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(None, self._write_all, loop)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise problem_of(self._failure) from self._failure

    # --- in the thread ----------------------------------------------------------------------------------------------

    def _write_all(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write the first batch and those that come meanwhile. After a failure nothing more is written."""
        batch: list[bytes] | None = self._batches[0]
        while batch is not None:
            try:
                self._append(batch)
            except OSError as e:
                self._failure = e
            with self._lock:
                self._batches.popleft()
                if self._over or self._failure is not None:
                    self._batches.clear()
                batch = self._batches[0] if self._batches else None
            loop.call_soon_threadsafe(self._wrote.set)

    def _append(self, batch: list[bytes]) -> None:
        if self._file is None:
            self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        content = memoryview(b"".join(batch))  # hashed and written piece by piece it would ask for the lock each time
        self._hash.update(content)
        while content:
            content = content[os.write(self._file, content) :]
