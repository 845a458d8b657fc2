"""What people are told of their rooms on their own channels: rooms that come and go, and what is unread in them.

That something has become unread is told to all processes, once for each room however many are in it; each process
counts for those who are connected to it and do not hear the room (realtime/unread.py). In a room that all its members
have open nobody counts anything.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence

from core.events import OWN_READ, ROOM_MOVED, Event, announce, control, room_channel, user_channel
from core.tasks import apart
from models.base import Document, Ground
from models.indexes import MENTIONS
from models.room_views import RoomViews, own

PAUSE_SECONDS = 0.2  # between two words of one room's unread messages: processes count once a second
_NEAR = 500  # messages between those who are counted for together
_MOST_FAR = 50  # questions about those who are further behind: MongoDB plans each by itself, 8,000 of them in a second
MOST_RECEIPTS = 500  # members; in larger rooms every reader's every step would reach every other one


class RoomNews:
    """Makes and publishes the events on `user:<id>`, and the receipts on `room:<id>`."""

    def __init__(self, ground: Ground, views: RoomViews) -> None:
        self._ground = ground
        self._views = views
        self._rooms = ground.collection("rooms")
        self._members = ground.collection("room_members")
        self._messages = ground.collection("messages")
        self._moved: dict[str, bool] = {}  # rooms that were told of just now: has more come since?
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Tell nobody anything more: the server ends."""
        for task in self._tasks:
            task.cancel()

    async def created(self, room_id: str, user_ids: Sequence[str]) -> None:
        """Tell people of a room that they have just come into, each with their own view of it."""
        room = await self._rooms.get({"_id": room_id, "deletedAt": None})
        if room is None:
            return
        ids = [f"{room_id}:{user_id}" for user_id in user_ids]
        events = []
        for member in await self._members.find({"_id": {"$in": ids}, "left": False}):
            shown = (await self._views.rooms([(room, member)], member["userId"]))[0]
            events.append(announce("room.created", user_channel(member["userId"]), {"room": shown}))
        await self._ground.events.publish(events)

    async def removed(self, room: Document, user_ids: Iterable[str]) -> None:
        """Tell people of a room that they are no longer in."""
        gone = {"room": room}
        events = [announce("room.removed", user_channel(user_id), gone) for user_id in user_ids]
        await self._ground.events.publish(events)

    async def read(self, room: Document, member: Document) -> None:
        """Tell how far somebody has read: the room, if it is not too large, and all of their own devices."""
        user_id = member["userId"]
        shown = (await self._views.rooms([(room, member)], user_id))[0]
        seen = {"userId": user_id, "seq": member["lastReadSeq"]}
        if room["memberCount"] <= MOST_RECEIPTS:
            receipt = announce("read", room_channel(room["_id"]), seen)
        else:
            data = {"roomId": room["_id"], **seen}
            receipt = Event(OWN_READ, user_channel(user_id), data, ephemeral=True)
        await self._ground.events.publish([self._counts(room, shown, user_id), receipt])

    def moved(self, room: Document) -> None:
        """Note that what is unread in a room has changed: those of its members who are here are told it, soon."""
        room_id = room["_id"]
        if room_id in self._moved:
            self._moved[room_id] = True
            return
        self._moved[room_id] = False
        task = apart(self._tell_moved(room_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_moved(self, room_id: str) -> None:
        """Tell the processes, and again after each pause in which more has come."""
        try:
            while True:
                await self._ground.events.publish([control(ROOM_MOVED, roomId=room_id)])
                await asyncio.sleep(PAUSE_SECONDS)
                if not self._moved[room_id]:
                    return
                self._moved[room_id] = False
        finally:
            del self._moved[room_id]

    async def counts(self, room_id: str, user_ids: Collection[str]) -> list[Event]:
        """Return what is unread in a room, as events, for those of `user_ids` who are its members."""
        room = await self._rooms.get({"_id": room_id, "deletedAt": None})
        if room is None:
            return []
        query: Document = {"_id": {"$in": [f"{room_id}:{one}" for one in user_ids]}, "left": False}
        if room["memberCount"] < len(user_ids):
            query = {"roomId": room_id, "left": False}
        fields = {"userId": 1, "lastReadSeq": 1, "role": 1}
        found = await self._members.find(query, projection=fields)
        members = [member for member in found if member["userId"] in user_ids]
        mentions = await self._mentioned(room_id, members) if members else {}
        counted = [{**own(room, m), "mentions": mentions[m["userId"]]} for m in members]
        return [self._counts(room, shown, m["userId"]) for m, shown in zip(members, counted, strict=True)]

    async def _mentioned(self, room_id: str, members: Sequence[Document]) -> dict[str, int]:
        """Count for many members at once the unread messages that mention them.

        Most are nearly up to date and asked for together. Those who are far behind are asked for with others who are
        as far: with one question for all, somebody who never reads a room would make each of these counts read the
        mentions of everybody since ever.
        """
        read = {m["userId"]: m["lastReadSeq"] for m in members}
        query = {
            "$or": [{"mentions": {"$in": who}, "roomId": room_id, "seq": {"$gt": read[who[0]]}} for who in _alike(read)]
        }
        counts = dict.fromkeys(read, 0)
        for message in await self._messages.find(query, projection={"mentions": 1, "seq": 1}, hint=MENTIONS):
            for user_id in message["mentions"]:
                if user_id in read and message["seq"] > read[user_id]:
                    counts[user_id] += 1
        return counts

    @staticmethod
    def _counts(room: Document, shown: Document, user_id: str) -> Event:
        return announce("room.unread", user_channel(user_id), {**shown, "roomId": room["_id"]})


def _alike(read: Mapping[str, int]) -> list[list[str]]:
    """Divide readers by how far they have read, each group from the furthest behind on; the last are nearly up to date.

    There may be as many groups as readers, but no more than _MOST_FAR and one.
    """
    order = sorted(read, key=read.__getitem__)
    newest = read[order[-1]]
    far = [who for who in order if read[who] < newest - _NEAR]
    size = -(-len(far) // _MOST_FAR) or 1
    return [*(far[start : start + size] for start in range(0, len(far), size)), order[len(far) :]]
