"""A room inside one transaction of its log: what was read, what changes make of it, and what that is told as."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from models.base import Document

ClientKey = tuple[str, str]  # author and clientId


@dataclass(frozen=True, slots=True)
class Happening:
    """One change that has happened: the event that tells it, its offset, and the document as it was then."""

    event: str
    offset: int
    document: Document
    mentioned: Sequence[str] = ()  # whom it mentions, and did not before

    def moves_counts(self, now: datetime) -> bool:
        """Tell whether this changes what somebody has unread: a message that is new, gone, or was edited just `now`."""
        return self.event in {"message.created", "message.deleted"} or self.document.get("editedAt") == now


class State:
    """What `apply` of a change looks at and changes."""

    def __init__(
        self,
        room: Document,
        members: Iterable[Document],
        messages: Iterable[Document],
        now: datetime,
        files: Iterable[Document] = (),
    ) -> None:
        self.room = room
        self._as_read = dict(room)
        self.now = now
        self.members = {m["userId"]: m for m in members}
        self.messages = {m["_id"]: m for m in messages}
        self.by_client: dict[ClientKey, Document] = {
            (m["authorId"], m["clientId"]): m for m in self.messages.values() if m["clientId"]
        }
        self.files = {f["_id"]: f for f in files}
        self.changed_files: dict[str, Document] = {}  # what is set on them
        self.changed_members: dict[str, Document] = {}
        self.changed_messages: dict[str, Document] = {}
        self.reads: dict[str, int] = {}  # membership id -> the seq up to which it has read now
        self.happened: list[Happening] = []

    @property
    def changed_room(self) -> Document:
        """Return what has changed of the room itself: its counters, where something has happened."""
        return {name: value for name, value in self.room.items() if self._as_read.get(name, self) != value}

    def member(self, user_id: str) -> Document | None:
        """Return a user's membership if it is live."""
        found = self.members.get(user_id)
        return found if found is not None and not found["left"] else None

    def next_seq(self) -> int:
        """Count one more message and return its number."""
        self.room["lastSeq"] += 1
        return int(self.room["lastSeq"])

    def _next_offset(self) -> int:
        self.room["offset"] += 1
        return int(self.room["offset"])

    def put_message(self, message: Document, event: str, mentioned: Sequence[str] = ()) -> Document:
        """Keep a message's new state under the next offset, and announce `event` with it."""
        message["rev"] = self._next_offset()
        self.messages[message["_id"]] = self.changed_messages[message["_id"]] = message
        if message["clientId"]:
            self.by_client[message["authorId"], message["clientId"]] = message
        self.happened.append(Happening(event, message["rev"], dict(message), mentioned))
        return message

    def is_free(self, file_id: str, user_id: str) -> bool:
        """Tell whether this is a user's own file, used for nothing yet, and not gone."""
        file = self.files.get(file_id)
        return file is not None and file["ownerId"] == user_id and not file["use"] and file["sweepAt"] > self.now

    def attach(self, file_ids: Iterable[str], message_id: str) -> None:
        """Let a new message carry files."""
        use = {"type": "message", "id": message_id, "roomId": self.room["_id"]}
        for one in file_ids:
            self.changed_files[one] = {"use": use, "sweepAt": None}
            self.files[one] |= self.changed_files[one]

    def release(self, file_ids: Iterable[str]) -> None:
        """Let the files of a message go with it: nobody sees them from now on, and they are swept."""
        self.changed_files |= {one: {"sweepAt": self.now} for one in file_ids}

    def put_member(self, member: Document, event: str) -> Document:
        """Keep a membership's new state under the next offset, and announce `event`."""
        member["rev"] = self._next_offset()
        self.members[member["userId"]] = self.changed_members[member["_id"]] = member
        shown = {**member, "memberCount": self.room["memberCount"]}
        self.happened.append(Happening(event, member["rev"], shown))
        return member

    def put_room(self, event: str) -> Document:
        """Announce the room's own new state under the next offset."""
        offset = self._next_offset()
        self.happened.append(Happening(event, offset, {**self.room, "roomId": self.room["_id"]}))
        return self.room

    def note_read(self, user_id: str, seq: int) -> None:
        """Count an author's own message `seq` as read, where all before it was: nobody has to read what they wrote."""
        member = self.members[user_id]
        if member["lastReadSeq"] == seq - 1:
            member["lastReadSeq"] = self.reads[member["_id"]] = seq


class Change(Protocol):
    """One change to one room."""

    @property
    def users(self) -> Iterable[str]:
        """Whose memberships `apply` looks at."""

    @property
    def messages(self) -> Iterable[str]:
        """Ids of the messages that it looks at."""

    @property
    def files(self) -> Iterable[str]:
        """Ids of the files that it looks at."""

    @property
    def client_key(self) -> ClientKey | None:
        """The author's own id of a new message, unique in the room for good."""

    def apply(self, state: State) -> Any:
        """Change `state` and return the answer, or raise a Problem, having changed nothing."""
