"""Making rooms: public and private ones, and the one direct room between the same people."""

from collections.abc import Mapping, Sequence

from core.clock import ids_are_seeded
from core.errors import Conflict, Invalid
from core.permissions import Actor
from models.base import Document, Duplicate, Ground, Session
from models.general import new_room
from models.room_changes import new_member
from models.room_news import RoomNews

MOST_IN_DIRECT = 20  # people in one direct room: it is named by them, and more of them want a private room


class NewRooms:
    """Inserts rooms with their first members: offset 0 of their logs."""

    def __init__(self, ground: Ground, news: RoomNews) -> None:
        self._ground = ground
        self._news = news
        self._docs = ground.collection("rooms")
        self._members = ground.collection("room_members")
        self._users = ground.collection("users")

    async def make(
        self, kind: str, name: str | None, member_ids: Sequence[str], *, title: str | None, topic: str, by: Actor
    ) -> tuple[Document, bool]:
        """Make a room, or find the direct one between the same people; return its document and whether it is new.

        Raises Invalid for people who are not there, Conflict for a public name that is taken.
        """
        people = list(dict.fromkeys([by.id, *member_ids]))
        if kind == "direct":
            return await self._direct(people)
        await self._refuse_strangers(people[1:])
        room = new_room(kind, name, clock=self._ground.clock, title=title or name or "", topic=topic)
        roles = {one: "owner" if one == by.id else "member" for one in people}
        try:
            return await self._insert(room, roles), True
        except Duplicate as e:
            earlier = await self._docs.get({"_id": room["_id"]}) if ids_are_seeded() else None
            if earlier is None:
                raise Conflict(detail="A public room has that name already.") from e
            return earlier, True

    async def _direct(self, people: Sequence[str]) -> tuple[Document, bool]:
        if not 2 <= len(people) <= MOST_IN_DIRECT:
            raise Invalid.field("memberIds", f"must name 1 to {MOST_IN_DIRECT - 1} other people")
        key = " ".join(sorted(people))
        held = await self._docs.get({"directKey": key})
        if held is not None:
            return held, False  # also with somebody whose account has ended since: what was written stays theirs
        await self._refuse_strangers(people)
        room = new_room("direct", None, clock=self._ground.clock, title="", topic="") | {"directKey": key}
        try:
            return await self._insert(room, dict.fromkeys(people, "member")), True
        except Duplicate:  # the others had the same idea at the same moment
            return await self._docs.get({"directKey": key}) or room, False

    async def _refuse_strangers(self, user_ids: Sequence[str]) -> None:
        known = {"_id": {"$in": list(user_ids)}, "deletedAt": None, "disabled": False}
        if user_ids and await self._users.count(known) != len(user_ids):
            raise Invalid.field("memberIds", "names somebody who has no account here")

    async def _insert(self, room: Document, roles: Mapping[str, str]) -> Document:
        room["memberCount"] = len(roles)
        now = room["createdAt"]
        members = [new_member(room["_id"], user, role, now=now, last_read=0) for user, role in roles.items()]

        async def work(session: Session) -> None:
            await self._docs.insert(room, session=session)
            for member in members:
                await self._members.insert(member, session=session)

        await self._ground.transaction(work)
        await self._news.created(room["_id"], list(roles))
        return room
