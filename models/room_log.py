"""A room's log: every change to a room goes through here, in a batch of a transaction, with no holes.

A room counts its changes (`offset`) and its messages (`lastSeq`). A transaction reads what its changes need,
applies them in memory, writes the room's counters first and then what has changed, each with the offset of
its last change as `rev`. The counters' write conflict holds until the commit, so no offset is ever visible
before the one below it, in whatever process. Documents hold the latest state only: events carry what passed.

What waits for one room is joined into one batch; one is in flight per room and process. Batches of different rooms
that wait at the same time share a transaction (models/room_commits.py).
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from core.errors import Conflict, NotFound, Problem, Unavailable
from core.events import Event
from core.tasks import apart
from models.base import Document, Duplicate, Ground
from models.room_batch import Batch
from models.room_commits import RoomCommits
from models.room_state import Change, Happening, State
from models.room_turns import Turn, Turns

log = structlog.get_logger("marquee.rooms")
MOST_AT_ONCE = 100  # changes in one batch: what makes its commit cheap a change, and far from any limit
Waiting = list[tuple[Change, "asyncio.Future[Any]"]]


class Dress(Protocol):
    """Turns what has happened into events as clients see them."""

    async def events(self, room: Document, happened: Sequence[Happening]) -> list[Event]:
        """Return the events of what has happened, in its order."""


class Moved(Protocol):
    """Hears of rooms in which there is more to read, or something else."""

    def moved(self, room: Document) -> None:
        """Note that somebody's unread messages or mentions in `room` have changed. Never waits."""


class RoomLog:
    """Takes changes and answers them when they are committed."""

    def __init__(self, ground: Ground, turns: Turns, dress: Dress, unread: Moved) -> None:
        self._ground = ground
        self._turns = turns
        self._dress = dress
        self._unread = unread
        self._commits = RoomCommits(ground)
        self._waiting: dict[str, Waiting] = {}
        self._workers: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Let what is under way end; what still waits is cancelled."""
        for waiting in self._waiting.values():
            for _, future in waiting:
                future.cancel()
            waiting.clear()
        if self._workers:
            await asyncio.wait(self._workers)
        self._commits.stop()

    async def submit(self, room_id: str, change: Change) -> Any:
        """Apply `change` and return its answer once it is committed by the majority.

        Raises the change's own Problem; NotFound when the room is gone; Unavailable when the store is away or
        nobody knows whether it was committed: then the caller repeats it, under the same clientId where it has one.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(room_id)
        if waiting is None:
            self._waiting[room_id] = [(change, future)]
            worker = apart(self._work(room_id))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        else:
            waiting.append((change, future))
        return await future

    async def _work(self, room_id: str) -> None:
        """Commit batch after batch until nothing waits for the room."""
        waiting, batch = self._waiting[room_id], list[tuple[Change, asyncio.Future[Any]]]()
        try:
            while waiting:
                states: list[State] = []
                async with self._turns.taken(room_id) as turn:
                    batch, waiting[:] = waiting[:MOST_AT_ONCE], waiting[MOST_AT_ONCE:]
                    outcomes = await self._outcomes(room_id, [change for change, _ in batch], turn, states)
                for state in states:
                    await self._tell(state)
                _answer(batch, outcomes)
                if isinstance(outcomes[0], Unavailable):
                    # Those who waited meanwhile would find out one after the other, seconds late: nothing was tried.
                    _answer(waiting, [Unavailable() for _ in waiting])
                    waiting.clear()
        finally:
            del self._waiting[room_id]
            unanswered = [*batch, *waiting]  # a defect of ours, or the server ends: nobody waits for ever
            _answer(unanswered, [Unavailable() for _ in unanswered])

    async def _outcomes(self, room_id: str, changes: Sequence[Change], turn: Turn, states: list[State]) -> list[Any]:
        """Commit a batch and return each change's answer or exception; what was committed is added to `states`."""
        try:
            return await self._commit(room_id, changes, turn, states)
        except Duplicate:
            # Only a room's name can be taken by another room; whoever wanted it must not take the others along.
            if len(changes) > 1:
                return [one for change in changes for one in await self._outcomes(room_id, [change], turn, states)]
            return [Conflict(detail="A public room has that name already.")]
        except (Unavailable, NotFound) as e:
            return [type(e)(e.code, e.detail) for _ in changes]  # each caller's own: gateways write on them
        except Exception as e:  # noqa: BLE001 - whatever it is, it is every waiting caller's answer
            return [e] * len(changes)

    async def _commit(self, room_id: str, changes: Sequence[Change], turn: Turn, states: list[State]) -> list[Any]:
        outcomes, state = await self._commits.commit(Batch(room_id, changes, turn))
        if state.happened:
            states.append(state)
        return outcomes

    async def _tell(self, state: State) -> None:
        """Announce what was committed. It stands whether or not that works: who misses it repairs from a snapshot."""
        try:
            await self._ground.events.publish(await self._dress.events(state.room, state.happened))
        except Problem as e:
            log.warning("room.not_announced", room=state.room["_id"], error=str(e))
        if any(happening.moves_counts(state.now) for happening in state.happened):
            self._unread.moved(state.room)


def _answer(batch: Waiting, outcomes: Sequence[Any]) -> None:
    for (_, future), outcome in zip(batch, outcomes, strict=True):
        if future.done():
            continue  # its caller has gone; the change stands all the same
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
