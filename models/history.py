"""Reading a room: history by `seq`, what has changed by `rev`, each with the room's offset of the same snapshot.

Live events from that offset on leave no gap behind what was read.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from core.errors import Invalid, NotFound
from core.shared import Shared
from models.base import Document, Ground

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
    """The room as it was, its messages asked for, and the cursor of the next page."""

    room: Document
    items: list[Document]
    next: str | None


class History:
    """Reads parts of rooms: one question each, to one snapshot, of whether one may read, the room, and its messages.

    Many ask the same of one room at the same moment: whoever opens it, and all of its readers after a server ended.
    Those who wait are asked for together; a snapshot is never older than the question of anybody who is given it.
    """

    def __init__(self, ground: Ground) -> None:
        self._rooms = ground.collection("rooms")
        self._messages = ground.collection("messages")
        self._reads: Shared[list[Document]] = Shared()
        self._waiting: dict[str, Counter[str]] = {}  # how often each user waits, by what is asked

    async def part(self, room_id: str, asked: Asked, user_id: str) -> Part | None:
        """Return what is asked of a room; None where there is no such room for the user. NotFound: no such thread.

        Its documents are shared with others who asked the same: they are only read.
        """
        asked = asked.resumed()
        found = await self._read(room_id, asked, user_id)
        if not found or "epoch" not in found[0]:
            return None
        room, items = found[0], found[1:]
        if room["type"] != "public" and user_id not in room["readers"]:
            return None
        if asked.thread is not None:
            query = {"_id": asked.thread, "roomId": room_id}
            if await self._messages.get(query, projection={"_id": 1}) is None:
                raise NotFound
        return Part(room, *_laid_out(items, asked))

    async def _read(self, room_id: str, asked: Asked, user_id: str) -> list[Document]:
        """Return the room, with those who may read it among all that wait as `readers`, and the messages asked for."""
        key = f"{room_id}:{asked}"
        waiting = self._waiting.setdefault(key, Counter())
        waiting[user_id] += 1

        async def read() -> list[Document]:
            # Everybody who shares this run has come before it began, and waits until its end: nobody is left out.
            readers = list(self._waiting.get(key, ()))
            found = await self._rooms.snapshot([*_room_for(readers, room_id), *_unions(room_id, asked)])
            if found and "epoch" in found[0]:
                found[0]["readers"] = frozenset(member["userId"] for member in found[0].pop("mine"))
            return found

        try:
            return await self._reads.of(key, read)
        finally:
            waiting[user_id] -= 1
            if not waiting[user_id]:
                del waiting[user_id]
            if not waiting:
                del self._waiting[key]


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
