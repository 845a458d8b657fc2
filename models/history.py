"""Reading a room: history by `seq`, what has changed by `rev`, each with the room's offset of the same snapshot.

Live events from that offset on leave no gap behind what was read.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from core.errors import Invalid, NotFound
from models.base import Document, Ground, Query, Session, Sort

UP: Sort = [("seq", 1)]
DOWN: Sort = [("seq", -1)]
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
    """Reads parts of rooms from snapshots."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._rooms = ground.collection("rooms")
        self._messages = ground.collection("messages")

    async def part(self, room_id: str, asked: Asked) -> Part:
        """Return what is asked of a room. Raises NotFound where room or thread are not there."""
        asked = asked.resumed()
        if asked.thread is not None:
            query = {"_id": asked.thread, "roomId": room_id}
            if await self._messages.get(query, projection={"_id": 1}) is None:
                raise NotFound

        async def work(session: Session) -> Part:
            room = await self._rooms.get({"_id": room_id, "deletedAt": None}, session=session)
            if room is None:
                raise NotFound
            items, following = await self._read(room_id, asked, session)
            return Part(room, items, following)

        return await self._ground.snapshot(work)

    async def _read(self, room_id: str, asked: Asked, session: Session) -> tuple[list[Document], str | None]:
        here: Document = {"roomId": room_id}
        if asked.changed_after is not None:
            query = {**here, "rev": {"$gt": asked.changed_after}}
            found = await self._messages.find(query, sort=[("rev", 1)], limit=asked.limit + 1, session=session)
            return _cut(found, asked.limit, lambda last: f"changed_after.{last['rev']}")
        if asked.around is not None:
            return await self._around(here, asked.around, asked.limit, session), None
        if asked.after is not None:
            query = {**here, "seq": {"$gt": asked.after}}
            found = await self._messages.find(query, sort=UP, limit=asked.limit + 1, session=session)
            return _cut(found, asked.limit, lambda last: f"after.{last['seq']}")
        if asked.thread is not None:
            here["replyTo.id"] = asked.thread
        if asked.pinned:
            here["pinned"] = True
        if asked.before is not None:
            here["seq"] = {"$lt": asked.before}
        found = await self._messages.find(here, sort=DOWN, limit=asked.limit + 1, session=session)
        items, following = _cut(found, asked.limit, lambda last: f"before.{last['seq']}")
        return items[::-1], following

    async def _around(self, here: Query, seq: int, limit: int, session: Session) -> list[Document]:
        """Return the messages nearest to `seq` on both sides; near an end of the room more of the other side."""
        query = {**here, "seq": {"$lte": seq}}
        below = await self._messages.find(query, sort=DOWN, limit=limit, session=session)
        query = {**here, "seq": {"$gt": seq}}
        above = await self._messages.find(query, sort=UP, limit=limit, session=session)
        kept_above = min(len(above), max(limit - len(below), limit // 2))
        kept_below = min(len(below), limit - kept_above)
        return [*below[:kept_below][::-1], *above[: limit - kept_below]]


def _cut(found: list[Document], limit: int, cursor: Callable[[Document], str]) -> tuple[list[Document], str | None]:
    """Return a page of the one row more that was read, and the cursor where there is more."""
    items = found[:limit]
    return items, cursor(items[-1]) if len(found) > limit else None
