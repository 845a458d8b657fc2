"""`/api/playlists`: what screens play in turn."""

from core.resources import FITS, PLAYLIST, PLAYLIST_ENTRY, TRANSITIONS
from core.validation import Json, choice, ident, moment, text, whole
from handlers.base import ApiHandler, asked
from handlers.endpoint import WORKSPACE_FILTER, ListOf, endpoint, listing
from models.base import Document
from models.paging import Page
from models.playlists import MOST_ITEMS, NAME_LENGTH

DAY_MS = 86_400_000
ITEM = {
    "id": ident(),
    "mediaId": ident(required=True),
    "durationMs": whole(1000, DAY_MS, nullable=True),
    "transition": {**choice(*TRANSITIONS), "default": "none"},
    "fit": {**choice(*FITS), "default": "contain"},
    "validFrom": moment(nullable=True),
    "validTo": moment(nullable=True),
}
ITEMS = {"type": "list", "maxlength": MOST_ITEMS, "schema": {"type": "dict", "schema": ITEM}}
DESCRIPTION = text(0, 2000)
CREATE = {
    "workspaceId": ident(),
    "name": text(1, NAME_LENGTH, required=True),
    "description": DESCRIPTION,
    "items": ITEMS,
}
EDIT = {"name": text(1, NAME_LENGTH), "description": DESCRIPTION}
SET_ITEMS = {"items": {**ITEMS, "required": True}}
DUPLICATE = {"name": text(1, NAME_LENGTH)}
LISTING = listing(sort=("name", "updatedAt", "createdAt"), search=True, **WORKSPACE_FILTER)
FORCE = {"force": {"type": "boolean", "default": False}}


class PlaylistsHandler(ApiHandler):
    """`/api/playlists`."""

    @endpoint(needs="playlists:read", query=LISTING, returns=ListOf(PLAYLIST_ENTRY), problems=(404,))
    async def get(self, query: Json) -> Page:
        """List playlists, without their items."""
        return await self.stores.playlists.list(asked(query), workspace_id=query.get("workspaceId"), by=self.actor)

    @endpoint(
        needs="playlists:write",
        body=CREATE,
        returns=PLAYLIST,
        status=201,
        location="/api/playlists/{id}",
        problems=(404,),
    )
    async def post(self, body: Json) -> Document:
        """Make a playlist, with its items if wanted."""
        return await self.stores.playlists.create(
            body.get("workspaceId"),
            body["name"],
            description=body.get("description", ""),
            items=body.get("items", []),
            by=self.actor,
        )


class PlaylistHandler(ApiHandler):
    """`/api/playlists/{id}`."""

    @endpoint(needs="playlists:read", returns=PLAYLIST, problems=(404,))
    async def get(self, id: str) -> Document:
        """Return a playlist with its items."""
        return await self.stores.playlists.get(id, by=self.actor)

    @endpoint(needs="playlists:write", body=EDIT, returns=PLAYLIST, problems=(404, 412))
    async def patch(self, id: str, body: Json) -> Document:
        """Change a playlist's name or description."""
        return await self.stores.playlists.edit(id, body, if_version=self.if_version, by=self.actor)

    @endpoint(needs="playlists:write", query=FORCE, problems=(404, 409, 412))
    async def delete(self, id: str, query: Json) -> None:
        """Delete a playlist.

        One that screens show is refused with those screens (`in_use`); `force=true` takes it off them.
        """
        await self.stores.playlists.delete(id, force=query["force"], if_version=self.if_version, by=self.actor)


class PlaylistItemsHandler(ApiHandler):
    """`/api/playlists/{id}/items`."""

    @endpoint(needs="playlists:write", body=SET_ITEMS, returns=PLAYLIST, problems=(404, 412))
    async def put(self, id: str, body: Json) -> Document:
        """Set a playlist's items, all of them in their order.

        An item with the `id` that it has keeps it, one without gets a new one. Every screen that shows the
        playlist hears of the change.
        """
        return await self.stores.playlists.set_items(id, body["items"], if_version=self.if_version, by=self.actor)


class PlaylistDuplicateHandler(ApiHandler):
    """`/api/playlists/{id}/duplicate`."""

    @endpoint(
        needs="playlists:write",
        body=DUPLICATE,
        returns=PLAYLIST,
        status=201,
        location="/api/playlists/{id}",
        problems=(404,),
    )
    async def post(self, id: str, body: Json) -> Document:
        """Make a copy of a playlist, under a new name if given."""
        return await self.stores.playlists.duplicate(id, name=body.get("name"), by=self.actor)


routes = [
    ("/api/playlists", PlaylistsHandler),
    ("/api/playlists/{id}", PlaylistHandler),
    ("/api/playlists/{id}/items", PlaylistItemsHandler),
    ("/api/playlists/{id}/duplicate", PlaylistDuplicateHandler),
]
