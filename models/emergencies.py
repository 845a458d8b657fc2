"""The `emergencies` collection: messages that take over screens until they are ended or run out.

The document is all there is: nothing is pushed that is not stored, so an emergency survives restarts,
and a screen that was away finds it in its next manifest. Its targets are a question (an id list, a tag
or the whole workspace) that is asked anew each time, so a screen tagged later is a target too.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from core.clock import ids_are_seeded, new_id
from core.errors import Invalid, NotFound
from core.events import announce, workspace_channel
from core.permissions import Actor
from models.base import Document, Duplicate, Ground, Query, Session
from models.claims import claim_media
from models.paging import Listing, Page, contains, page
from models.playback import emergency_digest
from models.revisions import Revisions

Counts = dict[str, int]  # targets, showing, pending, offline
NOBODY_YET: Counts = {"targets": 0, "showing": 0, "pending": 0, "offline": 0}
# Screens of these statuses are not connected: what they last said to show tells nothing of now.
_AWAY = ["offline", "connecting"]


def targets(emergency: Mapping[str, object]) -> Query:
    """Return the query for the screens that `emergency` means: `models.playback.is_target` in MongoDB's words."""
    query: Document = {"workspaceId": emergency["workspaceId"]}
    if emergency["screenIds"] is not None:
        query["_id"] = {"$in": emergency["screenIds"]}
    elif emergency["tag"] is not None:
        query["tags"] = emergency["tag"]
    return query


class Emergencies:
    """Every read, write and announcement of emergencies."""

    def __init__(self, ground: Ground, revisions: Revisions) -> None:
        self._ground = ground
        self._docs = ground.collection("emergencies")
        self._screens = ground.collection("screens")
        self._media = ground.collection("media")
        self._revisions = revisions

    # --- reads ------------------------------------------------------------------------------------------------------

    async def get(self, emergency_id: str, *, by: Actor) -> Document:
        """Return an emergency with its counts. Raises NotFound where `by` may not see it."""
        return await self._counted(await self._load(emergency_id, "emergencies:read", by))

    async def list(self, asked: Listing, *, workspace_id: str | None, active: bool | None, by: Actor) -> Page:
        """Return a page of emergencies, the newest first; `active` picks those in force, or those that are over."""
        now = self._ground.clock.now()
        parts: list[Query] = [by.scope("emergencies:read", workspace_id)]
        if active is True:
            parts.append({"endedAt": None, "expiresAt": {"$gt": now}})
        elif active is False:
            parts.append({"$or": [{"endedAt": {"$ne": None}}, {"expiresAt": {"$lte": now}}]})
        if asked.search:
            parts.append(contains(asked.search, "title", "message"))
        found = await page(self._docs, {"$and": parts}, asked, default_sort="-startedAt")
        counted = await asyncio.gather(*(self._counted(each) for each in found.items))
        return Page(list(counted), found.next, found.total)

    async def _load(self, emergency_id: str, grant: str, by: Actor) -> Document:
        found = await self._docs.get({"_id": emergency_id})
        if found is None:
            raise NotFound
        by.require(grant, found["workspaceId"])
        return found

    async def _counted(self, emergency: Document) -> Document:
        """Return `emergency` with its counts: of this moment while it runs, of its last one afterwards.

        One that has run out counts as ended then, even before the job has written it.
        """
        if emergency["endedAt"] is not None:
            return {**emergency, **emergency["counts"]}
        counts = await self._count(emergency)
        ran_out = emergency["expiresAt"] <= self._ground.clock.now()
        return {**emergency, **counts, **({"endedAt": emergency["expiresAt"]} if ran_out else {})}

    async def _count(self, emergency: Document) -> Counts:
        """Count the target screens: away, showing it by their own report, or neither yet (`pending`)."""
        away = {"$in": ["$status", _AWAY]}
        shows = {"$and": [{"$not": [away]}, {"$eq": ["$emergencyId", emergency["_id"]]}]}
        sums = {name: {"$sum": {"$cond": [test, 1, 0]}} for name, test in (("offline", away), ("showing", shows))}
        grouped = {"$group": {"_id": None, "targets": {"$sum": 1}, **sums}}
        found = await self._screens.aggregate([{"$match": targets(emergency)}, grouped])
        if not found:
            return dict(NOBODY_YET)
        counts = {name: found[0][name] for name in ("targets", "showing", "offline")}
        return counts | {"pending": counts["targets"] - counts["showing"] - counts["offline"]}

    # --- writes -----------------------------------------------------------------------------------------------------

    async def start(
        self,
        workspace_id: str,
        *,
        title: str,
        message: str,
        level: str,
        expires_in: int,
        media_id: str | None = None,
        screen_ids: Sequence[str] | None = None,
        tag: str | None = None,
        by: Actor,
    ) -> Document:
        """Raise an emergency on the screens named, on those with `tag`, or on all of the workspace.

        `expires_in` is in seconds. Raises Invalid for media that cannot be played there and for screens
        of another workspace.
        """
        by.require("emergencies:write", workspace_id)
        now = self._ground.clock.now()
        emergency: Document = {
            "_id": new_id(),
            "workspaceId": workspace_id,
            "title": title,
            "message": message,
            "level": level,
            "mediaId": media_id,
            "screenIds": None if screen_ids is None else list(screen_ids),
            "tag": tag,
            "startedAt": now,
            "expiresAt": now + timedelta(seconds=expires_in),
            "endedAt": None,
            "createdBy": by.id,
        }
        await self._refuse_strangers(emergency)
        emergency["counts"] = await self._count(emergency)

        async def write(session: Session) -> Document:
            media = await self._claim(emergency, session)
            whole = emergency | {"media": media}
            return await self._docs.insert(whole | {"digest": emergency_digest(whole)}, session=session)

        try:
            started = await self._ground.transaction(write)
        except Duplicate:
            earlier = await self._docs.get({"_id": emergency["_id"]}) if ids_are_seeded() else None
            if earlier is None:
                raise
            started = earlier  # our own earlier try under the same Idempotency-Key
        await self._revisions.refresh(targets(started))
        return await self._announce("emergency.started", started)

    async def _refuse_strangers(self, emergency: Document) -> None:
        named = emergency["screenIds"] or []
        query = {"_id": {"$in": named}, "workspaceId": emergency["workspaceId"]}
        known = {screen["_id"] for screen in await self._screens.find(query, projection={"_id": 1})}
        wrong = [
            {"path": f"screenIds.{place}", "message": "is not a screen of this workspace"}
            for place, screen_id in enumerate(named)
            if screen_id not in known
        ]
        if wrong:
            raise Invalid(detail=f"{wrong[0]['path']}: {wrong[0]['message']}.", errors=wrong[:50])

    async def _claim(self, emergency: Document, session: Session) -> Document | None:
        media_id = emergency["mediaId"]
        if media_id is None:
            return None
        found = await claim_media(self._media, [media_id], emergency["workspaceId"], session=session)
        if media_id not in found:
            raise Invalid.field("mediaId", "is missing, not ready, or of another workspace")
        return found[media_id]

    async def end(self, emergency_id: str, *, by: Actor) -> None:
        """End an emergency before its time. One that is over already stays as it is."""
        emergency = await self._load(emergency_id, "emergencies:write", by)
        now = self._ground.clock.now()
        await self._end(emergency, min(now, emergency["expiresAt"]))

    async def end_expired(self, now: datetime) -> int:
        """Write the end of all emergencies that have run out by `now`; return how many. For the job."""
        expired = await self._docs.find({"endedAt": None, "expiresAt": {"$lte": now}})
        ended = [await self._end(emergency, emergency["expiresAt"]) for emergency in expired]
        return sum(ended)

    async def _end(self, emergency: Document, moment: datetime) -> bool:
        """Write one end, and the counts of that moment with it; of two at once one does. Tell whether it was this."""
        counts = await self._count(emergency)
        ended = await self._docs.change(
            {"_id": emergency["_id"], "endedAt": None}, {"$set": {"endedAt": moment, "counts": counts}}
        )
        if ended is None:
            return False
        await self._revisions.refresh(targets(ended))
        await self._announce("emergency.ended", ended)
        return True

    async def report_progress(self) -> int:
        """Announce `emergency.progress` of each running emergency whose counts have changed; return how many.

        For a job that runs each second or so: however many screens report at once, there is one event
        a turn, and screens that went offline or got the tag count too.
        """
        told = 0
        for emergency in await self._docs.find({"endedAt": None}):
            counts = await self._count(emergency)
            if counts == emergency["counts"]:
                continue
            query = {"_id": emergency["_id"], "endedAt": None, "counts": emergency["counts"]}
            changed = await self._docs.change(query, {"$set": {"counts": counts}})
            if changed is not None:
                await self._announce("emergency.progress", changed)
                told += 1
        return told

    async def drop_workspace(self, workspace_id: str) -> None:
        """Delete the emergencies of a workspace that goes, with its screens."""
        await self._docs.delete_all({"workspaceId": workspace_id})

    async def _announce(self, name: str, emergency: Document) -> Document:
        counted = await self._counted(emergency)
        await self._ground.events.publish([announce(name, workspace_channel(emergency["workspaceId"]), counted)])
        return counted
