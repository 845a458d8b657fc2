"""The `workspaces` collection: who shares which screens, with members and their roles inside the document.

Members are embedded so that "the last owner stays" is one conditional update, with no race.
"""

from collections.abc import Sequence
from typing import Protocol

from core.clock import new_id
from core.errors import Conflict, Invalid, NotFound, VersionMismatch
from core.permissions import Actor
from models.access import Access, role_in
from models.base import Document, Ground, Session
from models.paging import Listing, Page, contains, page, page_of
from models.users import Users

MOST_MEMBERS = 500  # they stand inside one document, which every membership check reads
SHOWN_USES = 50  # of a 409's `usedBy`


class Content(Protocol):
    """A store whose documents belong to workspaces."""

    async def drop_workspace(self, workspace_id: str) -> None:
        """Delete all that belongs to a workspace; again is no error."""


class Workspaces:
    """Every read and write of workspaces and their members."""

    def __init__(self, ground: Ground, access: Access, users: Users) -> None:
        self._ground = ground
        self._access = access
        self._users = users
        self._docs = ground.collection("workspaces")
        self._screens = ground.collection("screens")
        self.contents: Sequence[Content] = ()  # set by models/stores.py, which knows them all

    def _new(self, workspace_id: str, name: str, owner_id: str, *, personal: bool) -> Document:
        now = self._ground.clock.now()
        return {
            "_id": workspace_id,
            "name": name,
            "personal": personal,
            "personalOf": owner_id if personal else None,
            "members": [{"userId": owner_id, "role": "owner", "joinedAt": now}],
            "createdAt": now,
            "version": 1,
        }

    async def make_personal(self, user: Document, workspace_id: str, *, session: Session | None = None) -> None:
        """Make the workspace that a new account starts with."""
        made = self._new(workspace_id, f"{user['displayName']}'s screens", user["_id"], personal=True)
        await self._docs.insert(made, session=session)

    async def personal_id(self, *, by: Actor) -> str:
        """Return the id of the actor's personal workspace: where things go when no workspace is named."""
        by.require_user()
        held = await self._docs.get({"personalOf": by.id}, projection={"_id": 1})
        if held is None:
            raise Invalid.field("workspaceId", "is required: you have no personal workspace")
        return str(held["_id"])

    async def create(self, name: str, *, by: Actor) -> Document:
        """Make a workspace that the actor owns."""
        by.require_user()
        made = await self._docs.insert(self._new(new_id(), name, by.id, personal=False))
        await self._access.changed(by.id)
        return dressed(made, by)

    async def list(self, listing: Listing, *, by: Actor) -> Page:
        """Return the actor's workspaces."""
        by.require_user()
        query: Document = {"members.userId": by.id}
        if listing.search:
            query = {"$and": [query, contains(listing.search, "name")]}
        found = await page(self._docs, query, listing, default_sort="name")
        return Page([dressed(w, by) for w in found.items], found.next, found.total)

    async def get(self, workspace_id: str, *, by: Actor) -> Document:
        """Return one of the actor's workspaces. Raises NotFound."""
        return dressed(await self._load(workspace_id, "workspaces:read", by), by)

    async def _load(self, workspace_id: str, grant: str, by: Actor) -> Document:
        by.require(grant, workspace_id)
        found = await self._docs.get({"_id": workspace_id})
        if found is None:
            raise NotFound
        return found

    async def rename(self, workspace_id: str, changes: Document, *, if_version: int | None, by: Actor) -> Document:
        """Change a workspace's name. Raises NotFound, Forbidden, VersionMismatch."""
        by.require("workspaces:write", workspace_id)
        return dressed(await self._docs.edit({"_id": workspace_id}, changes, if_version=if_version), by)

    async def delete(self, workspace_id: str, *, force: bool, by: Actor, if_version: int | None = None) -> None:
        """Delete a workspace and all in it. One with screens only with `force`; a personal one never."""
        workspace = await self._load(workspace_id, "workspaces:delete", by)
        if if_version not in {None, workspace["version"]}:
            raise VersionMismatch
        if workspace["personal"]:
            raise Conflict(detail="A personal workspace stays as long as its account.")
        if not force:
            await self._refuse_used(workspace_id)
        for content in self.contents:
            await content.drop_workspace(workspace_id)
        await self._docs.delete({"_id": workspace_id})
        for content in self.contents:  # what came while the first round ran
            await content.drop_workspace(workspace_id)
        await self._access.changed(*(m["userId"] for m in workspace["members"]))

    async def _refuse_used(self, workspace_id: str) -> None:
        screens = await self._screens.find(
            {"workspaceId": workspace_id}, limit=SHOWN_USES, projection={"name": 1}, sort=[("_id", 1)]
        )
        if screens:
            used = [{"type": "screen", "id": s["_id"], "name": s["name"]} for s in screens]
            raise Conflict("in_use", "This workspace has screens.", usedBy=used)

    # --- members ----------------------------------------------------------------------------------------------------

    async def members(self, workspace_id: str, listing: Listing, *, by: Actor) -> Page:
        """Return the members, in the order they joined."""
        workspace = await self._load(workspace_id, "members:read", by)
        found = page_of([m | {"_id": m["userId"]} for m in workspace["members"]], listing, "joinedAt")
        users = await self._users.by_ids([m["userId"] for m in found.items])
        return Page([named(m, users.get(m["userId"])) for m in found.items], found.next, found.total)

    async def _member(self, member: Document) -> Document:
        return named(member, await self._users.by_id(member["userId"]))

    async def add(self, workspace_id: str, email: str, role: str, *, by: Actor) -> Document:
        """Make the account of an address a member. Raises Invalid for an unknown address, Conflict for a member."""
        by.require("members:write", workspace_id)
        user = await self._users.by_email(email)
        if user is None or user["disabled"]:
            raise Invalid.field("email", "has no account on this server")
        member = {"userId": user["_id"], "role": role, "joinedAt": self._ground.clock.now()}
        room = {f"members.{MOST_MEMBERS - 1}": {"$exists": False}}
        absent = {"_id": workspace_id, "members.userId": {"$ne": user["_id"]}, **room}
        if await self._docs.change(absent, {"$push": {"members": member}}) is None:
            await self._load(workspace_id, "members:write", by)
            raise Conflict(detail="That person is a member already, or the workspace is full.")
        await self._access.changed(user["_id"])
        return await self._member(member)

    async def set_role(self, workspace_id: str, user_id: str, role: str, *, by: Actor) -> Document:
        """Change a member's role. The last owner stays one: Conflict."""
        by.require("members:write", workspace_id)
        guard = {} if role == "owner" else another_owner(user_id)
        query = {"_id": workspace_id, "members.userId": user_id, **guard}
        changed = await self._docs.change(
            query, {"$set": {"members.$[m].role": role}}, array_filters=[{"m.userId": user_id}]
        )
        if changed is None:
            await self._refuse_member(workspace_id, user_id)
        assert changed is not None
        await self._access.changed(user_id)
        return await self._member(next(m for m in changed["members"] if m["userId"] == user_id))

    async def remove(self, workspace_id: str, user_id: str, *, by: Actor) -> None:
        """Remove a member; everybody may remove themselves. The last owner cannot leave: Conflict."""
        by.require("workspaces:read" if user_id == by.id else "members:write", workspace_id)
        query = {"_id": workspace_id, "members.userId": user_id, **another_owner(user_id)}
        if await self._docs.change(query, {"$pull": {"members": {"userId": user_id}}}) is None:
            await self._refuse_member(workspace_id, user_id)
        await self._access.changed(user_id)

    async def _refuse_member(self, workspace_id: str, user_id: str) -> None:
        workspace = await self._docs.get({"_id": workspace_id})
        if workspace is None or role_in(workspace, user_id) is None:
            raise NotFound
        raise Conflict(detail="A workspace keeps at least one owner.")

    async def leave_all(self, user_id: str) -> None:
        """Take a deleted user out of every workspace; one that nobody else owns goes to its longest member.

        Their personal one is a workspace like others from then on, which its new owner may delete. One in which
        nobody else is left stays, and nobody can reach it any more.
        """
        while workspaces := await self._docs.find({"members.userId": user_id}):
            for workspace in workspaces:
                await self._leave(workspace, user_id)

    async def _leave(self, workspace: Document, user_id: str) -> None:
        """Take a deleted user out of a workspace, unless its members have changed since it was read."""
        others = [m for m in workspace["members"] if m["userId"] != user_id]
        heirs = others[:1] if not any(m["role"] == "owner" for m in others) else []
        left: Document = {"members": [m | {"role": "owner"} if m in heirs else m for m in others]}
        if workspace["personalOf"] == user_id:
            left |= {"personal": False, "personalOf": None}
        if await self._docs.update({"_id": workspace["_id"], "members": workspace["members"]}, {"$set": left}):
            await self._access.changed(*(m["userId"] for m in heirs))


def named(member: Document, user: Document | None) -> Document:
    """Return a member with what its account is called."""
    shown = user or {"username": "deleted", "displayName": "Deleted user", "email": ""}
    return {**member, **{name: shown[name] for name in ("username", "displayName", "email")}}


def another_owner(user_id: str) -> Document:
    """Return the query part: somebody besides this user owns the workspace, or this user does not."""
    owner_besides = {"members": {"$elemMatch": {"role": "owner", "userId": {"$ne": user_id}}}}
    no_owner = {"members": {"$elemMatch": {"userId": user_id, "role": {"$ne": "owner"}}}}
    return {"$or": [owner_besides, no_owner]}


def dressed(workspace: Document, by: Actor) -> Document:
    """Return a workspace as the actor sees it."""
    return workspace | {"myRole": role_in(workspace, by.id), "memberCount": len(workspace["members"])}
