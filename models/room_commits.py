"""Group commit: what waits in several rooms of this process is written in one transaction.

A transaction costs the same five commands for 32 rooms as for one. So batches of different rooms that come while
others are being committed are committed together next; with nothing under way a batch starts at once.

Rooms know nothing of each other, and no room's failure is another's. A group whose transaction is aborted, for
whatever reason, is done again batch by batch, each in a transaction of its own and with an outcome of its own. Only
where nobody knows whether a group was committed is that the answer to all of it: nothing is ever done twice.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pymongo.client_session import ClientSession

from core.errors import Unavailable
from core.tasks import apart
from models.base import Ground
from models.room_batch import Batch, Committed, MayBeKnown, Result, RoomTransaction
from models.transactions import SECONDS, is_conflict

MOST_TOGETHER = 100  # changes in a group: as many as one room's batch may have, and no group takes longer than that
_GROUPS = 2  # at once: while one waits for the journal another is read and written
_THREADS = 16  # transactions at once, of groups and single batches: each waits for MongoDB most of its time

_Work = Callable[[ClientSession], list[Result]]


class _Spoiled(Exception):
    """A group's transaction was aborted: each of its batches has to be done by itself."""


@dataclass(slots=True)
class _Waiting:
    batch: Batch
    deadline: float  # monotonic seconds: after it nothing is begun
    done: "asyncio.Future[Committed]"


class RoomCommits:
    """Commits batches. One object a process."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._transaction = RoomTransaction(ground)
        self._pool = ThreadPoolExecutor(_THREADS, "room-batch")
        self._waiting: deque[_Waiting] = deque()
        self._free = _GROUPS
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    def stop(self) -> None:
        """Begin no more transactions: what waits for one gets Unavailable. Those under way end by themselves."""
        self._stopped = True
        self._pool.shutdown(wait=False)
        while self._waiting:
            _answer(self._waiting.popleft(), Unavailable())

    async def commit(self, batch: Batch) -> Committed:
        """Apply a batch; return its changes' outcomes, and the room's state, which is committed by the majority.

        Never called for a room whose last batch is under way. Raises NotFound, Duplicate, Unavailable.
        """
        if self._stopped:
            raise Unavailable  # a frame that was under way while the server ended
        deadline, known = time.monotonic() + SECONDS, False
        if not batch.goes_alone:
            try:
                return await self._in_group(batch, deadline)
            except MayBeKnown:
                known = True
            except _Spoiled:
                pass
        try:
            return await self._alone(batch, deadline, known=known)
        except MayBeKnown:
            return await self._alone(batch, deadline, known=True)

    async def _alone(self, batch: Batch, deadline: float, *, known: bool) -> Committed:
        """Commit one batch in a transaction of its own, again until it meets no other."""

        def work(session: ClientSession) -> list[Result]:
            return self._transaction.run([batch], session, known=known)

        result = (await self._transact(work, batch.turn.conflicted, deadline))[0]
        if isinstance(result, Exception):
            raise result
        return result

    # --- groups -----------------------------------------------------------------------------------------------------

    async def _in_group(self, batch: Batch, deadline: float) -> Committed:
        """Commit a batch together with what else waits. Raises also _Spoiled and MayBeKnown: then nothing was done."""
        done: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(batch, deadline, done))
        if self._free:
            self._free -= 1
            task = apart(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await done

    async def _work(self) -> None:
        """Commit group after group until nothing waits."""
        while group := self._next():
            results: Sequence[Committed | Exception]
            try:
                results = await self._together(group)
            except Exception as e:  # noqa: BLE001 - whatever it is, it is every waiting caller's answer
                if isinstance(e, _Spoiled) and len(group) > 1:
                    self._ground.metrics.room_groups_undone.inc()
                results = [e] * len(group)
            for one, result in zip(group, results, strict=True):
                _answer(one, result)
        self._free += 1  # at once: whoever comes from now on starts another

    def _next(self) -> list[_Waiting]:
        """Take what has waited longest, of MOST_TOGETHER changes; what has waited too long was not tried."""
        group, changes, now = list[_Waiting](), 0, time.monotonic()
        while self._waiting:
            if self._waiting[0].deadline < now:
                _answer(self._waiting.popleft(), Unavailable())
                continue
            changes += len(self._waiting[0].batch.changes)
            if group and changes > MOST_TOGETHER:
                break
            group.append(self._waiting.popleft())
        return group

    async def _together(self, group: Sequence[_Waiting]) -> Sequence[Result]:
        """Commit a group in one transaction, which is tried once."""
        batches = [one.batch for one in group]

        def work(session: ClientSession) -> list[Result]:
            try:
                return self._transaction.run(batches, session, known=False)
            except Exception as e:
                if len(batches) == 1 or is_conflict(e):
                    raise
                raise _Spoiled from e

        def conflicted() -> None:
            if len(batches) == 1:
                batches[0].turn.conflicted()  # of several nobody knows which one it was: they find out by themselves
            raise _Spoiled

        deadline = min(one.deadline for one in group)
        return await self._transact(work, conflicted, deadline)

    async def _transact(self, work: _Work, conflicted: Callable[[], None], deadline: float) -> list[Result]:
        try:
            return await self._ground.transaction_in_thread(work, self._pool, conflicted, deadline)
        except RuntimeError as e:
            if self._stopped:  # between two tries the pool was closed; nothing of this one was begun
                raise Unavailable from e
            raise


def _answer(one: _Waiting, result: Committed | Exception) -> None:
    if one.done.done():
        return
    if isinstance(result, Exception):
        one.done.set_exception(result)
    else:
        one.done.set_result(result)
