"""`/api/users`: one's own profile, the directory, and what admins do."""

from typing import Any

from core import resources as r
from core.validation import EMAIL, TIMEZONE, USERNAME, Json, choice, ident, text
from handlers.base import ApiHandler, asked
from handlers.endpoint import ListOf, endpoint, listing

FLAG = {"type": "boolean"}
REQUIRED = {"required": True}
PROFILE = {
    "username": USERNAME,
    "displayName": text(1, 64),
    "avatarFileId": ident(nullable=True),
    "timezone": TIMEZONE,
    "statusText": text(0, 140),
}
CREATE = {"email": EMAIL | REQUIRED, "username": USERNAME | REQUIRED, "role": choice(*r.SERVER_ROLES)}
ADMINISTER = {"role": choice(*r.SERVER_ROLES), "disabled": FLAG}
DIRECTORY = listing(
    sort=("username", "createdAt"), search=True, role=choice(*r.SERVER_ROLES), disabled={"type": "boolean"}
)


class ProfileHandler(ApiHandler):
    """`/api/users/profile`."""

    @endpoint(needs="user", returns=r.USER)
    async def get(self) -> Any:
        """Read one's own profile."""
        return await self.stores.users.profile(by=self.actor)

    @endpoint(needs="user", body=PROFILE, returns=r.USER, problems=(409, 412))
    async def patch(self, body: Json) -> Any:
        """Change one's own profile."""
        return await self.stores.users.edit_profile(body, if_version=self.if_version, by=self.actor)


class OnlineHandler(ApiHandler):
    """`/api/users/online`."""

    @endpoint(needs="user", query=listing(), returns=ListOf(r.CARD))
    async def get(self, query: Json) -> Any:
        """List who is here now."""
        return await self.stores.users.online(asked(query), by=self.actor)


class UsersHandler(ApiHandler):
    """`/api/users`."""

    @endpoint(needs="user", query=DIRECTORY, returns=ListOf(r.CARD), problems=(403,))
    async def get(self, query: Json) -> Any:
        """Search the directory; `role` and `disabled` filter for admins only."""
        filters: Json = {name: query[name] for name in ("role", "disabled") if name in query}
        return await self.stores.users.list(asked(query), filters, by=self.actor)

    @endpoint(needs="admin", body=CREATE, returns=r.NEW_USER, status=201, location="/api/users/{id}", problems=(409,))
    async def post(self, body: Json) -> Any:
        """Make an account, with a link to set its password."""
        return await self.stores.accounts.create(
            body["email"], body["username"], body.get("role", "user"), by=self.actor
        )


class UserHandler(ApiHandler):
    """`/api/users/{id}`."""

    @endpoint(needs="user", returns=r.CARD, problems=(404,))
    async def get(self, id: str) -> Any:
        """Read one user's card."""
        return await self.stores.users.get(id, by=self.actor)

    @endpoint(needs="admin", body=ADMINISTER, returns=r.CARD, problems=(404, 409))
    async def patch(self, id: str, body: Json) -> Any:
        """Change a user's server role, or disable the account."""
        return await self.stores.accounts.administer(id, body, by=self.actor)

    @endpoint(needs="admin", problems=(404, 409))
    async def delete(self, id: str) -> None:
        """Delete an account; what it wrote stays, by a deleted user."""
        await self.stores.accounts.delete(id, by=self.actor)


class PasswordResetHandler(ApiHandler):
    """`/api/users/{id}/password-reset`."""

    @endpoint(needs="admin", returns=r.RESET_LINK, problems=(404,))
    async def post(self, id: str) -> Any:
        """Make a one-time link with which a user sets a new password."""
        return await self.stores.accounts.reset_link(id, by=self.actor)


routes = [
    ("/api/users", UsersHandler),
    ("/api/users/profile", ProfileHandler),
    ("/api/users/online", OnlineHandler),
    ("/api/users/{id}", UserHandler),
    ("/api/users/{id}/password-reset", PasswordResetHandler),
]
