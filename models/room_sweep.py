"""What stays of deleted rooms: messages and memberships, removed in batches, the room itself last."""

from datetime import datetime, timedelta

from models.base import Document, Ground

AT_ONCE = 1000  # documents a deletion: each is one short operation beside everybody's writing
REST = timedelta(minutes=1)  # so that every subscriber has heard of the end before the room is gone


class RoomSweep:
    """Removes rooms that were deleted."""

    def __init__(self, ground: Ground) -> None:
        self._rooms = ground.collection("rooms")
        self._parts = [ground.collection("messages"), ground.collection("room_members")]

    async def sweep(self, now: datetime) -> int:
        """Remove all rooms that were deleted a while ago; return how many. It may be cut off anywhere and run again."""
        gone = 0
        async for room in self._rooms.each({"deletedAt": {"$lte": now - REST}}, projection={"_id": 1}):
            await self._empty(room["_id"])
            gone += await self._rooms.delete({"_id": room["_id"]})
        return gone

    async def _empty(self, room_id: str) -> None:
        for part in self._parts:
            query: Document = {"roomId": room_id}
            while found := await part.find(query, limit=AT_ONCE, projection={"_id": 1}):
                await part.delete_all({"_id": {"$in": [document["_id"] for document in found]}})
