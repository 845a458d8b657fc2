"""The `users` collection: profiles, the directory, and what admins do with accounts."""

from collections.abc import Sequence

from core.clock import new_id
from core.errors import Conflict, NotFound, Unauthenticated
from core.permissions import Actor
from core.ports import Presence
from models.addresses import Addresses
from models.avatars import Avatars
from models.base import Document, Duplicate, Ground, Session
from models.paging import Listing, Page, contains, page

DELETED_NAME = "deleted"
ADMIN_FIELDS = ("email", "role", "disabled")


def fold(text: str) -> str:
    """Return what makes two e-mail addresses or usernames the same."""
    return text.casefold()


class Users:
    """Every read and write of users; signing in and passwords are in models/accounts.py."""

    def __init__(self, ground: Ground, presence: Presence) -> None:
        self._ground = ground
        self._presence = presence
        self._docs = ground.collection("users")
        self._addresses = Addresses(ground)
        self._avatars = Avatars(ground)

    def new(self, *, email: str, username: str, password_hash: str | None, role: str = "user") -> Document:
        """Return the document of a new account."""
        now = self._ground.clock.now()
        return {
            "_id": new_id(),
            "email": email,
            "emailFolded": fold(email),
            "username": username,
            "usernameFolded": fold(username),
            "displayName": username,
            "passwordHash": password_hash,
            "avatarFileId": None,
            "role": role,
            "disabled": False,
            "deletedAt": None,
            "timezone": "UTC",
            "statusText": "",
            "lastSeenAt": None,
            "createdAt": now,
            "version": 1,
        }

    async def insert(self, user: Document, *, session: Session | None = None) -> Document:
        """Insert an account. Raises Conflict (`email_taken`, `username_taken`)."""
        try:
            return await self._docs.insert(user, session=session)
        except Duplicate as e:
            raise taken(e) from e

    async def by_id(self, user_id: str) -> Document | None:
        """Return a user's document, for the stores' own use."""
        return await self._docs.get({"_id": user_id, "deletedAt": None})

    async def by_ids(self, user_ids: Sequence[str]) -> dict[str, Document]:
        """Return the documents of those of `user_ids` who are there, for the stores' own use."""
        found = await self._docs.find({"_id": {"$in": list(user_ids)}, "deletedAt": None})
        return {user["_id"]: user for user in found}

    async def by_email(self, email: str) -> Document | None:
        """Return the account of an address, whatever its case."""
        return await self._docs.get({"emailFolded": fold(email), "deletedAt": None})

    async def live(self, user_id: str) -> Document:
        """Return a user who may act, as its profile shows. Raises Unauthenticated for one that is gone or disabled."""
        user = await self.by_id(user_id)
        if user is None or user["disabled"]:
            raise Unauthenticated
        return self.dressed(user)

    async def profile(self, *, by: Actor) -> Document:
        """Return the actor's own profile."""
        by.require_user()
        return await self.live(by.id)

    async def edit_profile(self, changes: Document, *, if_version: int | None, by: Actor) -> Document:
        """Change the actor's own profile. Raises Conflict("username_taken"), VersionMismatch, Invalid (avatar)."""
        by.require_user()
        if "username" in changes:
            changes = changes | {"usernameFolded": fold(changes["username"])}

        async def write(session: Session) -> Document:
            live = {"_id": by.id, "deletedAt": None}
            edited = await self._docs.edit(live, changes, if_version=if_version, session=session)
            if "avatarFileId" in changes:
                await self._avatars.change(by.id, changes["avatarFileId"], session=session)
            return edited

        try:
            return self.dressed(await self._ground.transaction(write))
        except Duplicate as e:
            raise taken(e) from e

    def dressed(self, user: Document) -> Document:
        """Return a user's profile with what is computed at reading time."""
        return user | {"avatarUrl": self._addresses.avatar(user)}

    async def online(self, listing: Listing, *, by: Actor) -> Page:
        """Return the cards of everybody who is here now."""
        by.require_user()
        here = await self._presence.everyone()
        query = {"_id": {"$in": list(here)}, "deletedAt": None}
        found = await page(self._docs, query, listing, default_sort="username")
        return Page([self._card(u, here.get(u["_id"], "offline"), by) for u in found.items], found.next, found.total)

    async def list(self, listing: Listing, filters: Document, *, by: Actor) -> Page:
        """Return the directory; `role` and `disabled` filter for admins only (others: Forbidden)."""
        by.require_user()
        query: Document = {"deletedAt": None, **filters}
        if filters:
            by.require_admin()
        elif not by.is_admin:
            query["disabled"] = False
        if listing.search:
            query = {"$and": [query, contains(listing.search, "username", "displayName")]}
        found = await page(self._docs, query, listing, default_sort="username")
        here = await self._presence.online([u["_id"] for u in found.items])
        return Page([self._card(u, here.get(u["_id"], "offline"), by) for u in found.items], found.next, found.total)

    async def get(self, user_id: str, *, by: Actor) -> Document:
        """Return one card. Raises NotFound."""
        by.require_user()
        user = await self.by_id(user_id)
        if user is None or (user["disabled"] and not by.is_admin):
            raise NotFound
        here = await self._presence.online([user_id])
        return self._card(user, here.get(user_id, "offline"), by)

    async def seen(self, user_ids: Sequence[str]) -> None:
        """Note that these users were here just now."""
        await self._docs.update_all(
            {"_id": {"$in": list(user_ids)}}, {"$set": {"lastSeenAt": self._ground.clock.now()}}
        )

    async def administer(self, user_id: str, changes: Document, *, by: Actor) -> Document:
        """Change `role` or `disabled`. The last admin that can sign in stays one: Conflict."""
        by.require_admin()

        async def work(session: Session) -> Document:
            user = await self._docs.get({"_id": user_id, "deletedAt": None}, session=session)
            if user is None:
                raise NotFound
            if changes.get("role", "admin") != "admin" or changes.get("disabled"):
                await self._keep_an_admin(user, session)
            return await self._docs.edit({"_id": user_id}, changes, if_version=None, session=session)

        await self._ground.transaction(work)
        return await self.get(user_id, by=by)

    async def delete(self, user_id: str, *, by: Actor) -> None:
        """Empty an account: what it wrote stays, by a deleted user. Raises NotFound, Conflict for the last admin."""
        by.require_admin()

        async def work(session: Session) -> None:
            user = await self._docs.get({"_id": user_id, "deletedAt": None}, session=session)
            if user is None:
                raise NotFound
            await self._keep_an_admin(user, session)
            await self._docs.update({"_id": user_id}, {"$set": self._emptied(user_id)}, session=session)
            await self._avatars.change(user_id, None, session=session)

        await self._ground.transaction(work)

    def _emptied(self, user_id: str) -> Document:
        gone = f"{DELETED_NAME}:{user_id}"  # no address and no username has a colon: nobody can hold it already
        return {
            "email": "",
            "emailFolded": gone,
            "username": DELETED_NAME,
            "usernameFolded": gone,
            "displayName": "Deleted user",
            "passwordHash": None,
            "avatarFileId": None,
            "statusText": "",
            "role": "user",
            "disabled": True,
            "deletedAt": self._ground.clock.now(),
        }

    async def _keep_an_admin(self, user: Document, session: Session) -> None:
        """Refuse to take the last admin away; the touched marker makes two who try it at once collide."""
        if user["role"] != "admin" or user["disabled"]:
            return
        marker = self._ground.collection("server")
        await marker.update({"_id": "admins"}, {"$inc": {"changes": 1}}, upsert=True, session=session)
        others = {"role": "admin", "disabled": False, "deletedAt": None, "_id": {"$ne": user["_id"]}}
        if await self._docs.get(others, session=session, projection={"_id": 1}) is None:
            raise Conflict(detail="This is the last administrator of the server.")

    def _card(self, user: Document, status: str, by: Actor) -> Document:
        card = {
            "_id": user["_id"],
            "username": user["username"],
            "displayName": user["displayName"],
            "avatarUrl": self._addresses.avatar(user),
            "status": status,
            "lastSeenAt": self._ground.clock.now() if status != "offline" else user["lastSeenAt"],
        }
        return card | {name: user[name] for name in ADMIN_FIELDS} if by.is_admin else card


def taken(duplicate: Duplicate) -> Conflict:
    """Return the contract's problem for a name or address that is in use."""
    if "usernameFolded" in duplicate.fields:
        return Conflict("username_taken", "That username is taken.")
    return Conflict("email_taken", "There is an account with that address already.")
