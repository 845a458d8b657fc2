"""What people are told of their rooms on their own channels: rooms that come and go, and what is unread in them."""

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from core.errors import Problem
from core.events import OWN_READ, Event, announce, room_channel, user_channel
from core.ports import Presence
from core.tasks import apart
from models.base import Document, Ground
from models.room_views import RoomViews, own

log = structlog.get_logger("marquee.rooms")

PAUSE_SECONDS = 1.0  # between two rounds of unread counts of one room, as the contract allows
MOST_RECEIPTS = 500  # members; in larger rooms every reader's every step would reach every other one


class RoomNews:
    """Makes and publishes the events on `user:<id>`, and the receipts on `room:<id>`."""

    def __init__(self, ground: Ground, views: RoomViews, presence: Presence) -> None:
        self._ground = ground
        self._views = views
        self._presence = presence
        self._rooms = ground.collection("rooms")
        self._members = ground.collection("room_members")
        self._messages = ground.collection("messages")
        self._rounds: dict[str, bool] = {}  # rooms whose counts were told just now: has more come since?
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
        if room["_id"] in self._rounds:
            self._rounds[room["_id"]] = True
            return
        self._rounds[room["_id"]] = False
        task = apart(self._go_round(room["_id"]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go_round(self, room_id: str) -> None:
        """Tell the counts, and again after each pause in which more has come."""
        try:
            while True:
                try:
                    await self._tell_counts(room_id)
                except Problem as e:
                    log.warning("unread.not_told", room=room_id, error=str(e))
                    self._rounds[room_id] = True  # nothing else may ever move these counts again
                await asyncio.sleep(PAUSE_SECONDS)
                if not self._rounds[room_id]:
                    return
                self._rounds[room_id] = False
        finally:
            del self._rounds[room_id]

    async def _tell_counts(self, room_id: str) -> None:
        fields = {"userId": 1, "lastReadSeq": 1, "role": 1}
        members = await self._members.find({"roomId": room_id, "left": False}, projection=fields)
        here = await self._presence.online([m["userId"] for m in members])
        members = [m for m in members if m["userId"] in here]
        room = await self._rooms.get({"_id": room_id, "deletedAt": None}) if members else None
        if room is None:
            return
        mentions = await self._mentioned(room_id, members)
        counted = [{**own(room, m), "mentions": mentions[m["userId"]]} for m in members]
        pairs = zip(members, counted, strict=True)
        await self._ground.events.publish([self._counts(room, shown, m["userId"]) for m, shown in pairs])

    async def _mentioned(self, room_id: str, members: Sequence[Document]) -> dict[str, int]:
        """Count for many members at once the unread messages that mention them."""
        read = {m["userId"]: m["lastReadSeq"] for m in members}
        query = {"mentions": {"$in": list(read)}, "roomId": room_id, "seq": {"$gt": min(read.values())}}
        counts = dict.fromkeys(read, 0)
        for message in await self._messages.find(query, projection={"mentions": 1, "seq": 1}):
            for user_id in message["mentions"]:
                if user_id in read and message["seq"] > read[user_id]:
                    counts[user_id] += 1
        return counts

    @staticmethod
    def _counts(room: Document, shown: Document, user_id: str) -> Event:
        return announce("room.unread", user_channel(user_id), {**shown, "roomId": room["_id"]})
