"""Direct uploads: a ticket, a file that goes to the storage past us, and the work of making media of it.

    tickets  {_id, workspaceId, name, bytes, contentType, mediaId|null, expiresAt, sweepAt}
    media.work  {ticketId, contentType, tries, until}: while it is `processing`; who works on it holds it until `until`

Completing a ticket makes a media that is `processing`; a worker fetches, checks, strips and stores it like any
other upload. A process that dies in between is followed by the job, which takes up what nobody holds.
"""

import asyncio
import contextlib
from datetime import timedelta

import structlog

from core.clock import new_id
from core.errors import Conflict, Gone, Invalid, NotFound, Problem, TooLarge, UnsupportedType
from core.permissions import Actor
from core.ports import DirectUploads, Storage
from core.tasks import apart
from models.base import Document, Duplicate, Ground, Session
from models.intake import Intake
from models.media import Media, content_of, new_media
from models.quotas import Quotas
from models.storage.sniff import KINDS

log = structlog.get_logger("marquee.tickets")

LIFE = timedelta(hours=1)
SWEEP = timedelta(minutes=65)  # after which Cloudinary takes nothing more on the ticket
HELD = timedelta(minutes=30)  # longer than a fetch and a probe may take
PAUSES = (10, 30, 60, 120, 300, 600)  # seconds, while the storage does not answer
TYPES = {kind.content_type: kind for kind in KINDS.values()}


class Tickets:
    """Every ticket, and every media that is `processing`."""

    def __init__(self, ground: Ground, *, storage: Storage, media: Media, intake: Intake, quotas: Quotas) -> None:
        self._ground = ground
        self._docs = ground.collection("tickets")
        self._media_docs = ground.collection("media")
        self._storage = storage
        self._media = media
        self._intake = intake
        self._quotas = quotas
        self._working: set[asyncio.Task[None]] = set()

    async def create(self, name: str, size: int, content_type: str, workspace_id: str | None, *, by: Actor) -> Document:
        """Return a ticket for one direct upload.

        Raises Conflict on local storage, UnsupportedType, TooLarge (`quota_exceeded`).
        """
        home = await self._media.home(workspace_id, by=by)
        direct = self._direct()
        kind = TYPES.get(content_type)
        if kind is None:
            raise UnsupportedType(detail=f"Only {', '.join(TYPES)} are taken.")
        limit = self._intake.most(kind)
        if size > limit:
            raise TooLarge(detail=f"Media of this kind may have {limit} bytes.")
        await self._quotas.refuse_full(home, size)
        now = self._ground.clock.now()
        ticket = {
            "_id": new_id(),
            "workspaceId": home,
            "name": name,
            "bytes": size,
            "contentType": content_type,
            "mediaId": None,
            "expiresAt": now + LIFE,
            "sweepAt": now + SWEEP,
        }
        made = await self._docs.insert(ticket)
        url, fields = direct.ticket(made["_id"], content_type, now)
        return {"ticketId": made["_id"], "url": url, "fields": fields, "expiresAt": made["expiresAt"]}

    def _direct(self) -> DirectUploads:
        if self._storage.direct is None:
            raise Conflict(detail="This server keeps media itself: upload to POST /api/media.")
        return self._storage.direct

    async def complete(self, ticket_id: str, *, by: Actor) -> tuple[Document, bool]:
        """Make a `processing` media of what was uploaded on a ticket; again gives the same media and False."""
        self._direct()
        ticket = await self._docs.get({"_id": ticket_id})
        if ticket is None:
            raise NotFound
        by.require("media:write", ticket["workspaceId"])
        if ticket["mediaId"] is not None:
            return await self._media.get(ticket["mediaId"], by=by), False
        if ticket["expiresAt"] <= self._ground.clock.now():
            raise Gone(detail="This ticket has expired.")
        media = self._processing(ticket)

        async def write(session: Session) -> bool:
            free = {"_id": ticket_id, "mediaId": None}
            if not await self._docs.update(free, {"$set": {"mediaId": media["_id"]}}, session=session):
                return False
            await self._quotas.take(media["workspaceId"], media["bytes"], session=session)
            await self._media_docs.insert(media, session=session)
            return True

        if not await self._ground.transaction(write):
            return await self.complete(ticket_id, by=by)
        shown = await self._media.announce("media.created", media)
        self._begin(media["_id"])
        return shown, True

    def _processing(self, ticket: Document) -> Document:
        kind, now = TYPES[ticket["contentType"]], self._ground.clock.now()
        return new_media(ticket["workspaceId"], ticket["name"], [], now) | {
            "type": kind.type,
            "contentType": kind.content_type,
            "ext": kind.ext,
            "bytes": ticket["bytes"],
            "sha256": None,
            "width": None,
            "height": None,
            "durationMs": None,
            "status": "processing",
            "failure": None,
            "sources": [],
            "work": {"ticketId": ticket["_id"], "contentType": ticket["contentType"], "tries": 0, "until": now},
        }

    # --- the work ---------------------------------------------------------------------------------------------------

    def _begin(self, media_id: str) -> None:
        task = apart(self._work(media_id))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def work_on_due(self) -> int:
        """Work on every `processing` media that nobody holds, and return how many there were: for the job."""
        due = {"status": "processing", "work.until": {"$lte": self._ground.clock.now()}}
        found = await self._media_docs.find(due, projection={"_id": 1}, limit=20, sort=[("work.until", 1)])
        for media in found:
            await self._work(media["_id"])
        return len(found)

    async def stop(self) -> None:
        """End the work of this process; the job of another takes it up."""
        working = list(self._working)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    async def _work(self, media_id: str) -> None:
        """Fetch, check and store one media; what fails for good is written down, the rest is tried again."""
        media = await self._hold(media_id)
        if media is None:
            return
        try:
            await self._take_in(media)
        except Problem as e:
            await self._fail(media, e)
        except asyncio.CancelledError:
            await asyncio.shield(self._pause(media, 0))
            raise
        except Exception:
            log.exception("ticket.defect", media=media_id)
            await self._fail(media, Problem())

    async def _hold(self, media_id: str) -> Document | None:
        now = self._ground.clock.now()
        free = {"_id": media_id, "status": "processing", "work.until": {"$lte": now}}
        return await self._media_docs.change(free, {"$set": {"work.until": now + HELD}, "$inc": {"work.tries": 1}})

    async def _take_in(self, media: Document) -> None:
        ticket_id, content_type = media["work"]["ticketId"], media["work"]["contentType"]
        limit = self._intake.most(TYPES[content_type])
        async with self._intake.scratch() as folder:
            raw = folder / "raw"
            now = self._ground.clock.now()
            await self._direct().fetch(ticket_id, content_type, raw, most=limit, now=now)
            probed = await self._intake.probe(raw, folder)
            async with self._intake.stored(probed):
                ready = content_of(probed) | {"durationMs": probed.duration_ms or media["durationMs"]}
                await self._write_down(media, ready)
        await self._discard(ticket_id)

    async def _write_down(self, media: Document, changes: Document) -> None:
        """Set what was found, counting the difference in size. Raises Invalid for content that is here already."""

        async def write(session: Session) -> Document | None:
            await self._quotas.take(media["workspaceId"], changes["bytes"] - media["bytes"], session=session)
            query = {"_id": media["_id"], "status": "processing"}
            change = {"$set": changes, "$unset": {"work": ""}}
            return await self._media_docs.change(query, change, session=session)

        try:
            done = await self._ground.transaction(write)
        except Duplicate as e:
            raise Invalid(detail="The same content is in this workspace already.") from e
        if done is None:
            raise NotFound(detail="It was deleted meanwhile.")
        await self._media.announce("media.updated", done)

    async def _fail(self, media: Document, problem: Problem) -> None:
        tries = media["work"]["tries"]
        if problem.status >= 500 and tries <= len(PAUSES):
            await self._pause(media, PAUSES[tries - 1])
            return
        log.info("ticket.failed", media=media["_id"], code=problem.code)
        failed = {"status": "failed", "failure": problem.detail, "bytes": 0}
        with contextlib.suppress(NotFound):
            await self._write_down(media, failed)
        await self._discard(media["work"]["ticketId"])

    async def _pause(self, media: Document, seconds: float) -> None:
        until = self._ground.clock.now() + timedelta(seconds=seconds)
        await self._media_docs.update({"_id": media["_id"], "status": "processing"}, {"$set": {"work.until": until}})

    async def _discard(self, ticket_id: str) -> None:
        """Destroy the raw upload; where that fails, the sweep does it."""
        try:
            await self._direct().discard(ticket_id)
        except Problem as e:
            log.warning("ticket.not_discarded", ticket=ticket_id, code=e.code)

    async def sweep(self) -> int:
        """Destroy what was uploaded on tickets that nothing more can come on, and forget them; return how many."""
        query: Document = {"sweepAt": {"$lte": self._ground.clock.now()}}
        if self._storage.direct is None:  # it was another storage's
            return await self._docs.delete_all(query)
        swept = 0
        for ticket in await self._docs.find(query, limit=100):
            working = {"_id": ticket["mediaId"], "status": "processing"}
            if await self._media_docs.get(working, projection={"_id": 1}):
                continue
            try:
                await self._direct().discard(ticket["_id"])
            except Problem as e:
                log.warning("ticket.not_discarded", ticket=ticket["_id"], code=e.code)
                continue
            swept += await self._docs.delete({"_id": ticket["_id"]})
        return swept
