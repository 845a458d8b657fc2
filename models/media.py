"""The `media` collection: images and videos, and the content that they are made of.

    {_id, workspaceId, name, tags, type, contentType, ext, bytes, sha256|null, width, height, durationMs|null,
     status, failure|null, sources: [sha256 of what was uploaded], createdAt, version, work?}

Content never changes under a media id. The same content is there once in a workspace (a unique index holds
that) and once in the storage (models/blobs.py). What playlists keep of media is carried along by models/uses.py.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from core.clock import ids_are_seeded, new_id
from core.errors import Conflict, Invalid, NotFound, VersionMismatch
from core.events import announce, workspace_channel
from core.permissions import Actor
from core.ports import Storage
from models.base import Document, Duplicate, Ground, Query, Session
from models.blobs import Blobs
from models.paging import Listing, Page, contains, page
from models.quotas import Quotas
from models.storage.probe import Probed
from models.uses import Uses
from models.workspaces import Workspaces

NAME_LENGTH = 200
SOURCES = 20  # uploads that became the same content; the oldest are forgotten


class Media:
    """Every read, write and announcement of media. Uploads come in through models/intake.py."""

    def __init__(
        self, ground: Ground, *, storage: Storage, blobs: Blobs, workspaces: Workspaces, uses: Uses, quotas: Quotas
    ) -> None:
        self._ground = ground
        self._docs = ground.collection("media")
        self._playlists = ground.collection("playlists")
        self._storage = storage
        self._blobs = blobs
        self._workspaces = workspaces
        self._uses = uses
        self._quotas = quotas
        blobs.used.append(self._refers_to)

    # --- reads ------------------------------------------------------------------------------------------------------

    async def get(self, media_id: str, *, by: Actor) -> Document:
        """Return a media with its URLs and `playlistCount`. Raises NotFound where `by` may not see it."""
        return await self._dressed(await self.load(media_id, "media:read", by))

    async def list(self, asked: Listing, *, workspace_id: str | None, filters: Query, by: Actor) -> Page:
        """Return a page of the media of one workspace or of all of the caller's; `filters`: `type`, `tag`, `status`."""
        parts: list[Query] = [by.scope("media:read", workspace_id)]
        parts += [{name: value} for name, value in filters.items() if name != "tag"]
        if asked.search:
            parts.append(contains(asked.search, "name", "tags"))
        query = parts[0] if len(parts) == 1 else {"$and": parts}
        tag = {"tags": str(filters["tag"])} if "tag" in filters else {}
        found = await page(self._docs, query, asked, default_sort="-createdAt", exact=tag)
        counts = await self._playlist_counts([each["_id"] for each in found.items])
        return Page([self._dress(each, counts) for each in found.items], found.next, found.total)

    async def load(self, media_id: str, grant: str, by: Actor, session: Session | None = None) -> Document:
        """Return the stored document. Raises NotFound or Forbidden."""
        found = await self._docs.get({"_id": media_id}, session=session)
        if found is None:
            raise NotFound
        by.require(grant, found["workspaceId"])
        return found

    async def home(self, workspace_id: str | None, *, by: Actor) -> str:
        """Return the workspace that new media of `by` go to. Raises NotFound or Forbidden."""
        found = workspace_id or await self._workspaces.personal_id(by=by)
        by.require("media:write", found)
        return found

    async def same(self, workspace_id: str, sha256: str) -> Document | None:
        """Return the media of a workspace whose content, as uploaded or as served, has this hash."""
        either = {"$or": [{"sources": sha256}, {"sha256": sha256}]}
        found = await self._docs.get({"workspaceId": workspace_id, "status": {"$ne": "failed"}, **either})
        return await self._dressed(found) if found else None

    def file(self, key: str, expiry: str, signature: str) -> tuple[Path, datetime]:
        """Return the file that a signed address names, and when that expires. Raises Forbidden, NotFound."""
        return self._storage.file(key, expiry, signature, self._ground.clock.now())

    async def _refers_to(self, key: str) -> bool:
        return await self._docs.get({"sha256": key.partition(".")[0]}, projection={"_id": 1}) is not None

    async def _playlist_counts(self, media_ids: Sequence[str]) -> dict[str, int]:
        """Return in how many playlists each media is; one that is in none is not there."""
        named = {"$in": list(media_ids)}
        stages: list[Query] = [
            {"$match": {"items.mediaId": named}},
            {"$project": {"media": {"$setUnion": ["$items.mediaId", []]}}},
            {"$unwind": "$media"},
            {"$match": {"media": named}},
            {"$group": {"_id": "$media", "playlists": {"$sum": 1}}},
        ]
        return {each["_id"]: each["playlists"] for each in await self._playlists.aggregate(stages)} if media_ids else {}

    async def _dressed(self, media: Document) -> Document:
        return self._dress(media, await self._playlist_counts([media["_id"]]))

    def _dress(self, media: Document, counts: dict[str, int]) -> Document:
        """Return `media` as the outside sees it."""
        urls: Document = {"url": None, "thumbnailUrl": None}
        if media["status"] == "ready":
            now = self._ground.clock.now()
            urls = {
                "url": self._storage.url(f"{media['sha256']}.{media['ext']}", now),
                "thumbnailUrl": self._storage.url(f"thumbs/{media['sha256']}.webp", now),
            }
        return media | urls | {"playlistCount": counts.get(media["_id"], 0)}

    # --- writes -----------------------------------------------------------------------------------------------------

    async def add(self, media: Document) -> tuple[Document, bool]:
        """Insert a new media, counted in its workspace's quota; return it and True.

        Where the workspace has the same content already (somebody else was quicker), return that and False.
        Raises TooLarge `quota_exceeded`.
        """

        async def write(session: Session) -> Document:
            await self._quotas.take(media["workspaceId"], media["bytes"], session=session)
            return await self._docs.insert(media, session=session)

        try:
            made = await self._ground.transaction(write)
        except Duplicate:
            return await self._there_already(media)
        return await self.announce_new(made), True

    async def _there_already(self, media: Document) -> tuple[Document, bool]:
        own = await self._docs.get({"_id": media["_id"]}) if ids_are_seeded() else None
        if own is not None:  # an earlier try under the same Idempotency-Key
            return await self._dressed(own), True
        query = {"workspaceId": media["workspaceId"], "sha256": media["sha256"]}
        change = {"$push": {"sources": {"$each": media["sources"], "$slice": -SOURCES}}}
        twin = await self._docs.change(query, change)
        if twin is None:  # and gone again
            raise Conflict(detail="The same content was just being removed: try again.")
        return await self._dressed(twin), False

    async def edit(self, media_id: str, changes: Document, *, if_version: int | None, by: Actor) -> Document:
        """Change name, tags and an image's `durationMs`; the latter reaches every screen that plays it."""

        async def write(session: Session) -> tuple[Document, Any]:
            present = await self.load(media_id, "media:write", by, session)
            if "durationMs" in changes and present["type"] == "video":
                raise Invalid.field("durationMs", "is for images: a video plays its own length")
            edited = await self._docs.edit({"_id": media_id}, changes, if_version=if_version, session=session)
            carried = edited["durationMs"] != present["durationMs"] and edited["status"] == "ready"
            return edited, await self._uses.refresh(edited, session=session) if carried else None

        edited, affected = await self._ground.transaction(write)
        if affected is not None:
            await self._uses.follow(affected)
        return await self.announce("media.updated", edited)

    async def delete(self, media_id: str, *, force: bool, if_version: int | None, by: Actor) -> None:
        """Delete a media. Raises Conflict `in_use` with what plays it, unless `force` takes it out of there.

        Its content goes too, unless another workspace has the same.
        """

        async def write(session: Session) -> tuple[Document, Any]:
            present = await self.load(media_id, "media:write", by, session)
            if if_version is not None and present["version"] != if_version:
                raise VersionMismatch
            uses = await self._uses.of(media_id, session=session)
            if uses and not force:
                raise Conflict("in_use", "This is being played.", usedBy=uses)
            affected = await self._uses.drop(media_id, session=session) if uses else None
            await self._remove(present, session)
            return present, affected

        gone, affected = await self._ground.transaction(write)
        if affected is not None:
            await self._uses.follow(affected)
        await self._ground.events.publish([announce("media.deleted", workspace_channel(gone["workspaceId"]), gone)])
        if gone["sha256"] is not None:
            await self._blobs.drop_unused(key_of(gone))

    async def _remove(self, media: Document, session: Session) -> None:
        await self._docs.delete({"_id": media["_id"]}, session=session)
        await self._quotas.give_back(media["workspaceId"], media["bytes"], session=session)
        if media["sha256"] is not None:
            await self._blobs.check_soon(key_of(media), session=session)

    async def drop_workspace(self, workspace_id: str) -> None:
        """Delete all media of a workspace that is going; nobody is told, for nobody is left."""
        async for media in self._docs.each({"workspaceId": workspace_id}):

            async def write(session: Session, media: Document = media) -> None:
                await self._remove(media, session)

            await self._ground.transaction(write)
            if media["sha256"] is not None:
                await self._blobs.drop_unused(key_of(media))
        await self._quotas.forget(workspace_id)

    async def announce(self, name: str, media: Document) -> Document:
        """Announce `media` and return it as the outside sees it."""
        return await self._tell(name, await self._dressed(media))

    async def announce_new(self, media: Document) -> Document:
        """Announce a media that was just made, and is in no playlist yet; return it as the outside sees it."""
        return await self._tell("media.created", self._dress(media, {}))

    async def _tell(self, name: str, dressed: Document) -> Document:
        await self._ground.events.publish([announce(name, workspace_channel(dressed["workspaceId"]), dressed)])
        return dressed


def key_of(media: Document) -> str:
    """Return the storage key of a ready media's content."""
    return f"{media['sha256']}.{media['ext']}"


def content_of(probed: Probed) -> Document:
    """Return what a media keeps of its content."""
    return {
        "type": probed.type,
        "contentType": probed.content_type,
        "ext": probed.ext,
        "bytes": probed.bytes,
        "sha256": probed.sha256,
        "width": probed.width,
        "height": probed.height,
        "status": "ready",
        "failure": None,
    }


def new_media(workspace_id: str, name: str, tags: Sequence[str], now: datetime) -> Document:
    """Return a media without content yet."""
    return {
        "_id": new_id(),
        "workspaceId": workspace_id,
        "name": name,
        "tags": list(tags),
        "createdAt": now,
        "version": 1,
    }
