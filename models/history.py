"""Reading a room: history by `seq`, what has changed by `rev`, each with the room's offset of the same snapshot.

Live events from that offset on leave no gap behind what was read.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from core.errors import Invalid, NotFound
from core.shared import Given, Shared
from models.base import Document, Ground
from models.message_views import MessageViews

UP, DOWN = 1, -1
_WAYS = ("before", "after", "changed_after")
_CURSOR = re.compile(r"(before|after|changed_after)\.([0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Asked:
    """What part of a room is asked for. At most one of the markers is set; `cursor` goes on from an earlier page."""

    limit: int = 50
    cursor: str | None = None
    before: int | None = None
    after: int | None = None
    around: int | None = None
    changed_after: int | None = None
    thread: str | None = None
    pinned: bool = False

    def resumed(self) -> "Asked":
        """Return what is asked with the cursor's place taken in. Raises Invalid for a cursor of another question."""
        if self.cursor is None:
            return self
        found = _CURSOR.fullmatch(self.cursor)
        upwards = {"after": self.after, "changed_after": self.changed_after}
        kind = next((name for name, marker in upwards.items() if marker is not None), None)
        if found is None or self.around is not None or kind not in {None, found[1]}:
            raise Invalid.field("cursor", "is not one that this question gave")
        before, after, changed_after = (int(found[2]) if found[1] == name else None for name in _WAYS)
        return replace(self, cursor=None, before=before, after=after, changed_after=changed_after)


@dataclass(frozen=True, slots=True)
class Part:
    """The room as it was, who of its members asked, and the `page` (`MESSAGE_PAGE`) that they asked for."""

    room: Document
    members: frozenset[str]
    page: Given

    def may_read(self, user_id: str) -> bool:
        """Tell whether one of those who asked may read it."""
        return self.room["type"] == "public" or user_id in self.members


class History:
    """Reads parts of rooms: one question each, to one snapshot, of whether one may read, the room, and its messages.

    Many ask the same of one room at the same moment: whoever opens it, and all of its readers after a server ended.
    Those who wait are asked for together; a snapshot is never older than the question of anybody who is given it.
    """

    def __init__(self, ground: Ground, views: MessageViews) -> None:
        self._rooms = ground.collection("rooms")
        self._messages = ground.collection("messages")
        self._views = views
        self._reads: Shared[Part | None] = Shared()
        self._waiting: dict[str, Counter[str]] = {}  # how often each user waits, by what is asked

    async def part(self, room_id: str, asked: Asked, user_id: str) -> Part | None:
        """Return what is asked of a room; None where there is no such room for the user. NotFound: no such thread.

        It is shared with others who asked the same: it is only read.
        """
        asked = asked.resumed()
        found = await self._read(room_id, asked, user_id)
        if found is None or not found.may_read(user_id):
            return None
        if asked.thread is not None:
            query = {"_id": asked.thread, "roomId": room_id}
            if await self._messages.get(query, projection={"_id": 1}) is None:
                raise NotFound
        return found

    async def _read(self, room_id: str, asked: Asked, user_id: str) -> Part | None:
        """Return what is asked of a room, for all who wait for it; None where there is no such room."""
        key = f"{room_id}:{asked}"
        waiting = self._waiting.setdefault(key, Counter())
        waiting[user_id] += 1

        try:
            # Everybody who shares a run has come before it begins, and waits until its end: nobody is left out.
            return await self._reads.of(key, lambda: self._read_for(list(self._waiting.get(key, ())), room_id, asked))
        finally:
            waiting[user_id] -= 1
            if not waiting[user_id]:
                del waiting[user_id]
            if not waiting:
                del self._waiting[key]

    async def _read_for(self, user_ids: list[str], room_id: str, asked: Asked) -> Part | None:
        found = await self._rooms.snapshot([*_room_for(user_ids, room_id), *_unions(room_id, asked)])
        if not found or "epoch" not in found[0]:
            return None
        room = found[0]
        members = frozenset(member["userId"] for member in room.pop("mine"))
        items, following = _laid_out(found[1:], asked)
        shown = await self._views.messages(items, {room_id: room})
        return Part(room, members, Given(items=shown, next=following, offset=room["offset"]))


def _room_for(user_ids: list[str], room_id: str) -> list[Document]:
    """Return the stages that read a room, with the users' live memberships as `mine`."""
    live = [{"$match": {"_id": {"$in": [f"{room_id}:{one}" for one in user_ids]}, "left": False}}]
    mine = {"from": "room_members", "pipeline": [*live, {"$project": {"userId": 1}}], "as": "mine"}
    return [{"$match": {"_id": room_id, "deletedAt": None}}, {"$lookup": mine}]


def _unions(room_id: str, asked: Asked) -> list[Document]:
    """Return the stages that add the messages asked for, one more than a page has."""

    def union(field: str, direction: int, limit: int, **conditions: Any) -> Document:
        found = {"$match": {"roomId": room_id, **conditions}}
        pipeline = [found, {"$sort": {field: direction}}, {"$limit": limit}]
        return {"$unionWith": {"coll": "messages", "pipeline": pipeline}}

    if asked.changed_after is not None:
        return [union("rev", UP, asked.limit + 1, rev={"$gt": asked.changed_after})]
    if asked.around is not None:
        below = union("seq", DOWN, asked.limit, seq={"$lte": asked.around})
        return [below, union("seq", UP, asked.limit, seq={"$gt": asked.around})]
    if asked.after is not None:
        return [union("seq", UP, asked.limit + 1, seq={"$gt": asked.after})]
    conditions: Document = {} if asked.before is None else {"seq": {"$lt": asked.before}}
    conditions |= {} if asked.thread is None else {"replyTo.id": asked.thread}
    conditions |= {"pinned": True} if asked.pinned else {}
    return [union("seq", DOWN, asked.limit + 1, **conditions)]


def _laid_out(found: list[Document], asked: Asked) -> tuple[list[Document], str | None]:
    """Return a page in its order, and the cursor where there is more."""
    if asked.around is not None:
        return _around(found, asked.around, asked.limit), None
    items, more = found[: asked.limit], len(found) > asked.limit
    if asked.changed_after is not None:
        return items, f"changed_after.{items[-1]['rev']}" if more else None
    if asked.after is not None:
        return items, f"after.{items[-1]['seq']}" if more else None
    return items[::-1], f"before.{items[-1]['seq']}" if more else None


def _around(found: list[Document], seq: int, limit: int) -> list[Document]:
    """Return the messages nearest to `seq` on both sides; near an end of the room more of the other side."""
    below = [message for message in found if message["seq"] <= seq]
    above = found[len(below) :]
    kept_above = min(len(above), max(limit - len(below), limit // 2))
    kept_below = min(len(below), limit - kept_above)
    return [*below[:kept_below][::-1], *above[: limit - kept_below]]
