"""Batches of changes to rooms: read, applied and written in one transaction, five commands for all of them together.

All of it happens in one thread, on the synchronous client that Motor itself stands on. Motor hands each command to a
thread and back, and every way back waits until the event loop lets go of the interpreter: with 32 busy rooms that was
most of a batch's time. So a thread has a transaction from its first read to its commit, and the loop hears of it once.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import ReplaceOne, errors
from pymongo.client_session import ClientSession

from core.errors import NotFound, Problem
from models.base import Document, Ground, hits_unique
from models.room_state import Change, State
from models.room_turns import Turn

Committed = tuple[list[Any], State]  # each change's answer or Problem, in their order, and what the room is now


class MayBeKnown(Exception):
    """A message of a batch may be there already, under its clientId: that has to be looked up first."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to happen to one room, in this order."""

    room_id: str
    changes: Sequence[Change]
    turn: Turn

    @property
    def goes_alone(self) -> bool:
        """Whether it is kept out of transactions with other rooms.

        One that another process writes too would spoil them. And files are all that two rooms may reach for at once:
        in two transactions one of them meets the other.
        """
        return self.turn.contended or any(change.files for change in self.changes)


Result = Committed | NotFound | MayBeKnown


class RoomTransaction:
    """What is done in the transaction of some batches. One object a process; its methods run in threads."""

    def __init__(self, ground: Ground) -> None:
        self._clock = ground.clock
        self._seconds = ground.metrics.store_seconds
        self._database = ground.client.delegate[ground.database]

    def run(self, batches: Sequence[Batch], session: ClientSession, *, known: bool) -> list[Result]:
        """Do `batches`, each of a room of its own, and return what has become of each.

        NotFound is for a room that is gone. Whether a clientId is taken is not looked up, unless `known` says so: the
        unique index tells, and then MayBeKnown is raised. Where a change was refused that may be known, it is the
        batch's result, and nothing of it is written.
        """
        states = self._read(batches, session, known=known)
        results = [_applied(batch, states.get(batch.room_id), known=known) for batch in batches]
        try:
            self.write([one[1] for one in results if isinstance(one, tuple) and one[1].happened], session)
        except errors.BulkWriteError as e:
            if not known and hits_unique(e):
                raise MayBeKnown from e
            raise
        return results

    # --- reading ----------------------------------------------------------------------------------------------------

    def _read(self, batches: Sequence[Batch], session: ClientSession, *, known: bool) -> dict[str, State]:
        """Return by id the rooms that are there, each with what its changes look at."""
        asked = [(batch.room_id, change) for batch in batches for change in batch.changes]
        users = {f"{room_id}:{user}" for room_id, change in asked for user in change.users}
        rooms, members = self._rooms([batch.room_id for batch in batches], sorted(users), session)
        messages = self._named("messages", {one for _, change in asked for one in change.messages}, session)
        keys = [(room_id, *change.client_key) for room_id, change in asked if change.client_key]
        if known and keys:
            taken = [{"roomId": room_id, "authorId": who, "clientId": key} for room_id, who, key in keys]
            messages += self._find("messages", {"$or": taken}, session)
        files = self._named("files", {one for _, change in asked for one in change.files}, session)
        now, of, said = self._clock.now(), _by_room(members), _by_room(messages)
        return {room["_id"]: State(room, of[room["_id"]], said[room["_id"]], now, files) for room in rooms}

    def _rooms(
        self, ids: list[str], members: list[str], session: ClientSession
    ) -> tuple[list[Document], list[Document]]:
        """Return rooms and memberships by their ids: one round trip for both.

        Several rooms are put into one document first, for `$lookup` asks anew for each that it is given.
        """
        theirs = {"from": "room_members", "pipeline": [{"$match": {"_id": {"$in": members}}}], "as": "members"}
        pipeline: list[Document] = [{"$match": {"_id": {"$in": ids}, "deletedAt": None}}, {"$lookup": theirs}]
        if len(ids) > 1:
            pipeline.insert(1, {"$group": {"_id": None, "rooms": {"$push": "$$ROOT"}}})
        answer = self._command("rooms", "aggregate", {"pipeline": pipeline, "cursor": {}}, session)
        found: list[Document] = answer["cursor"]["firstBatch"]
        if len(ids) > 1:
            return (found[0]["rooms"], found[0]["members"]) if found else ([], [])
        return found, [member for room in found for member in room.pop("members")]

    def _named(self, collection: str, ids: Iterable[str], session: ClientSession) -> list[Document]:
        wanted = sorted(ids)
        return self._find(collection, {"_id": {"$in": wanted}}, session) if wanted else []

    def _find(self, collection: str, query: Document, session: ClientSession) -> list[Document]:
        found: list[Document] = self._database[collection].find(query, session=session).to_list()
        return found

    # --- writing ----------------------------------------------------------------------------------------------------

    def write(self, states: Sequence[State], session: ClientSession) -> None:
        """Write the counters first: their conflict keeps every other writer of these rooms away until the commit.

        They are written in the order of their ids: of two processes that meet in several rooms one goes through.
        """
        if not states:
            return
        rooms = sorted(states, key=lambda state: str(state.room["_id"]))
        counted = self._update("rooms", [_set(one.room["_id"], {"$set": one.changed_room}) for one in rooms], session)
        if counted != len(rooms):
            raise RuntimeError(f"{counted} of {len(rooms)} rooms were there to be counted up")  # else it conflicts
        self._write_messages(states, session)
        files = {one: fields for state in states for one, fields in state.changed_files.items()}
        self._update("files", [_set(one, {"$set": fields}) for one, fields in files.items()], session)
        self._update("room_members", [write for state in states for write in _memberships(state)], session)

    def _write_messages(self, states: Sequence[State], session: ClientSession) -> None:
        new, changed = list[Document](), list[ReplaceOne[Document]]()
        for state in states:
            created = {each.document["_id"] for each in state.happened if each.event == "message.created"}
            for one, message in state.changed_messages.items():
                if one in created:
                    new.append(message)
                else:
                    changed.append(ReplaceOne({"_id": one}, message))
        if new:
            self._command("messages", "insert", {"documents": new, "ordered": False}, session)
        if changed:  # may have grown large by what people did to them: the driver divides them among commands
            self._database["messages"].bulk_write(changed, ordered=False, session=session)

    def _update(self, collection: str, updates: list[Document], session: ClientSession) -> int:
        """Return how many documents matched."""
        if not updates:
            return 0
        return int(self._command(collection, "update", {"updates": updates, "ordered": False}, session)["n"])

    def _command(self, collection: str, name: str, arguments: Document, session: ClientSession) -> Document:
        """Run a command and return MongoDB's answer: half the work of the driver's own methods.

        Raises BulkWriteError where it wrote only a part.
        """
        began = time.perf_counter()
        options, command = self._database.codec_options, {name: collection, **arguments}
        answer: Document = self._database.command(command, session=session, codec_options=options)
        self._seconds.labels(collection, name).observe(time.perf_counter() - began)
        if answer.get("writeErrors"):
            raise errors.BulkWriteError(answer)
        return answer


def _applied(batch: Batch, state: State | None, *, known: bool) -> Result:
    """Apply a batch's changes one after the other; a refusal is of one change alone."""
    if state is None:
        return NotFound()
    outcomes: list[Any] = []
    for change in batch.changes:
        try:
            outcomes.append(change.apply(state))
        except Problem as problem:
            if change.client_key and not known:
                return MayBeKnown()
            outcomes.append(problem)
    return outcomes, state


def _by_room(documents: Iterable[Document]) -> Mapping[str, list[Document]]:
    found: defaultdict[str, list[Document]] = defaultdict(list)
    for document in documents:
        found[document["roomId"]].append(document)
    return found


def _memberships(state: State) -> list[Document]:
    writes = [_set(one, member) | {"upsert": True} for one, member in state.changed_members.items()]
    reads = {one: seq for one, seq in state.reads.items() if one not in state.changed_members}
    return writes + [_set(one, {"$max": {"lastReadSeq": seq}}) for one, seq in reads.items()]


def _set(one: str, change: Document) -> Document:
    return {"q": {"_id": one}, "u": change}
