"""Pictures of people: files that a profile uses. Such a file is used for nothing else, and everybody may see it."""

from datetime import timedelta

from core.errors import Invalid
from models.base import Ground, Session

KEPT = timedelta(days=1)  # after its owner has taken another: it may still be sent as an attachment


class Avatars:
    """Takes files into profiles and lets them go, as part of the transaction that changes the user."""

    def __init__(self, ground: Ground) -> None:
        self._clock = ground.clock
        self._files = ground.collection("files")

    async def change(self, user_id: str, file_id: str | None, *, session: Session) -> None:
        """Use `file_id`, or no picture, from now on. Raises Invalid unless it is the user's own image, and unused."""
        now = self._clock.now()
        if file_id is not None:
            free = {"$or": [{"use": None, "sweepAt": {"$gt": now}}, {"use.type": "user"}]}
            own = {"_id": file_id, "ownerId": user_id, "kind": "image", **free}
            taken = {"use": {"type": "user", "id": user_id}, "sweepAt": None}
            if not await self._files.update(own, {"$set": taken}, session=session):
                right = "must be an image that you uploaded yourself and that no message carries"
                raise Invalid.field("avatarFileId", right)
        former = {"ownerId": user_id, "use.type": "user", "_id": {"$ne": file_id}}
        await self._files.update_all(former, {"$set": {"use": None, "sweepAt": now + KEPT}}, session=session)
