"""Rooms and members as somebody sees them: what is computed at reading time, in few queries for many rooms."""

from collections.abc import Iterable, Mapping, Sequence

from models.base import Document, Ground
from models.message_changes import is_general
from models.people import People


class RoomViews:
    """Dresses rooms (`ROOM`) and memberships (`ROOM_MEMBER`) for a reader."""

    def __init__(self, ground: Ground, people: People) -> None:
        self._people = people
        self._members = ground.collection("room_members")
        self._messages = ground.collection("messages")

    async def rooms(
        self, rooms: Sequence[tuple[Document, Document | None]], user_id: str, *, is_admin: bool = False
    ) -> list[Document]:
        """Return `(room, membership)` pairs with what is the reader's own, and who a direct room is between.

        `is_admin` says that the reader administers the server, who owns `general` whatever the membership says.
        """
        unread = {r["_id"]: m["lastReadSeq"] for r, m in rooms if m and m["lastReadSeq"] < r["lastSeq"]}
        mentions = await self._mentions(unread, user_id)
        between = await self._between([room["_id"] for room, _ in rooms if room["type"] == "direct"])
        return [
            {**room, **own(room, member, is_admin=is_admin), "mentions": mentions.get(room["_id"], 0)}
            | ({"members": between[room["_id"]]} if room["_id"] in between else {})
            for room, member in rooms
        ]

    async def _mentions(self, last_read: Mapping[str, int], user_id: str) -> dict[str, int]:
        """Count the unread messages that mention a user, by room."""
        if not last_read:
            return {}
        unread = [{"mentions": user_id, "roomId": room, "seq": {"$gt": seq}} for room, seq in last_read.items()]
        counted = {"$group": {"_id": "$roomId", "count": {"$sum": 1}}}
        found = await self._messages.aggregate([{"$match": {"$or": unread}}, counted])
        return {group["_id"]: group["count"] for group in found}

    async def _between(self, room_ids: Sequence[str]) -> dict[str, list[Document]]:
        if not room_ids:
            return {}
        found = await self._members.find({"roomId": {"$in": list(room_ids)}, "left": False}, sort=[("_id", 1)])
        cards = await self._people.cards(m["userId"] for m in found)
        out: dict[str, list[Document]] = {one: [] for one in room_ids}
        for member in found:
            out[member["roomId"]].append(dict(cards[member["userId"]]))
        return out

    async def members(self, room: Document, members: Iterable[Document]) -> list[Document]:
        """Return memberships of a room with who they are of, in the roles by which their rights are judged."""
        members = list(members)
        cards = await self._people.cards(m["userId"] for m in members)
        judged = [(m, cards[m["userId"]]) for m in members]
        return [{**card, **m, "role": _role(room, m, is_admin=card["isAdmin"])} for m, card in judged]


def _role(room: Document, member: Document, *, is_admin: bool) -> str:
    """Return a member's role as changes judge it (`role_of`): the server's admins own `general`."""
    return "owner" if is_admin and is_general(room) else str(member["role"])


def own(room: Document, member: Document | None, *, is_admin: bool = False) -> Document:
    """Return what a room is to somebody: their role and how far they have read. Who is outside has nothing unread."""
    if member is None:
        return {"myRole": None, "lastReadSeq": 0, "unread": 0}
    unread = max(0, room["lastSeq"] - member["lastReadSeq"])
    role = _role(room, member, is_admin=is_admin)
    return {"myRole": role, "lastReadSeq": member["lastReadSeq"], "unread": unread}
