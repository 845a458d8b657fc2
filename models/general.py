"""The room `general`: it is always there, and everybody is in it."""

import asyncio

from core.clock import Clock, new_id
from core.errors import Unauthenticated
from models.base import Document, Duplicate, Ground
from models.message_changes import GENERAL, Author
from models.room_changes import Join
from models.room_log import MOST_AT_ONCE, RoomLog

IN_GENERAL = {"name": GENERAL, "type": "public"}


def new_room(kind: str, name: str | None, *, clock: Clock, title: str, topic: str) -> Document:
    """Return the document of a room that nobody is in yet. `epoch` names its past: a restore changes it."""
    return {
        "_id": new_id(),
        "type": kind,
        "name": name,
        "title": title,
        "topic": topic,
        "directKey": None,
        "memberCount": 0,
        "epoch": new_id(),
        "offset": 0,
        "lastSeq": 0,
        "archived": False,
        "deletedAt": None,
        "createdAt": clock.now(),
        "version": 1,
    }


class General:
    """Makes the room, and makes everybody a member: at their registration, at their first look, and by a job."""

    def __init__(self, ground: Ground, log: RoomLog) -> None:
        self._clock = ground.clock
        self._log = log
        self._rooms = ground.collection("rooms")
        self._members = ground.collection("room_members")
        self._users = ground.collection("users")
        self._id = ""

    async def ensure(self) -> None:
        """Make the room where it is not there, by however many processes at once."""
        fresh = new_room("public", GENERAL, clock=self._clock, title="General", topic="Everybody is here.")
        try:
            await self._rooms.update(IN_GENERAL, {"$setOnInsert": fresh}, upsert=True)
        except Duplicate:
            return  # another process made it just now

    async def id(self) -> str:
        """Return the room's id."""
        if not self._id:
            found = await self._rooms.get(IN_GENERAL, projection={"_id": 1})
            if found is None:
                await self.ensure()
                return await self.id()
            self._id = found["_id"]
        return self._id

    async def enter(self, user_id: str) -> None:
        """Make somebody a member, who may be one already. Raises Unauthenticated for an account that has just ended."""
        if not await self._users.count({"_id": user_id, "deletedAt": None}):
            raise Unauthenticated  # its last request is still under way, and it must not come in again
        await self._log.submit(await self.id(), Join(Author(user_id)))

    async def fill(self, _now: object = None) -> None:
        """Make members of all who have an account and are not: their registration broke off, or was before the chat."""
        room_id = await self.id()
        held = {m["userId"] for m in await self._members.find({"roomId": room_id, "left": False})}
        everybody = await self._users.find({"deletedAt": None}, projection={"_id": 1})
        missing = [user["_id"] for user in everybody if user["_id"] not in held]
        for first in range(0, len(missing), MOST_AT_ONCE):
            part = missing[first : first + MOST_AT_ONCE]
            await asyncio.gather(*(self._log.submit(room_id, Join(Author(user_id))) for user_id in part))
