"""`/api/screens`: pairing, looking after and commanding screens."""

from typing import Any

from core import resources as r
from core.errors import Invalid
from core.validation import TIMEZONE, Json, check, choice, ident, moment, tags, text, whole
from handlers.base import ApiHandler, asked
from handlers.endpoint import WORKSPACE_FILTER, ListOf, endpoint, listing
from models.base import Document
from models.fleet import MOST_NAMED
from models.paging import Page

NAME = text(1, 120)
LOCATION = text(0, 200)
DAY_SECONDS = 86_400
PAIR = {
    "code": text(1, 40, required=True),
    "name": NAME,
    "screenId": ident(),
    "workspaceId": ident(),
    "location": LOCATION,
    "tags": tags(),
    "timezone": TIMEZONE,
    "playlistId": ident(nullable=True),
}
EDIT = {
    "name": NAME,
    "location": LOCATION,
    "tags": tags(),
    "orientation": choice(*r.ORIENTATIONS),
    "timezone": TIMEZONE,
    "volume": whole(0, 100),
}
ASSIGN = {"playlistId": ident(required=True, nullable=True)}
MANY = {
    "workspaceId": ident(required=True),
    "screenIds": {
        "type": "list",
        "minlength": 1,
        "maxlength": MOST_NAMED,
        "check_with": "unique",
        "schema": ident(),
    },
    "tag": text(1, 40),
}
ORDER = {
    "name": choice(*r.COMMANDS, required=True),
    "args": {"type": "dict", "default": {}},
    "expiresIn": whole(1, DAY_SECONDS),
}
# What each command takes besides its name; the others take nothing.
ARGS: dict[str, Json] = {
    "identify": {"durationMs": whole(1000, 600_000)},
    "volume": {"volume": whole(0, 100, required=True)},
}
LISTING = listing(
    sort=("name", "status", "lastSeenAt", "createdAt"),
    search=True,
    status=choice(*r.SCREEN_STATUSES),
    tag=text(1, 40),
    playlistId=ident(),
    inSync={"type": "boolean"},
    **WORKSPACE_FILTER,
)
FILTERS = ("status", "tag", "playlistId", "inSync")


def args_of(body: Json) -> Json:
    """Return a command's arguments as its name asks for them. Raises Invalid."""
    rules = {"args": {"type": "dict", "required": True, "schema": ARGS.get(body["name"], {})}}
    return dict(check({"args": body["args"]}, rules)["args"])


def chosen(body: Json) -> Json:
    """Return which screens a call for many means. Raises Invalid unless it has exactly one of the two ways."""
    if ("screenIds" in body) == ("tag" in body):
        raise Invalid.field("screenIds", "or tag: name screens by exactly one of them")
    return {"workspace_id": body["workspaceId"], "screen_ids": body.get("screenIds"), "tag": body.get("tag")}


class PairHandler(ApiHandler):
    """`/api/screens/pair`."""

    @endpoint(
        needs="screens:write",
        body=PAIR,
        returns=r.SCREEN,
        status=201,
        location="/api/screens/{id}",
        problems=(404,),
    )
    async def post(self, body: Json) -> Document:
        """Make a screen of the display that shows a code.

        With `screenId` in place of `name` the display takes the place of an existing screen's, whose credential
        ends. A code is read without regard to case, spaces and hyphens.
        """
        if ("name" in body) == ("screenId" in body):
            raise Invalid.field("name", "or screenId: give exactly one of them")
        code = body.pop("code")
        return await self.stores.pairings.pair(code, body, by=self.actor)


class ScreensHandler(ApiHandler):
    """`/api/screens`."""

    @endpoint(needs="screens:read", query=LISTING, returns=ListOf(r.SCREEN), problems=(404,))
    async def get(self, query: Json) -> Page:
        """List screens."""
        filters = {name: query[name] for name in FILTERS if name in query}
        workspace_id = query.get("workspaceId")
        return await self.stores.screens.list(asked(query), workspace_id=workspace_id, filters=filters, by=self.actor)


class ScreenHandler(ApiHandler):
    """`/api/screens/{id}`."""

    @endpoint(needs="screens:read", returns=r.SCREEN, problems=(404,))
    async def get(self, id: str) -> Document:
        """Read a screen."""
        return await self.stores.screens.get(id, by=self.actor)

    @endpoint(needs="screens:write", body=EDIT, returns=r.SCREEN, problems=(404, 412))
    async def patch(self, id: str, body: Json) -> Document:
        """Change a screen's settings."""
        return await self.stores.screens.edit(id, body, if_version=self.if_version, by=self.actor)

    @endpoint(needs="screens:write", problems=(404, 412))
    async def delete(self, id: str) -> None:
        """Delete a screen; its credential ends and its connection is closed."""
        await self.stores.screens.delete(id, if_version=self.if_version, by=self.actor)


class ScreenPlaylistHandler(ApiHandler):
    """`/api/screens/{id}/playlist`."""

    @endpoint(needs="screens:write", body=ASSIGN, returns=r.SCREEN, problems=(404, 412))
    async def put(self, id: str, body: Json) -> Document:
        """Give a screen a playlist, or none (`null`)."""
        return await self.stores.screens.assign(id, body["playlistId"], if_version=self.if_version, by=self.actor)


class AssignHandler(ApiHandler):
    """`/api/screens/assign`."""

    @endpoint(needs="screens:write", body={**MANY, **ASSIGN}, returns=r.BULK, problems=(404,))
    async def post(self, body: Json) -> Document:
        """Give a playlist, or none, to many screens at once; each has a result of its own."""
        return await self.stores.fleet.assign(body["playlistId"], **chosen(body), by=self.actor)


class CommandsHandler(ApiHandler):
    """`/api/screens/commands`."""

    @endpoint(needs="screens:command", body={**MANY, **ORDER}, returns=r.BULK, status=202, problems=(404,))
    async def post(self, body: Json) -> Document:
        """Send a command to many screens at once; each has a result of its own."""
        return await self.stores.fleet.command(
            body["name"], args_of(body), expires_in=body.get("expiresIn"), **chosen(body), by=self.actor
        )


class CommandHandler(ApiHandler):
    """`/api/screens/commands/{commandId}`."""

    @endpoint(needs="screens:read", returns=r.COMMAND, problems=(404,))
    async def get(self, commandId: str) -> Document:
        """Read a command."""
        return await self.stores.commands.get(commandId, by=self.actor)


class ScreenCommandsHandler(ApiHandler):
    """`/api/screens/{id}/commands`."""

    @endpoint(needs="screens:read", query=listing(), returns=ListOf(r.COMMAND), problems=(404,))
    async def get(self, id: str, query: Json) -> Page:
        """List a screen's commands, the newest first."""
        return await self.stores.screens.commands(id, asked(query), by=self.actor)

    @endpoint(
        needs="screens:command",
        body=ORDER,
        returns=r.COMMAND,
        status=202,
        location="/api/screens/commands/{id}",
        problems=(404,),
    )
    async def post(self, id: str, body: Json) -> Document:
        """Send a command to a screen.

        It waits for a screen that is not connected until it expires: after 300 s unless `expiresIn` says otherwise.
        """
        expires_in = body.get("expiresIn")
        return await self.stores.screens.command(id, body["name"], args_of(body), expires_in=expires_in, by=self.actor)


class ScreenHistoryHandler(ApiHandler):
    """`/api/screens/{id}/history`."""

    @endpoint(needs="screens:read", query=listing(), returns=ListOf(r.STATUS_CHANGE), problems=(404,))
    async def get(self, id: str, query: Json) -> Page:
        """List a screen's status changes of the last 90 days, the newest first."""
        return await self.stores.screens.history(id, asked(query), by=self.actor)


class ScreenPreviewHandler(ApiHandler):
    """`/api/screens/{id}/preview`."""

    @endpoint(needs="screens:read", query={"at": moment()}, returns=r.PREVIEW, problems=(404,))
    async def get(self, id: str, query: Json) -> Document:
        """Say what should be on a screen at a moment, by default now, and why."""
        return await self.stores.screens.preview(id, query.get("at"), by=self.actor)


class OverviewHandler(ApiHandler):
    """`/api/overview`."""

    @endpoint(needs="workspaces:read", query=WORKSPACE_FILTER, returns=r.OVERVIEW, problems=(404,))
    async def get(self, query: Json) -> Any:
        """Sum up a workspace, or all of one's own."""
        return await self.stores.overview.of(query.get("workspaceId"), by=self.actor)


# The fixed addresses come first: `{id}` would match them too.
routes = [
    ("/api/screens", ScreensHandler),
    ("/api/screens/pair", PairHandler),
    ("/api/screens/assign", AssignHandler),
    ("/api/screens/commands", CommandsHandler),
    ("/api/screens/commands/{commandId}", CommandHandler),
    ("/api/screens/{id}", ScreenHandler),
    ("/api/screens/{id}/playlist", ScreenPlaylistHandler),
    ("/api/screens/{id}/commands", ScreenCommandsHandler),
    ("/api/screens/{id}/history", ScreenHistoryHandler),
    ("/api/screens/{id}/preview", ScreenPreviewHandler),
    ("/api/overview", OverviewHandler),
]
