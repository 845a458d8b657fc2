"""The `playlists` collection: what screens play in turn.

A playlist's items carry their media resolved (content never changes under a media id), and the
playlist carries the digest of its items, so a screen's manifest and revision are read from the screen,
its playlist and its workspace's emergencies alone. Whatever changes items runs in a transaction that
claims their media, so no playlist is left with media that were deleted at the same moment.
"""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from core.clock import ids_are_seeded, new_id
from core.errors import Conflict, NotFound, VersionMismatch
from core.events import announce, workspace_channel
from core.permissions import Actor
from models.base import Document, Duplicate, Ground, Query, Session
from models.claims import claim_media
from models.paging import Listing, Page, contains, page
from models.playlist_items import build, with_items
from models.revisions import Revisions
from models.workspaces import Workspaces

MOST_ITEMS = 500
NAME_LENGTH = 120
_SHOWN_USES = 500  # of a 409's `usedBy`
_UNASSIGNMENTS = 5  # rounds of a forced deletion: screens may be given the playlist while others lose it


class Playlists:
    """Every read, write and announcement of playlists, and what becomes of the screens that show them."""

    def __init__(self, ground: Ground, workspaces: Workspaces, revisions: Revisions) -> None:
        self._ground = ground
        self._workspaces = workspaces
        self._docs = ground.collection("playlists")
        self._media = ground.collection("media")
        self._screens = ground.collection("screens")
        self._revisions = revisions

    # --- reads ------------------------------------------------------------------------------------------------------

    async def get(self, playlist_id: str, *, by: Actor) -> Document:
        """Return a playlist with its `screenCount`. Raises NotFound where `by` may not see it."""
        return await self._with_count(await self._load(playlist_id, "playlists:read", by))

    async def _load(self, playlist_id: str, grant: str, by: Actor, session: Session | None = None) -> Document:
        found = await self._docs.get({"_id": playlist_id}, session=session)
        if found is None:
            raise NotFound
        by.require(grant, found["workspaceId"])
        return found

    async def _with_count(self, playlist: Document) -> Document:
        """Return `playlist` with the number of screens that show it."""
        return playlist | {"screenCount": await self._screens.count({"playlistId": playlist["_id"]})}

    async def list(self, asked: Listing, *, workspace_id: str | None, by: Actor) -> Page:
        """Return a page of the playlists of one workspace or of all of the caller's, without their items."""
        query: Query = by.scope("playlists:read", workspace_id)
        if asked.search:
            query = {"$and": [query, contains(asked.search, "name", "description")]}
        found = await page(self._docs, query, asked, default_sort="name", projection={"items": 0})
        counts = await self._screen_counts([each["_id"] for each in found.items])
        entries = [each | {"screenCount": counts.get(each["_id"], 0)} for each in found.items]
        return Page(entries, found.next, found.total)

    async def _screen_counts(self, playlist_ids: Sequence[str]) -> dict[str, int]:
        """Return how many screens show each playlist; one that none shows is not there."""
        query = {"$match": {"playlistId": {"$in": playlist_ids}}}
        grouped = {"$group": {"_id": "$playlistId", "screens": {"$sum": 1}}}
        counts = await self._screens.aggregate([query, grouped])
        return {count["_id"]: count["screens"] for count in counts}

    # --- writes -----------------------------------------------------------------------------------------------------

    async def create(
        self, workspace_id: str | None, name: str, *, description: str = "", items: Sequence[Document] = (), by: Actor
    ) -> Document:
        """Make a playlist, by default in the caller's personal workspace. Raises Invalid for items that cannot play."""
        home = workspace_id or await self._workspaces.personal_id(by=by)
        by.require("playlists:write", home)
        now, ids = self._ground.clock.now(), [new_id() for _ in items]
        playlist: Document = {
            "_id": new_id(),
            "workspaceId": home,
            "name": name,
            "description": description,
            "createdAt": now,
            "updatedAt": now,
            "version": 1,
        }

        async def write(session: Session) -> Document:
            media = await self._claim(items, home, session)
            whole = playlist | with_items(build(items, ids, media=media, known=()))
            return await self._docs.insert(whole, session=session)

        made = await self._once(write, playlist["_id"])
        return await self._announce("playlist.created", made)

    async def duplicate(self, playlist_id: str, *, name: str | None = None, by: Actor) -> Document:
        """Make a new playlist with the same items (under new ids), by default named as a copy."""
        source = await self._load(playlist_id, "playlists:write", by)
        items = [{key: value for key, value in item.items() if key != "id"} for item in source["items"]]
        copied = name or f"{source['name'][: NAME_LENGTH - 7]} (copy)"
        return await self.create(source["workspaceId"], copied, description=source["description"], items=items, by=by)

    async def edit(self, playlist_id: str, changes: Document, *, if_version: int | None, by: Actor) -> Document:
        """Change name and description. Screens play on: neither is part of what they show."""
        await self._load(playlist_id, "playlists:write", by)
        changes = changes | {"updatedAt": self._ground.clock.now()}
        edited = await self._docs.edit({"_id": playlist_id}, changes, if_version=if_version)
        return await self._announce("playlist.updated", edited)

    async def set_items(
        self, playlist_id: str, items: Sequence[Document], *, if_version: int | None, by: Actor
    ) -> Document:
        """Replace all items, in this order; an item's `id` must be one of the present items'. Reaches every screen."""
        now, ids = self._ground.clock.now(), [new_id() for _ in items]

        async def write(session: Session) -> Document:
            present = await self._load(playlist_id, "playlists:write", by, session)
            if if_version is not None and present["version"] != if_version:
                raise VersionMismatch
            media = await self._claim(items, present["workspaceId"], session)
            known = {item["id"] for item in present["items"]}
            changes = with_items(build(items, ids, media=media, known=known)) | {"updatedAt": now}
            return await self._docs.edit({"_id": playlist_id}, changes, if_version=None, session=session)

        changed = await self._ground.transaction(write)
        await self._revisions.refresh({"playlistId": playlist_id})
        return await self._announce("playlist.updated", changed)

    async def delete(self, playlist_id: str, *, force: bool, if_version: int | None, by: Actor) -> None:
        """Delete a playlist. Raises Conflict `in_use` with the screens that show it, unless `force` unassigns it.

        No screen is left with a playlist that is gone: assigning one claims it (`models/claims.py`), so
        it is deleted before that, and the assignment refused, or after, and the screen is seen here. Thousands
        of screens are unassigned before the transaction and not in it, where their beats would be in its way.
        """
        present = await self._load(playlist_id, "playlists:write", by)
        if if_version is not None and present["version"] != if_version:
            raise VersionMismatch
        guard = {} if if_version is None else {"version": if_version}

        async def write(session: Session) -> Sequence[Document]:
            shown_by = await self._screens.find(
                {"playlistId": playlist_id},
                session=session,
                sort=[("_id", 1)],
                limit=_SHOWN_USES,
                projection={"name": 1},
            )
            if not shown_by and not await self._docs.delete({"_id": playlist_id, **guard}, session=session):
                raise NotFound if if_version is None else VersionMismatch  # somebody else was quicker
            return shown_by

        for _ in range(_UNASSIGNMENTS if force else 1):
            if force:
                await self._unassign(playlist_id)
            shown_by = await self._ground.transaction(write)
            if not shown_by:
                break
        else:
            uses = [{"type": "screen", "id": screen["_id"], "name": screen["name"]} for screen in shown_by]
            raise Conflict("in_use", "Screens show this playlist.", usedBy=uses)
        channel = workspace_channel(present["workspaceId"])
        await self._ground.events.publish([announce("playlist.deleted", channel, present)])

    async def _unassign(self, playlist_id: str) -> None:
        """Take a playlist off every screen, and tell them and the dashboards that watch them."""
        shown_by = await self._screens.find({"playlistId": playlist_id}, projection={"_id": 1})
        if not shown_by:
            return
        screens: Query = {"_id": {"$in": [screen["_id"] for screen in shown_by]}}
        unassigned = {"$set": {"playlistId": None}, "$inc": {"version": 1}}
        await self._screens.update_all({**screens, "playlistId": playlist_id}, unassigned)
        await self._revisions.refresh(screens)
        async for screen in self._screens.each(screens):
            channel = workspace_channel(screen["workspaceId"])
            await self._ground.events.publish([announce("screen.updated", channel, screen)])

    async def _claim(self, items: Iterable[Document], workspace_id: str, session: Session) -> dict[str, Document]:
        return await claim_media(self._media, {item["mediaId"] for item in items}, workspace_id, session=session)

    async def _once(self, write: Callable[[Session], Coroutine[Any, Any, Document]], playlist_id: str) -> Document:
        """Run a creation; under an Idempotency-Key our own earlier try may have gone through: then return that."""
        try:
            return await self._ground.transaction(write)
        except Duplicate:
            earlier = await self._docs.get({"_id": playlist_id}) if ids_are_seeded() else None
            if earlier is None:
                raise
            return earlier

    async def drop_workspace(self, workspace_id: str) -> None:
        """Delete the playlists of a workspace that goes, with its screens."""
        await self._docs.delete_all({"workspaceId": workspace_id})

    async def announce_updated(self, playlist_ids: Sequence[str]) -> None:
        """Announce playlists whose items were changed from outside (see `models/uses.py`)."""
        for playlist in await self._docs.find({"_id": {"$in": list(playlist_ids)}}) if playlist_ids else []:
            await self._announce("playlist.updated", playlist)

    async def _announce(self, name: str, playlist: Document) -> Document:
        """Announce `playlist` and return it, counted."""
        counted = await self._with_count(playlist)
        await self._ground.events.publish([announce(name, workspace_channel(playlist["workspaceId"]), counted)])
        return counted
