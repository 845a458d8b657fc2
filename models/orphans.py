"""The second line behind every upload: finds what was left by processes that died on the way, and removes it."""

import asyncio
import shutil
from pathlib import Path

from models.base import Ground
from models.blobs import Blobs
from models.large_uploads import LargeUploads
from models.storage.local import PARTS
from models.tickets import Tickets

OLD_SECONDS = 3600  # without a write; the longest pause in an upload is a minute, and a probe takes three


class Orphans:
    """Sweeps content that nothing refers to, expired tickets with what came on them, and cut-off uploads."""

    def __init__(self, ground: Ground, blobs: Blobs, tickets: Tickets, uploads: LargeUploads) -> None:
        self._clock = ground.clock
        data = ground.settings.data_dir
        self._folders = (data / "incoming", data / "media" / PARTS)
        self._blobs = blobs
        self._tickets = tickets
        self._uploads = uploads

    async def sweep(self) -> dict[str, int]:
        """Remove what is due, and return how many of each; again, or by two at once, is no harm."""
        return {
            "contents": await self._blobs.sweep(),
            "tickets": await self._tickets.sweep(),
            "files": await self.sweep_files(),
        }

    async def sweep_files(self) -> int:
        """Remove what uploads have left half done or unclaimed on this machine; return how many."""
        before = self._clock.timestamp() - OLD_SECONDS
        half_done = [await asyncio.to_thread(_remove_old, folder, before) for folder in self._folders]
        return sum(half_done) + await self._uploads.sweep()


def _remove_old(folder: Path, before: float) -> int:
    """Remove the entries of `folder` that were last changed before the time `before`."""
    removed = 0
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            if entry.stat().st_mtime >= before:
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()
        except FileNotFoundError:  # its upload has ended just now
            continue
        removed += 1
    return removed
