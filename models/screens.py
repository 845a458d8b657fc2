"""The `screens` collection: what operators do with displays that are paired.

Operators' edits raise `version`; what displays report does not (models/beats.py). What was last seen and what
is playing is in Redis before it is here (models/leases.py): reads join the two, so that what an event said is
never ahead of a fresh read.
"""

import asyncio
import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime

from core.breaker import RedisAway
from core.clock import new_id
from core.errors import NotFound, VersionMismatch
from core.events import announce, workspace_channel
from core.permissions import Actor
from core.shared import Shared
from models.access import Access
from models.base import Document, Ground, Query, Session
from models.claims import claim_playlist
from models.commands import Commands
from models.leases import Leases, Live
from models.manifests import Manifests
from models.own_screens import OwnScreens
from models.paging import Listing, Page, contains, page
from models.revisions import SCREEN_FIELDS, Revisions
from models.statuses import Statuses

_DELETED_AT_ONCE = 500
_REVOKED_AT_ONCE = 20  # of the store's 100 connections


def new_screen(name: str, workspace_id: str, now: datetime) -> Document:
    """Return a screen as it begins, without what its display brings (models/pairings.py)."""
    return {
        "_id": new_id(),
        "workspaceId": workspace_id,
        "name": name,
        "location": "",
        "tags": [],
        "orientation": "landscape",
        "timezone": "UTC",
        "playlistId": None,
        "volume": 100,
        "revision": "",
        "createdAt": now,
        "version": 1,
    }


class Screens:
    """Every read and every operator's write of single screens; many at once are models/fleet.py's."""

    def __init__(
        self,
        ground: Ground,
        *,
        access: Access,
        leases: Leases,
        revisions: Revisions,
        manifests: Manifests,
        commands: Commands,
        statuses: Statuses,
    ) -> None:
        self._ground = ground
        self._docs = ground.collection("screens")
        self._playlists = ground.collection("playlists")
        self._access = access
        self._leases = leases
        self._revisions = revisions
        self._own = OwnScreens(ground, revisions)
        self._manifests = manifests
        self._commands = commands
        self._statuses = statuses
        self._lists: Shared[Page] = Shared()

    # --- reads ------------------------------------------------------------------------------------------------------

    async def get(self, screen_id: str, *, by: Actor) -> Document:
        """Return a screen. Raises NotFound where `by` may not see it."""
        return (await self._dressed([await self.load(screen_id, "screens:read", by)]))[0]

    async def list(self, asked: Listing, *, workspace_id: str | None, filters: Mapping[str, object], by: Actor) -> Page:
        """Return a page of the screens of one workspace or of all of the caller's.

        `filters` may have `status, tag, playlistId, inSync`. The order by `lastSeenAt` is that of the last write to
        MongoDB, up to a minute old; the times shown are fresh.

        Whoever asks for the same of the same workspaces at the same moment is given the same page: it is only read.
        """
        query: Document = by.scope("screens:read", workspace_id)
        query |= {name: value for name, value in filters.items() if name != "tag"}
        if asked.search:
            query |= contains(asked.search, "name", "location", "tags")
        tag = {"tags": str(filters["tag"])} if "tag" in filters else {}

        async def read() -> Page:
            found = await page(self._docs, query, asked, default_sort="name", exact=tag)
            return Page(await self._dressed(found.items), found.next, found.total)

        # What the caller may see is in the query, so those with the same query may see the same.
        return await self._lists.of(repr((query, tag, asked)), read)

    async def history(self, screen_id: str, asked: Listing, *, by: Actor) -> Page:
        """Return a page of a screen's status changes, the newest first."""
        await self.load(screen_id, "screens:read", by)
        return await self._statuses.list(screen_id, asked)

    async def preview(self, screen_id: str, at: datetime | None, *, by: Actor) -> Document:
        """Return what should be on a screen at a moment, by default now, and why (`PREVIEW`)."""
        return await self._manifests.preview(await self.get(screen_id, by=by), at)

    async def commands(self, screen_id: str, asked: Listing, *, by: Actor) -> Page:
        """Return a page of a screen's commands, the newest first."""
        await self.load(screen_id, "screens:read", by)
        return await self._commands.list(screen_id, asked)

    async def load(self, screen_id: str, grant: str, by: Actor) -> Document:
        """Return a screen as it is stored, for whoever holds `grant`. Raises NotFound, Forbidden."""
        found = await self._docs.get({"_id": screen_id})
        if found is None:
            raise NotFound
        by.require(grant, found["workspaceId"])
        return found

    async def _dressed(self, screens: Sequence[Document]) -> builtins.list[Document]:
        """Join what Redis knows better; without Redis MongoDB knows best."""
        try:
            live = await self._leases.read([screen["_id"] for screen in screens])
        except RedisAway:
            return [*screens]
        return [_with_live(screen, live.get(screen["_id"])) for screen in screens]

    # --- the screen itself ------------------------------------------------------------------------------------------

    async def manifest_revision(self, *, by: Actor) -> str:
        """Return the revision of the calling screen's manifest. Raises Unauthenticated when the screen is gone."""
        return await self._own.wanted(by=by)

    async def manifest(self, *, by: Actor) -> Document:
        """Return the calling screen's manifest (`MANIFEST`)."""
        return await self._manifests.of(await self._own.get(by=by))

    # --- edits ------------------------------------------------------------------------------------------------------

    async def edit(self, screen_id: str, changes: Document, *, if_version: int | None, by: Actor) -> Document:
        """Change a screen's `name, location, tags, orientation, timezone, volume`."""
        await self.load(screen_id, "screens:write", by)
        edited = await self._docs.edit({"_id": screen_id}, changes, if_version=if_version)
        if changes.keys().isdisjoint(SCREEN_FIELDS):  # nothing of it is shown on the screen
            return (await self._tell([edited]))[0]
        return await self._follow(screen_id)

    async def assign(self, screen_id: str, playlist_id: str | None, *, if_version: int | None, by: Actor) -> Document:
        """Give a screen a playlist of its workspace, or none. Raises Invalid for another's."""
        screen = await self.load(screen_id, "screens:write", by)

        async def write(session: Session) -> None:
            await self._claim(playlist_id, screen["workspaceId"], session)
            query = {"_id": screen_id}
            await self._docs.edit(query, {"playlistId": playlist_id}, if_version=if_version, session=session)

        await self._ground.transaction(write)
        return await self._follow(screen_id)

    async def command(
        self, screen_id: str, name: str, args: Document, *, expires_in: int | None, by: Actor
    ) -> Document:
        """Send a command to one screen, and return it."""
        screen = await self.load(screen_id, "screens:command", by)
        return (await self._commands.order([screen], name, args, expires_in=expires_in, by=by))[0]

    async def _claim(self, playlist_id: str | None, workspace_id: str, session: Session) -> None:
        if playlist_id is not None:
            await claim_playlist(self._playlists, playlist_id, workspace_id, session=session)

    async def _follow(self, screen_id: str) -> Document:
        found = await self.follow([screen_id])
        if not found:
            raise NotFound  # deleted at the same moment
        return found[0]

    async def follow(self, screen_ids: Sequence[str]) -> builtins.list[Document]:
        """Bring edited screens' revisions up to date, announce the screens and return those that are there."""
        query: Query = {"_id": {"$in": list(screen_ids)}}
        await self._revisions.refresh(query)
        return await self._tell(await self._docs.find(query))

    async def _tell(self, edited: Sequence[Document]) -> builtins.list[Document]:
        """Announce edited screens and return them as the outside sees them."""
        screens = await self._dressed(edited)
        await self._ground.events.publish(
            [announce("screen.updated", workspace_channel(screen["workspaceId"]), screen) for screen in screens]
        )
        return screens

    # --- the end ----------------------------------------------------------------------------------------------------

    async def delete(self, screen_id: str, *, if_version: int | None, by: Actor) -> None:
        """Delete a screen with its commands and history; its credential ends with it."""
        await self.load(screen_id, "screens:write", by)
        guard = {} if if_version is None else {"version": if_version}
        screen = await self._docs.take({"_id": screen_id, **guard})
        if screen is None:
            raise VersionMismatch if await self._docs.get({"_id": screen_id}) else NotFound
        await self._clean_up([screen])

    async def drop_workspace(self, workspace_id: str) -> None:
        """Delete all screens of a workspace; again is no error."""
        query = {"workspaceId": workspace_id}
        while screens := await self._docs.find(query, limit=_DELETED_AT_ONCE, projection={"workspaceId": 1}):
            await self._docs.delete_all({"_id": {"$in": [screen["_id"] for screen in screens]}})
            await self._clean_up(screens)

    async def _clean_up(self, screens: Sequence[Document]) -> None:
        """End the credentials of screens that were deleted, tell of it, and delete what was theirs."""
        ids = [screen["_id"] for screen in screens]
        for start in range(0, len(ids), _REVOKED_AT_ONCE):
            some = ids[start : start + _REVOKED_AT_ONCE]
            await asyncio.gather(*(self._access.revoke_screen(one) for one in some))
        await self._commands.drop(ids)
        await self._statuses.drop(ids)
        await self.forget_live(ids)
        await self._ground.events.publish(
            [
                announce("screen.deleted", workspace_channel(screen["workspaceId"]), {"screenId": screen["_id"]})
                for screen in screens
            ]
        )

    async def forget_live(self, screen_ids: Sequence[str]) -> None:
        """Forget what Redis knows of screens that are gone, or have another display."""
        try:
            await self._leases.forget(screen_ids)
        except RedisAway:
            return  # a lease ends by itself; nobody asks for the rest


def _with_live(screen: Document, live: Live | None) -> Document:
    if live is None:
        return screen
    seen = screen["lastSeenAt"]
    joined = screen | {"lastSeenAt": live.last_seen_at if seen is None else max(seen, live.last_seen_at)}
    return joined | {"nowPlaying": live.playing} if live.said else joined
