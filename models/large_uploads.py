"""Videos that are too large to be looked at while their sender waits: answered `processing`, and worked on at once.

Checking and stripping 50 MB takes about half a second, several times what it takes to receive them. The upload
waits in `<data dir>/waiting` under `media.work.file` until it has become content, or was refused.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from core.errors import Invalid, Problem
from core.permissions import Actor
from core.ports import Storage
from models.base import Document, Duplicate, Ground, Session
from models.intake import Details, Intake
from models.media import Media
from models.processing import Processing
from models.storage.local import problem_of
from models.storage.sniff import HEAD_BYTES, Kind, sniff

LARGE = 16_000_000  # bytes; what is smaller is checked in less time than people notice
UNCLAIMED_SECONDS = 60  # after which a waiting file whose media is not there is nobody's
_AT_ONCE = 100  # files that one sweep looks at


class LargeUploads:
    """Takes uploads in: small ones by `Intake` while the sender waits, large videos later."""

    def __init__(
        self,
        ground: Ground,
        *,
        storage: Storage,
        media: Media,
        intake: Intake,
        processing: Processing,
    ) -> None:
        self._ground = ground
        self._docs = ground.collection("media")
        # A storage elsewhere is shared by servers that need not share a disk: there nobody could take over the work.
        self._may_wait = storage.name == "local"
        self._media = media
        self._intake = intake
        self._processing = processing
        self._folder = ground.settings.data_dir / "waiting"
        processing.sources["file"] = self

    async def add(self, source: Path, sha256: str, size: int, details: Details, *, by: Actor) -> tuple[Document, bool]:
        """Make media of the file at `source`; return it (a large video is `processing`) and whether it is new.

        The same content again in one workspace gives what is there already, unchanged. Raises what `Intake.place`
        and `Intake.add` do. What is found wrong with a large video later is its `failure`.
        """
        home, twin = await self._intake.place(sha256, size, details, by=by)
        if twin is not None:
            return twin, False
        kind = await asyncio.to_thread(_kind_of, source) if size >= LARGE and self._may_wait else None
        if kind is None or kind.type != "video":
            return await self._intake.add(source, sha256, home, details)
        if details.duration_ms is not None:
            raise Invalid.field("durationMs", "is for images: a video plays its own length")
        media = self._processing.new(home, details.name or "Untitled", kind, size, file=source.name)
        return await self._begin(source, media | {"tags": list(details.tags), "sources": [sha256]}, by)

    async def _begin(self, source: Path, media: Document, by: Actor) -> tuple[Document, bool]:
        """Let `source` wait under the name that `media` has for it, write the media down, and start the work."""
        waiting = self._folder / source.name
        try:
            await asyncio.to_thread(_move, source, waiting)
        except OSError as e:
            raise problem_of(e) from e

        async def write(session: Session) -> None:
            await self._processing.insert(media, session=session)

        try:
            await self._ground.transaction(write)
        except Duplicate:  # an earlier try under the same Idempotency-Key, whose answer was lost
            await self.discard(media["work"])
            return await self._media.get(media["_id"], by=by), True
        except Problem as e:
            if e.status < 500:  # else the media may be there all the same, and the file is for `sweep` to decide about
                await self.discard(media["work"])
            raise
        return await self._processing.begin(media), True

    async def fetch(self, work: Document, _folder: Path) -> Path:
        """Return where an upload waits. Raises Invalid when it is gone."""
        waiting: Path = self._folder / work["file"]
        if not await asyncio.to_thread(waiting.is_file):
            raise Invalid(detail="The upload was lost: send it again.")
        return waiting

    async def discard(self, work: Document) -> None:
        """Remove an upload that waits no more."""
        await asyncio.to_thread((self._folder / work["file"]).unlink, missing_ok=True)

    async def sweep(self) -> int:
        """Remove files whose media is not there any more, or never was; return how many."""
        before = self._ground.clock.timestamp() - UNCLAIMED_SECONDS
        old = await asyncio.to_thread(_older, self._folder, before)
        claimed = {each["work"]["file"] for each in await self._claims(old)}
        for name in (unclaimed := [name for name in old if name not in claimed]):
            await self.discard({"file": name})
        return len(unclaimed)

    async def _claims(self, names: Sequence[str]) -> list[Document]:
        query = {"status": "processing", "work.file": {"$in": list(names)}}
        return await self._docs.find(query, projection={"work.file": 1}) if names else []


def _kind_of(path: Path) -> Kind | None:
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES))


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    source.rename(target)
    target.touch()  # it begins to wait now, however long it took to arrive


def _older(folder: Path, before: float) -> list[str]:
    """Return the names of files in `folder` that were last changed before the time `before`."""
    if not folder.is_dir():
        return []
    return [each.name for each in folder.iterdir() if each.stat().st_mtime < before][:_AT_ONCE]
