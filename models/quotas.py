"""The `quotas` collection: how many bytes of media each workspace has, and of files each user.

They are counted in the transactions that change them.
"""

from core.errors import TooLarge
from core.sizes import in_words
from models.base import Document, Ground, Session


class Quotas:
    """{_id: holder's id, bytes}. The counter's write conflict makes parallel uploads count one after the other.

    `quota` is in bytes; `detail` is the sentence for more than that, with `{quota}` in it, as people are told it.
    """

    def __init__(self, ground: Ground, quota: int, detail: str) -> None:
        self._docs = ground.collection("quotas")
        self._quota = quota
        self._detail = detail.format(quota=in_words(quota))

    async def of(self, holder_id: str) -> Document:
        """Return `{"usedBytes", "quotaBytes"}` of a holder."""
        held = await self._docs.get({"_id": holder_id})
        return {"usedBytes": held["bytes"] if held else 0, "quotaBytes": self._quota}

    async def refuse_full(self, holder_id: str, coming: int) -> None:
        """Raise TooLarge `quota_exceeded` where `coming` bytes would not fit: before the work of taking them."""
        self.refuse_over((await self.of(holder_id))["usedBytes"] + coming)

    def refuse_over(self, size: int) -> None:
        """Raise TooLarge `quota_exceeded` where a holder of `size` bytes has too many."""
        if size > self._quota:
            raise TooLarge("quota_exceeded", self._detail)

    async def take(self, holder_id: str, size: int, *, session: Session) -> None:
        """Count `size` more bytes. Raises TooLarge `quota_exceeded`."""
        held = await self._docs.change({"_id": holder_id}, {"$inc": {"bytes": size}}, session=session, upsert=True)
        if held is not None and size > 0:
            self.refuse_over(held["bytes"])

    async def give_back(self, holder_id: str, size: int, *, session: Session) -> None:
        """Count `size` fewer bytes."""
        await self._docs.update({"_id": holder_id}, {"$inc": {"bytes": -size}}, session=session)

    async def forget(self, holder_id: str) -> None:
        """Remove the counter of a holder that is gone."""
        await self._docs.delete({"_id": holder_id})
