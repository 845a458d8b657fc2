"""`/api/rooms`: public, private and direct rooms, and who is in them. A room is named by its id or its name."""

from core import chat_resources as c
from core.chat_bodies import READ
from core.errors import Invalid
from core.validation import Json, choice, ident, moment, text
from core.writing import SLUG, SLUG_WORDS
from handlers.base import ApiHandler, asked
from handlers.endpoint import Answer, ListOf, endpoint, listing
from models.base import Document
from models.paging import Page

MOST_AT_FIRST = 100  # people that a new room starts with
NAME = {"type": "string", "minlength": 1, "maxlength": 50, "regex": SLUG, "meta": {"words": SLUG_WORDS}}
TITLE = text(1, 80)
TOPIC = text(0, 250)
CREATE = {
    "name": NAME,
    "title": TITLE,
    "topic": TOPIC,
    "type": choice(*c.ROOM_TYPES, required=True),
    "memberIds": {"type": "list", "maxlength": MOST_AT_FIRST, "check_with": "unique", "schema": ident()},
}
EDIT = {"name": NAME, "title": TITLE, "topic": TOPIC, "archived": {"type": "boolean"}}
SET_MEMBER = {"role": choice(*c.ROOM_ROLES), "mutedUntil": moment(nullable=True)}
LISTING = listing(sort=("name", "createdAt"), search=True, type=choice(*c.ROOM_TYPES))


class RoomsHandler(ApiHandler):
    """`/api/rooms`."""

    @endpoint(needs="user", query=LISTING, returns=ListOf(c.ROOM))
    async def get(self, query: Json) -> Page:
        """List one's rooms; with `type=public` every public room, joined or not."""
        kind = query.get("type")
        if kind == "public":
            return await self.stores.rooms.browse(asked(query), by=self.actor)
        return await self.stores.rooms.mine(asked(query), kind, by=self.actor)

    @endpoint(
        needs="user",
        body=CREATE,
        returns=c.ROOM,
        status=201,
        also=(200,),
        location="/api/rooms/{id}",
        problems=(409,),
    )
    async def post(self, body: Json) -> Answer:
        """Make a room and own it. A direct room between the same people is made once: 200 when it exists."""
        refuse_mixture(body)
        room, is_new = await self.stores.rooms.create(
            body["type"],
            body.get("name"),
            body.get("memberIds", []),
            title=body.get("title"),
            topic=body.get("topic", ""),
            by=self.actor,
        )
        return Answer(room, status=201 if is_new else 200)


def refuse_mixture(body: Json) -> None:
    """Raise Invalid for a direct room with a name of its own, and for another room without one."""
    if body["type"] != "direct" and "name" not in body:
        raise Invalid.field("name", "is required")
    strange = [field for field in ("name", "title", "topic") if field in body]
    if body["type"] == "direct" and strange:
        raise Invalid.field(strange[0], "is not for a direct room: it is named by the people in it")


class RoomHandler(ApiHandler):
    """`/api/rooms/{idOrName}`."""

    @endpoint(needs="user", returns=c.ROOM, problems=(404,))
    async def get(self, idOrName: str) -> Document:
        """Read a room."""
        return await self.stores.rooms.get(idOrName, by=self.actor)

    @endpoint(needs="user", body=EDIT, returns=c.ROOM, problems=(403, 404, 409, 412))
    async def patch(self, idOrName: str, body: Json) -> Document:
        """Change a room's settings, as its owner; an archived room can be read and not changed."""
        return await self.stores.rooms.edit(idOrName, body, if_version=self.if_version, by=self.actor)

    @endpoint(needs="user", problems=(403, 404, 409, 412))
    async def delete(self, idOrName: str) -> None:
        """Delete a room with all that was written in it, as its owner."""
        await self.stores.rooms.delete(idOrName, if_version=self.if_version, by=self.actor)


class JoinHandler(ApiHandler):
    """`/api/rooms/{idOrName}/join`."""

    @endpoint(needs="user", returns=c.ROOM, problems=(404, 409))
    async def post(self, idOrName: str) -> Document:
        """Come into a public room."""
        return await self.stores.rooms.join(idOrName, by=self.actor)


class LeaveHandler(ApiHandler):
    """`/api/rooms/{idOrName}/leave`."""

    @endpoint(needs="user", problems=(403, 404, 409))
    async def post(self, idOrName: str) -> None:
        """Leave a room. Where its only owner goes, a moderator inherits it, or the longest member."""
        await self.stores.rooms.leave(idOrName, by=self.actor)


class ReadHandler(ApiHandler):
    """`/api/rooms/{idOrName}/read`."""

    @endpoint(needs="user", body=READ, returns=c.ROOM, problems=(403, 404, 409))
    async def post(self, idOrName: str, body: Json) -> Document:
        """Note that one has read up to `seq`; it moves forward only."""
        return await self.stores.rooms.read(idOrName, body["seq"], by=self.actor)


class RoomMembersHandler(ApiHandler):
    """`/api/rooms/{idOrName}/members`."""

    @endpoint(needs="user", query=listing(sort=("joinedAt",)), returns=ListOf(c.ROOM_MEMBER), problems=(404,))
    async def get(self, idOrName: str, query: Json) -> Page:
        """List a room's members."""
        return await self.stores.rooms.members(idOrName, asked(query), by=self.actor)


class RoomMemberHandler(ApiHandler):
    """`/api/rooms/{idOrName}/members/{userId}`."""

    @endpoint(needs="user", body=SET_MEMBER, returns=c.ROOM_MEMBER, problems=(403, 404, 409))
    async def put(self, idOrName: str, userId: str, body: Json) -> Document:
        """Bring somebody into a room, give them a role, or mute them until a time.

        Owners give roles; moderators and owners bring people in, and mute those below their own role.
        """
        return await self.stores.rooms.set_member(idOrName, userId, body, by=self.actor)

    @endpoint(needs="user", problems=(403, 404, 409))
    async def delete(self, idOrName: str, userId: str) -> None:
        """Remove a member, as somebody above their role, or leave."""
        await self.stores.rooms.remove(idOrName, userId, by=self.actor)


routes = [
    ("/api/rooms", RoomsHandler),
    ("/api/rooms/{idOrName}", RoomHandler),
    ("/api/rooms/{idOrName}/join", JoinHandler),
    ("/api/rooms/{idOrName}/leave", LeaveHandler),
    ("/api/rooms/{idOrName}/read", ReadHandler),
    ("/api/rooms/{idOrName}/members", RoomMembersHandler),
    ("/api/rooms/{idOrName}/members/{userId}", RoomMemberHandler),
]
