"""The rooms' epochs: whoever held something of a room before its past was replaced must not go on from it."""

from core.clock import new_id
from models.base import Ground


class Epochs:
    """Ends what clients hold."""

    def __init__(self, ground: Ground) -> None:
        self._rooms = ground.collection("rooms")

    async def renew(self) -> int:
        """Give all rooms another epoch and return how many there are: MongoDB was restored from a backup.

        Clients that come back load their rooms anew, and those that are subscribed are told to (`epoch_changed`).
        Without it an offset of the past that was lost would be taken for one of the past that came after.
        """
        return await self._rooms.update_all({}, {"$set": {"epoch": new_id()}})
