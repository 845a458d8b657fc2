"""Direct uploads: a ticket, a file that goes to the storage past us, and the work of making media of it.

    tickets  {_id, workspaceId, name, bytes, contentType, mediaId|null, expiresAt, sweepAt}

Completing a ticket makes a media that is `processing` (models/processing.py), with `work.ticketId`.
"""

import contextlib
from datetime import timedelta
from pathlib import Path

import structlog

from core.clock import new_id
from core.errors import Conflict, Gone, NotFound, Problem, TooLarge, UnsupportedType
from core.permissions import Actor
from core.ports import DirectUploads, Storage
from core.sizes import in_words
from models.base import Document, Ground, Session
from models.intake import Intake
from models.media import Media
from models.processing import TYPES, Processing
from models.quotas import Quotas

log = structlog.get_logger("marquee.tickets")

LIFE = timedelta(hours=1)
SWEEP = timedelta(minutes=65)  # after which Cloudinary takes nothing more on the ticket


class Tickets:
    """Every ticket, and what was uploaded on it: a `Source` of media that are `processing`."""

    def __init__(
        self,
        ground: Ground,
        *,
        storage: Storage,
        media: Media,
        intake: Intake,
        quotas: Quotas,
        processing: Processing,
    ) -> None:
        self._ground = ground
        self._docs = ground.collection("tickets")
        self._media_docs = ground.collection("media")
        self._storage = storage
        self._media = media
        self._intake = intake
        self._quotas = quotas
        self._processing = processing
        processing.sources["ticketId"] = self

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
            raise TooLarge(detail=f"Media of this kind may have at most {in_words(limit)}.")
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
        kind = TYPES[ticket["contentType"]]
        home, name, size = ticket["workspaceId"], ticket["name"], ticket["bytes"]
        media = self._processing.new(home, name, kind, size, ticketId=ticket_id)

        async def write(session: Session) -> bool:
            free = {"_id": ticket_id, "mediaId": None}
            if not await self._docs.update(free, {"$set": {"mediaId": media["_id"]}}, session=session):
                return False
            await self._processing.insert(media, session=session)
            return True

        if not await self._ground.transaction(write):
            return await self.complete(ticket_id, by=by)
        return await self._processing.begin(media), True

    async def fetch(self, work: Document, folder: Path) -> Path:
        """Bring what was uploaded on a ticket into `folder`. Raises Problem."""
        raw, limit = folder / "raw", self._intake.most(TYPES[work["contentType"]])
        now = self._ground.clock.now()
        await self._direct().fetch(work["ticketId"], work["contentType"], raw, most=limit, now=now)
        return raw

    async def discard(self, work: Document) -> None:
        """Destroy the raw upload; where that fails, the next sweep does it."""
        ticket_id = work["ticketId"]
        try:
            await self._direct().discard(ticket_id)
        except Problem as e:
            log.warning("ticket.not_discarded", ticket=ticket_id, code=e.code)
            with contextlib.suppress(Problem):  # MongoDB away too: then it goes with the ticket
                await self._docs.update({"_id": ticket_id}, {"$set": {"sweepAt": self._ground.clock.now()}})

    async def sweep(self) -> int:
        """Destroy what was uploaded on tickets that nothing more can come on, and forget them; return how many.

        One that has its media, and whose upload could not be destroyed at once, is kept till its time: whoever
        completes it again is to hear of that media.
        """
        now = self._ground.clock.now()
        query: Document = {"sweepAt": {"$lte": now}}
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
            if ticket["expiresAt"] > now:
                await self._docs.update(
                    {"_id": ticket["_id"]}, {"$set": {"sweepAt": ticket["expiresAt"] + SWEEP - LIFE}}
                )
                continue
            swept += await self._docs.delete({"_id": ticket["_id"]})
        return swept
