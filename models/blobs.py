"""The `blobs` collection: a register of what lies in the storage, written before it lies there.

Content is shared: the same bytes in ten workspaces are one file. So nothing is deleted because one media
goes, but because nobody needs the content any more, and nobody may begin to need it in that moment:

- who stores content *holds* its entry until the document that refers to it is written;
- who drops content *claims* the entry, which only works while nobody holds it, and then asks whether any
  document refers to it. While it is claimed nobody can hold it.

Whatever ends in between leaves an entry with a `checkAt` in the past, and `sweep` looks at that again. A
listing of the storage is never compared with the database: an account or a folder may be shared.

    {_id: storage key, companions: [keys that go with it], holds: [{by, until}], dropping, checkAt, doubts?}
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from core.errors import Problem, Unavailable
from core.ports import Storage
from models.base import Document, Duplicate, Ground, Session

log = structlog.get_logger("marquee.blobs")

HOLD = timedelta(hours=1)  # longer than any upload to a storage takes; then its process has died
CLAIM = timedelta(minutes=3)  # longer than a storage takes to delete two keys or to fail at it
RETRY = timedelta(seconds=10)
DOUBTS = (timedelta(seconds=30), timedelta(minutes=10))  # when to look for an upload that has timed out, and ended
RECHECK = timedelta(days=1)  # what is in use is looked at again: whatever refers to it may end by its own expiry
WAIT_SECONDS = 8.0  # for somebody else's dropping to end, before the caller is told to come again
SWEPT = 200  # in one round
UNDECIDED = timedelta(seconds=90)  # by then a commit whose outcome is unknown has happened or never will
IsUsed = Callable[[str], Awaitable[bool]]


@dataclass
class Hold:
    """Set `referring` when the document that refers to the content is about to be written.

    From there on a block that ends with Unavailable may have written it after all.
    """

    referring: bool = False


class Blobs:
    """Every store of content and every removal of it. `used` are asked whether a document refers to a key."""

    def __init__(self, ground: Ground, storage: Storage) -> None:
        self._clock = ground.clock
        self._docs = ground.collection("blobs")
        self._storage = storage
        self.used: list[IsUsed] = []

    @asynccontextmanager
    async def holding(self, key: str, *companions: str) -> AsyncIterator["Hold"]:
        """Keep `key` and its companions from being dropped while the block stores them and refers to them.

        A block that fails drops what it has stored, unless somebody else needs it. Raises Unavailable where
        the content is just being dropped and that does not end in time.
        """
        hold = Hold()
        mark = await self._hold(key, companions)
        try:
            yield hold
        except Unavailable:
            if hold.referring:  # the document may be written after all
                await asyncio.shield(self._let_go(key, mark, {"checkAt": self._clock.now() + UNDECIDED}))
            else:  # the storage may keep it after all, even after it was asked to delete it
                await asyncio.shield(self._let_go(key, mark, {"doubts": len(DOUBTS)}))
                await asyncio.shield(self.drop_unused(key))
            raise
        except BaseException:
            await asyncio.shield(self._let_go(key, mark))
            await asyncio.shield(self.drop_unused(key))
            raise
        await asyncio.shield(self._let_go(key, mark))

    @asynccontextmanager
    async def storing(self, key: str, source: Path, companions: Mapping[str, Path]) -> AsyncIterator[None]:
        """Store `source` under `key`, and its companions; they stay if the block writes down a reference.

        If it fails they go again. The files may be moved away. Raises StorageFull, TooLarge, Unavailable.
        """
        async with self.holding(key, *companions) as hold:
            for each, path in (*companions.items(), (key, source)):
                await self._storage.put(path, each)
            hold.referring = True
            yield

    async def _hold(self, key: str, companions: Sequence[str]) -> str:
        mark, deadline = (
            secrets.token_hex(8),
            self._clock.monotonic() + WAIT_SECONDS,
        )  # no id: two tries may share those
        while True:
            until = self._clock.now() + HOLD
            change = {
                "$push": {"holds": {"by": mark, "until": until}},
                "$addToSet": {"companions": {"$each": list(companions)}},
                "$max": {"checkAt": until},
            }
            try:
                await self._docs.update({"_id": key, "dropping": False}, change, upsert=True)
                return mark
            except Duplicate:  # it is there, and being dropped
                if self._clock.monotonic() > deadline:
                    raise Unavailable(detail="This content is just being removed: try again in a moment.") from None
            await asyncio.sleep(0.2)

    async def _let_go(self, key: str, mark: str, noted: Document | None = None) -> None:
        change: Document = {"$pull": {"holds": {"by": mark}}}
        await self._docs.update({"_id": key}, change | {"$set": noted} if noted else change)

    async def check_soon(self, key: str, *, session: Session) -> None:
        """Let the sweep look at `key`: part of the transaction that takes a reference away, should its process die."""
        change = {"$set": {"checkAt": self._clock.now() + RETRY}}
        await self._docs.update({"_id": key}, change, session=session)

    async def drop_unused(self, key: str) -> bool:
        """Remove `key` from the storage if nobody holds or uses it. Never raises: the sweep tries again."""
        try:
            claimed = await self._claim(key)
            if claimed is None:
                return False
            if await self._is_used(key):
                kept = {"dropping": False, "checkAt": self._clock.now() + RECHECK}
                await self._docs.update({"_id": key}, {"$set": kept, "$unset": {"doubts": ""}})
                return False
            for each in (*claimed["companions"], key):
                await self._storage.delete(each)
            await self._forget(claimed)
        except Problem as e:
            log.warning("blob.not_dropped", key=key, code=e.code)
            await self._try_again(key)
            return False
        return True

    async def _claim(self, key: str) -> Document | None:
        now = self._clock.now()
        unheld = {"holds": {"$not": {"$elemMatch": {"until": {"$gt": now}}}}}
        mine = {"$or": [{"dropping": False}, {"checkAt": {"$lte": now}}]}  # or a dropper's that has died
        claim = {"$set": {"dropping": True, "holds": [], "checkAt": now + CLAIM}}
        return await self._docs.change({"_id": key, **unheld, **mine}, claim)

    async def _forget(self, dropped: Document) -> None:
        """Strike out what was dropped; where the storage may still come to keep it, look again a few times first."""
        query: Document = {"_id": dropped["_id"], "dropping": True}
        doubts = dropped.get("doubts", 0)
        if doubts == 0:
            await self._docs.delete(query)
            return
        again = self._clock.now() + DOUBTS[-doubts]
        await self._docs.update(query, {"$set": {"dropping": False, "doubts": doubts - 1, "checkAt": again}})

    async def _is_used(self, key: str) -> bool:
        return any([await asks(key) for asks in self.used])

    async def _try_again(self, key: str) -> None:
        try:
            await self._docs.update({"_id": key, "dropping": True}, {"$set": {"checkAt": self._clock.now() + RETRY}})
        except Problem as e:
            log.warning("blob.not_marked", key=key, code=e.code)  # the claim ends by itself

    async def sweep(self) -> int:
        """Look again at what is due, and return how many keys were removed."""
        due = await self._docs.find(
            {"checkAt": {"$lte": self._clock.now()}}, limit=SWEPT, sort=[("checkAt", 1)], projection={"_id": 1}
        )
        return sum([await self.drop_unused(each["_id"]) for each in due])
