"""One batch of changes to a room: read, applied and written in one transaction, all of it in one thread.

A batch is five round trips to MongoDB. Motor hands each one to a thread and back, and every way back waits until the
event loop lets go of the interpreter: with 32 busy rooms that was most of a batch's time. So a thread has a batch from
its first read to its commit, on the synchronous client that Motor itself stands on, and the loop hears of it once.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pymongo import ReplaceOne, errors
from pymongo.client_session import ClientSession

from core.errors import NotFound, Problem, Unavailable
from models.base import Document, Ground, hits_unique
from models.room_state import Change, State
from models.room_turns import Turn

Outcomes = list[Any]  # each change's answer or Problem, in their order

_THREADS = 16  # batches of different rooms at once: each waits for MongoDB most of its time


class _MayBeKnown(Exception):
    """A message of this batch may be there already, under its clientId: that has to be looked up first."""


class RoomBatches:
    """Commits batches. One object a process."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._database = ground.client.delegate[ground.database]
        self._pool = ThreadPoolExecutor(_THREADS, "room-batch")
        self._stopped = False

    def stop(self) -> None:
        """Take no more batches; those under way end by themselves."""
        self._stopped = True
        self._pool.shutdown(wait=False)

    async def commit(self, room_id: str, changes: Sequence[Change], turn: Turn) -> tuple[Outcomes, State]:
        """Apply `changes` in one transaction; return their outcomes, and the room's state, which is committed.

        Whether a clientId is taken is not asked at first: the unique index says so, and then, or where a change
        is refused that may be known, all is done again with that looked up. Raises NotFound, Duplicate, Unavailable.
        """
        if self._stopped:
            raise Unavailable  # a frame that was under way while the server ended
        try:
            return await self._try(room_id, changes, turn, known=False)
        except _MayBeKnown:
            return await self._try(room_id, changes, turn, known=True)

    async def _try(self, room_id: str, changes: Sequence[Change], turn: Turn, *, known: bool) -> tuple[Outcomes, State]:
        def work(session: ClientSession) -> tuple[Outcomes, State]:
            state = self.read(room_id, changes, session, known=known)
            outcomes = [_applied(change, state) for change in changes]
            if not known and any(
                isinstance(outcome, Problem) and change.client_key
                for change, outcome in zip(changes, outcomes, strict=True)
            ):
                raise _MayBeKnown
            try:
                self.write(state, session)
            except errors.BulkWriteError as e:
                if not known and hits_unique(e):
                    raise _MayBeKnown from e
                raise
            return outcomes, state

        return await self._ground.transaction_in_thread(work, self._pool, turn.conflicted)

    # --- in the thread ----------------------------------------------------------------------------------------------

    def read(self, room_id: str, changes: Sequence[Change], session: ClientSession, *, known: bool) -> State:
        """Return the room and what the changes look at. Raises NotFound where it is gone."""
        room, members = self._room(room_id, changes, session)
        messages, files = [], []
        if ids := sorted({one for change in changes for one in change.messages}):
            messages += self._find("messages", {"_id": {"$in": ids}, "roomId": room_id}, session)
        if known and (keys := {change.client_key for change in changes if change.client_key}):
            taken = [{"roomId": room_id, "authorId": who, "clientId": key} for who, key in keys]
            messages += self._find("messages", {"$or": taken}, session)
        if ids := sorted({one for change in changes for one in change.files}):
            files += self._find("files", {"_id": {"$in": ids}}, session)
        return State(room, members, messages, self._ground.clock.now(), files)

    def _room(self, room_id: str, changes: Sequence[Change], session: ClientSession) -> tuple[Document, list[Document]]:
        """Return the room and the memberships that are looked at: one round trip for both."""
        users = sorted({f"{room_id}:{user}" for change in changes for user in change.users})
        theirs = {"from": "room_members", "pipeline": [{"$match": {"_id": {"$in": users}}}], "as": "members"}
        pipeline = [{"$match": {"_id": room_id, "deletedAt": None}}, {"$lookup": theirs}]
        found = self._command("rooms", "aggregate", {"pipeline": pipeline, "cursor": {}}, session)
        if not found["cursor"]["firstBatch"]:
            raise NotFound
        room = found["cursor"]["firstBatch"][0]
        return room, room.pop("members")

    def write(self, state: State, session: ClientSession) -> None:
        """Write the counters first: their conflict keeps every other writer of the room away until the commit."""
        if not state.happened:
            return
        members = state.changed_members
        self._update("rooms", [_set(state.room["_id"], {"$set": state.changed_room})], session)
        created = {each.document["_id"] for each in state.happened if each.event == "message.created"}
        self._messages(state.changed_messages, created, session)
        self._update("files", [_set(one, {"$set": fields}) for one, fields in state.changed_files.items()], session)
        writes = [_set(one, member) | {"upsert": True} for one, member in members.items()]
        reads = {one: seq for one, seq in state.reads.items() if one not in members}
        writes += [_set(one, {"$max": {"lastReadSeq": seq}}) for one, seq in reads.items()]
        self._update("room_members", writes, session)

    def _messages(self, messages: Mapping[str, Document], created: set[str], session: ClientSession) -> None:
        new = [message for one, message in messages.items() if one in created]
        if new:
            self._command("messages", "insert", {"documents": new, "ordered": False}, session)
        # Others may have grown large by what people did to them: the driver divides them among commands.
        changed = [ReplaceOne({"_id": one}, message) for one, message in messages.items() if one not in created]
        if changed:
            self._database["messages"].bulk_write(changed, ordered=False, session=session)

    def _find(self, collection: str, query: Document, session: ClientSession) -> list[Document]:
        found: list[Document] = self._database[collection].find(query, session=session).to_list()
        return found

    def _update(self, collection: str, updates: list[Document], session: ClientSession) -> None:
        if updates:
            self._command(collection, "update", {"updates": updates, "ordered": False}, session)

    def _command(self, collection: str, name: str, arguments: Document, session: ClientSession) -> Document:
        """Run a command and return MongoDB's answer: half the work of the driver's own methods.

        Raises BulkWriteError where it wrote only a part.
        """
        began = time.perf_counter()
        options, command = self._database.codec_options, {name: collection, **arguments}
        answer: Document = self._database.command(command, session=session, codec_options=options)
        self._ground.metrics.store_seconds.labels(collection, name).observe(time.perf_counter() - began)
        if answer.get("writeErrors"):
            raise errors.BulkWriteError(answer)
        return answer


def _set(one: str, change: Document) -> Document:
    return {"q": {"_id": one}, "u": change}


def _applied(change: Change, state: State) -> Any:
    try:
        return change.apply(state)
    except Problem as problem:
        return problem
