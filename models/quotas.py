"""The `quotas` collection: how many bytes each workspace's media have, counted in the transactions that change it."""

from core.errors import TooLarge
from models.base import Document, Ground, Session


def quota_exceeded(quota: int) -> TooLarge:
    """Return the refusal of more than a workspace may have."""
    return TooLarge("quota_exceeded", f"This workspace may have {quota} bytes of media, and this is more than is left.")


class Quotas:
    """{_id: workspaceId, bytes}. The counter's write conflict makes parallel uploads count one after the other."""

    def __init__(self, ground: Ground) -> None:
        self._docs = ground.collection("quotas")
        self._quota = ground.settings.workspace_quota_bytes

    async def of(self, workspace_id: str) -> Document:
        """Return `{"usedBytes", "quotaBytes"}` of a workspace."""
        held = await self._docs.get({"_id": workspace_id})
        return {"usedBytes": held["bytes"] if held else 0, "quotaBytes": self._quota}

    async def refuse_full(self, workspace_id: str, coming: int) -> None:
        """Raise TooLarge `quota_exceeded` where `coming` bytes would not fit: before the work of taking them."""
        if (await self.of(workspace_id))["usedBytes"] + coming > self._quota:
            raise quota_exceeded(self._quota)

    async def take(self, workspace_id: str, size: int, *, session: Session) -> None:
        """Count `size` more bytes. Raises TooLarge `quota_exceeded`."""
        held = await self._docs.change({"_id": workspace_id}, {"$inc": {"bytes": size}}, session=session, upsert=True)
        if held is not None and size > 0 and held["bytes"] > self._quota:
            raise quota_exceeded(self._quota)

    async def give_back(self, workspace_id: str, size: int, *, session: Session) -> None:
        """Count `size` fewer bytes."""
        await self._docs.update({"_id": workspace_id}, {"$inc": {"bytes": -size}}, session=session)

    async def forget(self, workspace_id: str) -> None:
        """Remove the counter of a workspace that is gone."""
        await self._docs.delete({"_id": workspace_id})
