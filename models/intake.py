"""How content becomes media: an upload that has arrived is checked, stripped, stored and written down.

Whatever fails on the way leaves nothing: no file, no content, no document (models/blobs.py is the second
line, should the process die).
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import Invalid, TooLarge, UnsupportedType
from core.permissions import Actor
from core.sizes import in_words
from models.base import Document, Ground
from models.blobs import Blobs
from models.media import Media, content_of, new_media
from models.quotas import Quotas
from models.storage.local import problem_of
from models.storage.probe import Probed, Prober
from models.storage.sniff import KINDS, Kind, sniff


@dataclass(frozen=True, slots=True)
class Details:
    """What a sender says of an upload. `duration_ms` is an image's default time on screen."""

    name: str = ""
    tags: Sequence[str] = ()
    duration_ms: int | None = None
    workspace_id: str | None = None


class Intake:
    """Takes uploads in."""

    def __init__(self, ground: Ground, *, blobs: Blobs, media: Media, quotas: Quotas, prober: Prober) -> None:
        self._ground = ground
        self._blobs = blobs
        self._media = media
        self._quotas = quotas
        self._prober = prober

    def most(self, kind: Kind) -> int:
        """Return the most bytes that a file of this kind may have."""
        settings = self._ground.settings
        return settings.max_image_bytes if kind.type == "image" else settings.max_video_bytes

    def most_of(self, head: bytes) -> int:
        """Return the most bytes for a file that starts with `head`. Raises UnsupportedType."""
        if not head:
            raise UnsupportedType(detail="The file is empty.")
        kind = sniff(head)
        if kind is None:
            raise UnsupportedType(detail=f"Only {', '.join(KINDS)} are taken, whatever a file is called.")
        return self.most(kind)

    async def place(self, sha256: str, size: int, details: Details, *, by: Actor) -> tuple[str, Document | None]:
        """Return the workspace that an upload goes to, and the media that it has of the same content already.

        Raises NotFound, Forbidden, and TooLarge `quota_exceeded` where there is neither the same nor room for it.
        """
        home = await self._media.home(details.workspace_id, by=by)
        twin, held = await asyncio.gather(self._media.same(home, sha256), self._quotas.of(home))
        if twin is None:
            self._quotas.refuse_over(held["usedBytes"] + size)
        return home, twin

    async def add(self, source: Path, sha256: str, home: str, details: Details) -> tuple[Document, bool]:
        """Make media of the file at `source` in the workspace `home`; return it and whether it is new.

        What turns out to be the same content as another's gives that, unchanged. The source may be moved
        away. Raises UnsupportedType, Invalid, TooLarge (`quota_exceeded`), StorageFull, Unavailable.
        """
        async with self.scratch() as folder:
            probed = await self.probe(source, folder)
            if probed.type == "video" and details.duration_ms is not None:
                raise Invalid.field("durationMs", "is for images: a video plays its own length")
            fresh = new_media(home, details.name or "Untitled", details.tags, self._ground.clock.now())
            fresh |= content_of(probed) | {"sources": [sha256], "durationMs": probed.duration_ms or details.duration_ms}
            async with self.stored(probed):
                return await self._media.add(fresh)

    async def probe(self, source: Path, folder: Path, *, most: int | None = None) -> Probed:
        """Have the worker look at `source` and write what will be served into `folder`.

        `most` is how many bytes such a file may have, where that is not what media of its kind may.
        """
        with self._ground.metrics.probe_seconds.time():
            probed = await self._prober.probe(source, folder)
        limit = most or self.most(KINDS[probed.ext])
        if probed.bytes > 2 * limit:  # a copy is about as large as its source: this one was a bomb
            raise TooLarge(detail=f"A file of this kind may have at most {in_words(limit)}.")
        return probed

    def stored(self, probed: Probed) -> AbstractAsyncContextManager[None]:
        """Store content and thumbnail; they stay if the block writes down a reference, and go if it fails."""
        return self._blobs.storing(probed.key, probed.path, {probed.thumbnail_key: probed.thumbnail_path})

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        """Give a folder for one upload's files, on the disk that they end up on; it is removed with what is in it."""
        incoming = self._ground.settings.data_dir / "incoming"
        try:
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=incoming))
        except OSError as e:
            raise problem_of(e) from e
        try:
            yield folder
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
