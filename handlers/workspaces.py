"""`/api/workspaces`: who shares which screens."""

from typing import Any

from core import resources as r
from core.validation import EMAIL, Json, choice, text
from handlers.base import ApiHandler, asked
from handlers.endpoint import ListOf, endpoint, listing

FORCE = {"force": {"type": "boolean"}}
NAME = text(1, 80, required=True)
CREATE = {"name": NAME}
RENAME = {"name": text(1, 80)}
ADD = {"email": EMAIL | {"required": True}, "role": choice(*r.WORKSPACE_ROLES, required=True)}
SET_ROLE = {"role": choice(*r.WORKSPACE_ROLES, required=True)}


class WorkspacesHandler(ApiHandler):
    """`/api/workspaces`."""

    @endpoint(needs="user", query=listing(sort=("name", "createdAt"), search=True), returns=ListOf(r.WORKSPACE))
    async def get(self, query: Json) -> Any:
        """List one's workspaces."""
        return await self.stores.workspaces.list(asked(query), by=self.actor)

    @endpoint(needs="user", body=CREATE, returns=r.WORKSPACE, status=201, location="/api/workspaces/{id}")
    async def post(self, body: Json) -> Any:
        """Make a workspace and own it."""
        return await self.stores.workspaces.create(body["name"], by=self.actor)


class WorkspaceHandler(ApiHandler):
    """`/api/workspaces/{id}`."""

    @endpoint(needs="workspaces:read", returns=r.WORKSPACE, problems=(404,))
    async def get(self, id: str) -> Any:
        """Read a workspace."""
        return await self.stores.workspaces.get(id, by=self.actor)

    @endpoint(needs="workspaces:write", body=RENAME, returns=r.WORKSPACE, problems=(404, 412))
    async def patch(self, id: str, body: Json) -> Any:
        """Rename a workspace."""
        return await self.stores.workspaces.rename(id, body, if_version=self.if_version, by=self.actor)

    @endpoint(needs="workspaces:delete", query=FORCE, problems=(404, 409, 412))
    async def delete(self, id: str, query: Json) -> None:
        """Delete a workspace and all in it; one with screens only with `force=true`."""
        force = query.get("force", False)
        await self.stores.workspaces.delete(id, force=force, if_version=self.if_version, by=self.actor)


class MembersHandler(ApiHandler):
    """`/api/workspaces/{id}/members`."""

    @endpoint(needs="members:read", query=listing(), returns=ListOf(r.MEMBER), problems=(404,))
    async def get(self, id: str, query: Json) -> Any:
        """List the members, in the order they joined."""
        return await self.stores.workspaces.members(id, asked(query), by=self.actor)

    @endpoint(
        needs="members:write",
        body=ADD,
        returns=r.MEMBER,
        status=201,
        location="/api/workspaces/{id}/members/{userId}",
        problems=(404, 409),
    )
    async def post(self, id: str, body: Json) -> Any:
        """Make the account of an e-mail address a member."""
        return await self.stores.workspaces.add(id, body["email"], body["role"], by=self.actor)


class MemberHandler(ApiHandler):
    """`/api/workspaces/{id}/members/{userId}`."""

    @endpoint(needs="members:write", body=SET_ROLE, returns=r.MEMBER, problems=(404, 409))
    async def patch(self, id: str, userId: str, body: Json) -> Any:
        """Change a member's role."""
        return await self.stores.workspaces.set_role(id, userId, body["role"], by=self.actor)

    @endpoint(needs="workspaces:read", problems=(403, 404, 409))
    async def delete(self, id: str, userId: str) -> None:
        """Remove a member, or leave."""
        await self.stores.workspaces.remove(id, userId, by=self.actor)


routes = [
    ("/api/workspaces", WorkspacesHandler),
    ("/api/workspaces/{id}", WorkspaceHandler),
    ("/api/workspaces/{id}/members", MembersHandler),
    ("/api/workspaces/{id}/members/{userId}", MemberHandler),
]
