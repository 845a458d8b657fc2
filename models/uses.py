"""What plays a media: playlists and running emergencies, and what becomes of them when it changes or goes.

The first three methods run inside the transaction that edits or deletes the media, so nothing refers
to media that are gone (see `models/claims.py`); `follow` tells screens and dashboards after the commit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from models.base import Document, Ground, Session
from models.claims import playable
from models.emergencies import targets
from models.playback import emergency_digest
from models.playlist_items import with_items
from models.playlists import Playlists
from models.revisions import Revisions


@dataclass
class Affected:
    """What a change of media has changed besides."""

    playlist_ids: list[str] = field(default_factory=list)
    emergencies: list[Document] = field(default_factory=list)


class Uses:
    """Who plays which media."""

    def __init__(self, ground: Ground, playlists: Playlists, revisions: Revisions) -> None:
        self._clock = ground.clock
        self._playlists = ground.collection("playlists")
        self._emergencies = ground.collection("emergencies")
        self._store = playlists
        self._revisions = revisions

    async def of(self, media_id: str, *, session: Session) -> list[Document]:
        """Return what plays the media, as `usedBy` lists it: playlists, then emergencies whose end is not written."""
        playlists = await self._playlists.find({"items.mediaId": media_id}, session=session, projection={"name": 1})
        running = await self._emergencies.find({"mediaId": media_id, "endedAt": None}, session=session)
        return [
            *({"type": "playlist", "id": each["_id"], "name": each["name"]} for each in playlists),
            *({"type": "emergency", "id": each["_id"], "name": each["title"]} for each in running),
        ]

    async def drop(self, media_id: str, *, session: Session) -> Affected:
        """Take the media out of every playlist; running emergencies go on with their words only."""

        def without(items: list[Document]) -> list[Document]:
            return [item for item in items if item["mediaId"] != media_id]

        affected = Affected(await self._rebuild(media_id, without, session))
        query = {"mediaId": media_id, "endedAt": None}
        for emergency in await self._emergencies.find(query, session=session):
            changes: Document = {"mediaId": None, "media": None}
            changes["digest"] = emergency_digest(emergency | changes)
            await self._emergencies.update({"_id": emergency["_id"]}, {"$set": changes}, session=session)
            affected.emergencies.append(emergency)
        return affected

    async def refresh(self, media: Document, *, session: Session) -> Affected:
        """Carry an edit of the media (an image's default duration) into the playlists that play it."""

        def with_this(items: list[Document]) -> list[Document]:
            kept = playable(media)
            return [item | {"media": kept} if item["mediaId"] == media["_id"] else item for item in items]

        return Affected(await self._rebuild(media["_id"], with_this, session))

    async def _rebuild(
        self, media_id: str, change: Callable[[list[Document]], list[Document]], session: Session
    ) -> list[str]:
        """Write the items of every playlist with the media anew; return the playlists' ids."""
        now, found = self._clock.now(), await self._playlists.find({"items.mediaId": media_id}, session=session)
        for playlist in found:
            changes = with_items(change(playlist["items"])) | {"updatedAt": now}
            await self._playlists.edit({"_id": playlist["_id"]}, changes, if_version=None, session=session)
        return [playlist["_id"] for playlist in found]

    async def follow(self, affected: Affected) -> None:
        """Bring the screens up to date and announce the playlists, after the commit."""
        if affected.playlist_ids:
            await self._revisions.refresh({"playlistId": {"$in": affected.playlist_ids}})
        for emergency in affected.emergencies:
            await self._revisions.refresh(targets(emergency))
        await self._store.announce_updated(affected.playlist_ids)
