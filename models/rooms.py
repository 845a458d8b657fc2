"""The `rooms` and `room_members` collections: what rooms there are, who is in them, and what each has read.

Whatever changes a room goes through its log (models/room_log.py). What somebody has read is no change of the
room: it moves forward only, and is told to that person's own devices as absolute numbers.
"""

import re
from collections.abc import Mapping, Sequence

from core.errors import Conflict, Forbidden, NotFound
from core.permissions import Actor
from models.base import Document, Ground, Query
from models.general import General
from models.message_changes import Author, is_general
from models.new_rooms import NewRooms
from models.paging import Listing, Page, contains, page
from models.room_changes import DeleteRoom, EditRoom, Join, Remove, SetMember, Vanish
from models.room_log import RoomLog
from models.room_news import RoomNews
from models.room_views import RoomViews

_ID = re.compile(r"[0-9a-f]{24}")
_MOST_NAMES = 10_000  # of public rooms, remembered with their ids
_HEIRS = 3  # of them one is left, however many leave at once; else the caller tries again


def is_room_id(id_or_name: str) -> bool:
    """Tell whether a room is named by its id; no name looks like one."""
    return _ID.fullmatch(id_or_name) is not None


def author_of(by: Actor) -> Author:
    """Return the actor as changes of a room's log know it."""
    by.require_user()
    return Author(by.id, by.is_admin)


class Rooms:
    """Every read of rooms, and their changes by way of the log."""

    def __init__(self, ground: Ground, log: RoomLog, general: General, views: RoomViews, news: RoomNews) -> None:
        self._log = log
        self._general = general
        self._views = views
        self._news = news
        self._new = NewRooms(ground, news)
        self._ids: dict[str, str] = {}
        self._docs = ground.collection("rooms")
        self._members = ground.collection("room_members")
        self._users = ground.collection("users")

    # --- reads ------------------------------------------------------------------------------------------------------

    def known_id(self, id_or_name: str) -> str | None:
        """Return the id that is meant, of a name as it was seen last: the caller checks that it still is the room's."""
        return id_or_name if is_room_id(id_or_name) else self._ids.get(id_or_name)

    async def resolve(self, id_or_name: str, *, by: Actor) -> tuple[Document, Document | None]:
        """Return a room that the actor may read, and its live membership if there is one. Raises NotFound.

        A name means the public room of that name, else the private one among the actor's own.
        """
        by.require_user()
        room = await self._named(id_or_name, by)
        if room is None:
            raise NotFound
        member = await self._members.get({"_id": f"{room['_id']}:{by.id}", "left": False})
        if member is None and is_general(room) and by.kind == "user":
            await self._general.enter(by.id)
            return await self.resolve(room["_id"], by=by)
        if member is None and room["type"] != "public":
            raise NotFound
        return room, member

    async def _named(self, id_or_name: str, by: Actor) -> Document | None:
        if is_room_id(id_or_name):
            return await self._docs.get({"_id": id_or_name, "deletedAt": None})
        name = id_or_name.casefold()
        public = await self._docs.get({"name": name, "type": "public"})
        if public is not None:
            if len(self._ids) > _MOST_NAMES:
                self._ids.clear()
            self._ids[name] = public["_id"]
            return public
        mine = [m["roomId"] for m in await self._memberships(by)]
        found = await self._docs.find({"_id": {"$in": mine}, "name": name}, sort=[("createdAt", 1), ("_id", 1)])
        return found[0] if found else None

    async def _memberships(self, by: Actor) -> list[Document]:
        return await self._members.find({"userId": by.id, "left": False})

    async def get(self, id_or_name: str, *, by: Actor) -> Document:
        """Return one room as the actor sees it."""
        found = await self.resolve(id_or_name, by=by)
        return (await self._views.rooms([found], by.id, is_admin=by.is_admin))[0]

    async def mine(self, listing: Listing, kind: str | None = None, *, by: Actor) -> Page:
        """Return the actor's rooms, or those of one type; `general` is always among them."""
        by.require_user()
        memberships = await self._memberships(by)
        if by.kind == "user" and await self._general.id() not in {m["roomId"] for m in memberships}:
            await self._general.enter(by.id)
            memberships = await self._memberships(by)
        held = {m["roomId"]: m for m in memberships}
        query = {"_id": {"$in": list(held)}, "deletedAt": None, **({"type": kind} if kind else {})}
        return await self._page(query, listing, held, by)

    async def browse(self, listing: Listing, *, by: Actor) -> Page:
        """Return the public rooms, joined or not."""
        by.require_user()
        held = {m["roomId"]: m for m in await self._memberships(by)}
        return await self._page({"type": "public", "deletedAt": None}, listing, held, by)

    async def _page(self, query: Query, listing: Listing, held: Mapping[str, Document], by: Actor) -> Page:
        if listing.search:
            query = {"$and": [query, contains(listing.search, "name", "title", "topic")]}
        found = await page(self._docs, query, listing, default_sort="name")
        pairs = [(room, held.get(room["_id"])) for room in found.items]
        rooms = await self._views.rooms(pairs, by.id, is_admin=by.is_admin)
        return Page(rooms, found.next, found.total)

    async def readable_ids(self, *, by: Actor) -> list[str]:
        """Return the ids of every room whose messages the actor may read, those without any left out."""
        by.require_user()
        mine = [m["roomId"] for m in await self._memberships(by)]
        query = {"$or": [{"type": "public"}, {"_id": {"$in": mine}}], "deletedAt": None, "lastSeq": {"$gt": 0}}
        return [room["_id"] for room in await self._docs.find(query, projection={"_id": 1})]

    async def members(self, id_or_name: str, listing: Listing, *, by: Actor) -> Page:
        """Return a room's members, the longest first."""
        room, _ = await self.resolve(id_or_name, by=by)
        found = await page(self._members, {"roomId": room["_id"], "left": False}, listing, default_sort="joinedAt")
        return Page(await self._views.members(room, found.items), found.next, found.total)

    # --- changes ----------------------------------------------------------------------------------------------------

    async def create(
        self, kind: str, name: str | None, member_ids: Sequence[str] = (), *, title: str | None, topic: str, by: Actor
    ) -> tuple[Document, bool]:
        """Make a room, or find the direct one between the same people; return it and whether it is new.

        Raises Invalid for people who are not there, Conflict for a public name that is taken.
        """
        by.require_user()
        room, is_new = await self._new.make(kind, name, member_ids, title=title, topic=topic, by=by)
        return await self.get(room["_id"], by=by), is_new

    async def enter_general(self, user_id: str) -> None:
        """Make a new account a member of the room for everybody."""
        await self._general.enter(user_id)

    async def join(self, id_or_name: str, *, by: Actor) -> Document:
        """Come into a public room; again is no error. Raises Conflict for an archived one."""
        room, member = await self.resolve(id_or_name, by=by)
        if member is None and await self._log.submit(room["_id"], Join(author_of(by))):
            await self._news.created(room["_id"], [by.id])
        return await self.get(room["_id"], by=by)

    async def leave(self, id_or_name: str, *, by: Actor) -> None:
        """Leave a room. Raises Conflict for `general` and direct rooms."""
        await self.remove(id_or_name, by.id, by=by)

    async def remove(self, id_or_name: str, user_id: str, *, by: Actor) -> None:
        """Take a member out, or oneself; a moderator, or the longest member, inherits a room without an owner."""
        room, _ = await self.resolve(id_or_name, by=by)
        heirs = await self._heirs(room["_id"], user_id)
        await self._log.submit(room["_id"], Remove(author_of(by), user_id, heirs))
        await self._news.removed(room, [user_id])

    async def vanish(self, user_id: str) -> None:
        """Take a deleted account out of its rooms; direct ones keep it, as what it was."""
        for member in await self._members.find({"userId": user_id, "left": False}):
            room = await self._docs.get({"_id": member["roomId"], "deletedAt": None, "type": {"$ne": "direct"}})
            if room is not None:
                heirs = await self._heirs(room["_id"], user_id)
                await self._log.submit(room["_id"], Vanish(Author(user_id), heirs))

    async def _heirs(self, room_id: str, user_id: str) -> list[str]:
        """Return who may own a room when a member goes: other owners, then moderators, then the longest members."""
        others = {"roomId": room_id, "left": False, "userId": {"$ne": user_id}}
        order = [("role", -1), ("joinedAt", 1), ("_id", 1)]  # the roles' names fall in the order of their rights
        return [m["userId"] for m in await self._members.find(others, sort=order, limit=_HEIRS)]

    async def _other_owner(self, room_id: str, user_id: str) -> str | None:
        query = {"roomId": room_id, "role": "owner", "left": False, "userId": {"$ne": user_id}}
        found = await self._members.get(query, projection={"userId": 1})
        return found["userId"] if found else None

    async def set_member(self, id_or_name: str, user_id: str, changes: Document, *, by: Actor) -> Document:
        """Change a member's `role` or `mutedUntil`, or bring somebody in; return the member.

        Raises NotFound for somebody without an account.
        """
        room, _ = await self.resolve(id_or_name, by=by)
        inside = {"_id": f"{room['_id']}:{user_id}", "left": False}
        live = {"_id": user_id, "deletedAt": None, "disabled": False}
        if not await self._members.count(inside) and not await self._users.count(live):
            raise NotFound
        other = await self._other_owner(room["_id"], user_id)
        change = SetMember(author_of(by), user_id, changes, other)
        member, has_joined = await self._log.submit(room["_id"], change)
        if has_joined:
            await self._news.created(room["_id"], [user_id])
        return (await self._views.members(room, [member]))[0]

    async def edit(self, id_or_name: str, changes: Document, *, if_version: int | None, by: Actor) -> Document:
        """Change `name`, `title`, `topic` or `archived`."""
        room, _ = await self.resolve(id_or_name, by=by)
        await self._log.submit(room["_id"], EditRoom(author_of(by), changes, if_version))
        return await self.get(room["_id"], by=by)

    async def delete(self, id_or_name: str, *, if_version: int | None = None, by: Actor) -> None:
        """Delete a room for everybody. Raises Conflict for `general` and direct rooms."""
        room, _ = await self.resolve(id_or_name, by=by)
        await self._log.submit(room["_id"], DeleteRoom(author_of(by), if_version))
        members = await self._members.find({"roomId": room["_id"], "left": False}, projection={"userId": 1})
        await self._news.removed(room, [member["userId"] for member in members])

    async def read(self, id_or_name: str, seq: int, *, by: Actor) -> Document:
        """Note that the actor has read up to `seq`; it moves forward only. Return the room."""
        room, member = await self.resolve(id_or_name, by=by)
        if member is None:
            raise Forbidden(detail="Join the room first.")
        reached = min(seq, room["lastSeq"])
        if reached > member["lastReadSeq"]:
            change = {"$max": {"lastReadSeq": reached}}
            member = await self._members.change({"_id": member["_id"], "left": False}, change)
            if member is None:
                raise Conflict(detail="You have left the room.")
            await self._news.read(room, member)
        return (await self._views.rooms([(room, member)], by.id, is_admin=by.is_admin))[0]
