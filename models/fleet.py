"""Many screens at once: those that are named, or all with a tag, of one workspace. Each has a result of its own."""

from collections.abc import Mapping, Sequence
from functools import partial

from core.errors import NotFound
from core.permissions import Actor
from models.base import Document, Ground, Session
from models.claims import claim_playlist
from models.commands import Commands
from models.screens import Screens

MOST_NAMED = 500
_AT_ONCE = 500  # in one transaction: one over thousands of screens would meet every beat that writes one of them
_UNKNOWN = NotFound(detail="There is no such screen in this workspace.").frame()


class Fleet:
    """Assigns and commands many. `screen_ids` None means all screens with `tag`."""

    def __init__(self, ground: Ground, screens: Screens, commands: Commands) -> None:
        self._ground = ground
        self._docs = ground.collection("screens")
        self._playlists = ground.collection("playlists")
        self._screens = screens
        self._commands = commands

    async def assign(
        self,
        playlist_id: str | None,
        *,
        workspace_id: str,
        screen_ids: Sequence[str] | None,
        tag: str | None,
        by: Actor,
    ) -> Document:
        """Give a playlist, or none, to many screens; return the results (`BULK`).

        A screen that is not there is an error of its own; a playlist of another workspace, Invalid, is one for all.
        """
        by.require("screens:write", workspace_id)
        known = [screen["_id"] for screen in await self._chosen(workspace_id, screen_ids, tag)]
        done: dict[str, Document] = {}
        for start in range(0, max(len(known), 1), _AT_ONCE):
            some = known[start : start + _AT_ONCE]
            ids = await self._ground.transaction(partial(self._write, some, playlist_id, workspace_id))
            await self._screens.follow(ids)
            done |= {one: {"screenId": one, "ok": True} for one in ids}
        return _results(screen_ids, done)

    async def _write(
        self, ids: Sequence[str], playlist_id: str | None, workspace_id: str, session: Session
    ) -> list[str]:
        """Write an assignment in a transaction; return those of `ids` that are there."""
        if playlist_id is not None:
            await claim_playlist(self._playlists, playlist_id, workspace_id, session=session)
        query = {"_id": {"$in": list(ids)}, "workspaceId": workspace_id}
        change = {"$set": {"playlistId": playlist_id}, "$inc": {"version": 1}}
        await self._docs.update_all(query, change, session=session)
        found = await self._docs.find(query, session=session, sort=[("_id", 1)], projection={"_id": 1})
        return [screen["_id"] for screen in found]

    async def command(
        self,
        name: str,
        args: Document,
        *,
        expires_in: int | None,
        workspace_id: str,
        screen_ids: Sequence[str] | None,
        tag: str | None,
        by: Actor,
    ) -> Document:
        """Send a command to many screens; return the results (`BULK`) with the commands' ids."""
        by.require("screens:command", workspace_id)
        known = await self._chosen(workspace_id, screen_ids, tag)
        ordered = await self._commands.order(known, name, args, expires_in=expires_in, by=by)
        done = {
            each["screenId"]: {"screenId": each["screenId"], "ok": True, "commandId": each["_id"]} for each in ordered
        }
        return _results(screen_ids, done)

    async def _chosen(self, workspace_id: str, screen_ids: Sequence[str] | None, tag: str | None) -> list[Document]:
        """Return those of the named screens that are there, or all with the tag, in the order of their ids."""
        query: Document = {"workspaceId": workspace_id}
        query |= {"tags": tag} if screen_ids is None else {"_id": {"$in": list(screen_ids)}}
        return await self._docs.find(query, sort=[("_id", 1)], projection={"workspaceId": 1})


def _results(screen_ids: Sequence[str] | None, done: Mapping[str, Document]) -> Document:
    """Return one result a screen: in the order in which they were named, or of all that were done."""
    if screen_ids is None:
        return {"results": [*done.values()]}
    return {"results": [done.get(one, {"screenId": one, "ok": False, "error": _UNKNOWN}) for one in screen_ids]}
