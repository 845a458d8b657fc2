"""Media that are `processing`: content that is here or at the storage, and still to be checked, stripped and stored.

    media.work  {ticketId | file, contentType, tries, until}: where the raw upload waits (a `Source` knows the key);
                who works on it holds it until `until`, and holds on while the work goes on

The process that took an upload works on it at once. One that dies is followed by the job, which takes up what
nobody holds: within HELD.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import structlog

from core.errors import Invalid, NotFound, Problem
from core.tasks import apart, ended, logged
from models.base import Document, Duplicate, Ground, Session
from models.intake import Intake
from models.media import Media, content_of, new_media
from models.quotas import Quotas
from models.storage.sniff import KINDS, Kind

log = structlog.get_logger("marquee.processing")

HELD = timedelta(seconds=60)  # for which a media is one process's; it is held on every third of that
PAUSES = (10, 30, 60, 120, 300, 600)  # seconds, while the storage does not answer
TYPES = {kind.content_type: kind for kind in KINDS.values()}


class Source(Protocol):
    """Where raw uploads of one sort wait until they have become media. `work` is a media's."""

    async def fetch(self, work: Document, folder: Path) -> Path:
        """Return where the raw upload is, brought into `folder` unless it is on this disk. Raises Problem."""

    async def discard(self, work: Document) -> None:
        """Destroy the raw upload: its media is done, or never will be. Again is no error; raises nothing."""


class Processing:
    """Every media that is `processing`. `sources` are by the name of the key that they put into `work`."""

    def __init__(self, ground: Ground, *, media: Media, intake: Intake, quotas: Quotas) -> None:
        self._ground = ground
        self._docs = ground.collection("media")
        self._media = media
        self._intake = intake
        self._quotas = quotas
        self.sources: dict[str, Source] = {}
        self._working: set[asyncio.Task[None]] = set()

    def new(self, workspace_id: str, name: str, kind: Kind, size: int, **work: str) -> Document:
        """Return a new media whose content waits where `work` says (`ticketId` or `file`)."""
        now = self._ground.clock.now()
        return new_media(workspace_id, name, [], now) | {
            "type": kind.type,
            "contentType": kind.content_type,
            "ext": kind.ext,
            "bytes": size,
            "sha256": None,
            "width": None,
            "height": None,
            "durationMs": None,
            "status": "processing",
            "failure": None,
            "sources": [],
            "work": {**work, "contentType": kind.content_type, "tries": 0, "until": now},
        }

    async def insert(self, media: Document, *, session: Session) -> None:
        """Write a `new` media, counted in its workspace's quota. Raises TooLarge `quota_exceeded`."""
        await self._quotas.take(media["workspaceId"], media["bytes"], session=session)
        await self._docs.insert(media, session=session)

    async def begin(self, media: Document) -> Document:
        """Announce a media that was inserted, start to work on it, and return it as the outside sees it."""
        shown = await self._media.announce_new(media)
        self._start(media["_id"])
        return shown

    def _start(self, media_id: str) -> None:
        task = apart(self._work(media_id))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def work_on_due(self) -> int:
        """Work on every media that nobody holds, and return how many there were: for the job."""
        due = {"status": "processing", "work.until": {"$lte": self._ground.clock.now()}}
        found = await self._docs.find(due, projection={"_id": 1}, limit=20, sort=[("work.until", 1)])
        for media in found:
            await self._work(media["_id"])
        return len(found)

    async def stop(self) -> None:
        """End the work of this process; the job of another takes it up."""
        await ended(list(self._working))

    # --- the work ---------------------------------------------------------------------------------------------------

    async def _work(self, media_id: str) -> None:
        """Fetch, check and store one media; what fails for good is written down, the rest is tried again."""
        hold = asyncio.ensure_future(self._hold(media_id))
        try:
            media = await asyncio.shield(hold)
            if media is not None:
                await self._work_on(media)
        except asyncio.CancelledError:
            await asyncio.shield(self._let_go(hold))
            raise

    async def _work_on(self, media: Document) -> None:
        try:
            async with self._holding(media["_id"]):
                await self._take_in(media)
        except Problem as e:
            await self._fail(media, e)
        except Exception:  # a defect of ours: tried again and again it would hold a worker for good
            log.exception("processing.defect", media=media["_id"])
            await self._fail(media, Problem())

    async def _let_go(self, hold: "asyncio.Future[Document | None]") -> None:
        """Let others take at once what we hold, or were about to hold."""
        media = await hold
        if media is not None:
            await self._pause(media, 0)

    async def _hold(self, media_id: str) -> Document | None:
        now = self._ground.clock.now()
        free = {"_id": media_id, "status": "processing", "work.until": {"$lte": now}}
        return await self._docs.change(free, {"$set": {"work.until": now + HELD}, "$inc": {"work.tries": 1}})

    @asynccontextmanager
    async def _holding(self, media_id: str) -> AsyncIterator[None]:
        """Hold a media on for as long as the block takes."""
        task = apart(logged(self._hold_on(media_id)))
        try:
            yield
        finally:
            await ended([task])

    async def _hold_on(self, media_id: str) -> None:
        while True:
            await asyncio.sleep(HELD.total_seconds() / 3)
            with contextlib.suppress(Problem):  # a store that is away for a moment: there are two more tries
                until = {"$set": {"work.until": self._ground.clock.now() + HELD}}
                await self._docs.update({"_id": media_id, "status": "processing"}, until)

    def _source(self, media: Document) -> Source:
        return next(source for key, source in self.sources.items() if key in media["work"])

    async def _take_in(self, media: Document) -> None:
        source = self._source(media)
        async with self._intake.scratch() as folder:
            probed = await self._intake.probe(await source.fetch(media["work"], folder), folder)
            async with self._intake.stored(probed):
                ready = content_of(probed) | {"durationMs": probed.duration_ms or media["durationMs"]}
                await self._write_down(media, ready)
        await source.discard(media["work"])

    async def _write_down(self, media: Document, changes: Document) -> None:
        """Set what was found, counting the difference in size.

        Raises Invalid for content that is here already, NotFound when the media was deleted or done by another.
        """

        async def write(session: Session) -> Document:
            query = {"_id": media["_id"], "status": "processing"}
            done = await self._docs.change(query, {"$set": changes, "$unset": {"work": ""}}, session=session)
            if done is None:
                raise NotFound(detail="It was deleted meanwhile.")
            await self._quotas.take(media["workspaceId"], changes["bytes"] - media["bytes"], session=session)
            return done

        try:
            done = await self._ground.transaction(write)
        except Duplicate as e:
            raise Invalid(detail="The same content is in this workspace already.") from e
        await self._media.announce("media.updated", done)

    async def _fail(self, media: Document, problem: Problem) -> None:
        tries = media["work"]["tries"]
        if problem.status >= 500 and tries <= len(PAUSES):
            await self._pause(media, PAUSES[tries - 1])
            return
        log.info("processing.failed", media=media["_id"], code=problem.code)
        failed = {"status": "failed", "failure": problem.detail, "bytes": 0}
        with contextlib.suppress(NotFound):
            await self._write_down(media, failed)
        await self._source(media).discard(media["work"])

    async def _pause(self, media: Document, seconds: float) -> None:
        until = self._ground.clock.now() + timedelta(seconds=seconds)
        await self._docs.update({"_id": media["_id"], "status": "processing"}, {"$set": {"work.until": until}})
