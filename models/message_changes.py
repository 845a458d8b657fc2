"""What can happen to messages: each a change of the room's log, which applies it in memory (models/room_log.py)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from core.clock import ids_are_seeded, new_id
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.writing import shows_nothing
from models.base import Document
from models.room_state import ClientKey, State

GENERAL = "general"
MODERATORS = ("moderator", "owner")
MOST_REACTIONS = 50  # different emoji on one message
MOST_MENTIONS = 50  # names looked up in one message; what is behind them is text like any other
MENTION = re.compile(r"(?<![A-Za-z0-9_.@-])@([A-Za-z0-9_.-]{3,32})")


def mentioned_names(content: str) -> list[str]:
    """Return the case-folded usernames that `content` may mention: a name may end before trailing punctuation."""
    names: dict[str, None] = {}
    for match in MENTION.finditer(content):
        name = match[1].casefold()
        while len(name) >= 3:
            names[name] = None
            if name[-1] not in ".-_":
                break
            name = name[:-1]
        if len(names) >= MOST_MENTIONS:
            break
    return list(names)


def refuse_blank(content: str) -> None:
    """Raise Invalid for content without a character that shows."""
    if shows_nothing(content):
        raise Invalid.field("content", "must not be blank")


def is_general(room: Document) -> bool:
    """Tell whether this is the room for everybody; a private room may have the same name."""
    return bool(room["name"] == GENERAL and room["type"] == "public")


@dataclass(frozen=True, slots=True)
class Author:
    """Who makes a change: the user, and whether the server's admin role lets it act as an owner in `general`."""

    id: str
    admin: bool = False


def role_of(state: State, author: Author) -> str | None:
    """Return the author's role in the room: an admin of the server owns `general`."""
    member = state.member(author.id)
    if author.admin and is_general(state.room) and member is not None:
        return "owner"
    return member["role"] if member else None


def require_member(state: State, author: Author) -> str:
    """Return the author's role. Raises NotFound where it may not see the room, Forbidden where it has not joined."""
    role = role_of(state, author)
    if role is None:
        if state.room["type"] == "public":
            raise Forbidden(detail="Join the room first.")
        raise NotFound
    return role


def require_voice(state: State, author: Author) -> str:
    """Return the role of a member that may write now. Raises also Forbidden("muted"), Conflict when archived."""
    role = require_member(state, author)
    if state.room["archived"]:
        raise Conflict(detail="The room is archived: it can be read, not changed.")
    until: datetime | None = state.members[author.id]["mutedUntil"]
    if until is not None and until > state.now:
        left_ms = int((until - state.now).total_seconds() * 1000)
        raise Forbidden("muted", f"You are muted here for another {-(-left_ms // 1000)} s.", retryAfterMs=left_ms)
    return role


def live_message(state: State, message_id: str) -> Document:
    """Return a message of the room that was not deleted, as a copy to change. Raises NotFound."""
    found = state.messages.get(message_id)
    if found is None or found["deleted"]:
        raise NotFound
    return dict(found)


@dataclass(slots=True)
class Send:
    """A new message, or the earlier one of the same author and clientId. Answers `(message, is_new, room)`."""

    author: Author
    content: str
    client_id: str | None = None
    reply_to: str | None = None
    attachments: Sequence[str] = ()
    candidates: Mapping[str, str] = field(default_factory=dict)  # case-folded username -> user id
    id: str = field(default_factory=new_id)
    may_be_there: bool = field(default_factory=ids_are_seeded)  # by an earlier try under the same Idempotency-Key

    @property
    def users(self) -> list[str]:
        return [self.author.id, *self.candidates.values()]

    @property
    def messages(self) -> list[str]:
        return [one for one in (self.reply_to, self.id if self.may_be_there else None) if one]

    @property
    def files(self) -> Sequence[str]:
        return self.attachments

    @property
    def client_key(self) -> ClientKey | None:
        return (self.author.id, self.client_id) if self.client_id else None

    def apply(self, state: State) -> tuple[Document, bool, Document]:
        require_member(state, self.author)
        if self.id in state.messages:
            return state.messages[self.id], True, state.room
        if self.client_key in state.by_client:
            return state.by_client[self.client_key], False, state.room
        require_voice(state, self.author)
        parent = live_parent(state, self.reply_to)
        self._attach(state)
        message = self._message(state, parent)
        state.put_message(message, "message.created", message["mentions"])
        state.note_read(self.author.id, message["seq"])
        if parent:
            parent["replyCount"] += 1
            state.put_message(parent, "message.updated")
        return message, True, state.room

    def _attach(self, state: State) -> None:
        """Take the author's files. Raises Invalid where one is not to be had, having taken none."""
        for i, one in enumerate(self.attachments):
            if not state.is_free(one, self.author.id):
                raise Invalid.field(f"attachments.{i}", "must be a file that you uploaded and that nothing uses yet")
        state.attach(self.attachments, self.id)

    def _message(self, state: State, parent: Document | None) -> Document:
        return {
            "_id": self.id,
            "roomId": state.room["_id"],
            "seq": state.next_seq(),
            "authorId": self.author.id,
            "content": self.content,
            "mentions": mentioned(state, self.candidates),
            "attachments": list(self.attachments),
            "replyTo": {"id": parent["_id"], "seq": parent["seq"]} if parent else None,
            "replyCount": 0,
            "reactions": [],
            "pinned": False,
            "editedAt": None,
            "deleted": False,
            "createdAt": state.now,
            "clientId": self.client_id,
        }


def mentioned(state: State, candidates: Mapping[str, str]) -> list[str]:
    """Return those of the people named who are members."""
    return sorted({one for one in candidates.values() if state.member(one)})


def live_parent(state: State, parent_id: str | None) -> Document | None:
    """Return the message that is answered, None without one. Raises Invalid for one that is not in the room."""
    if parent_id is None:
        return None
    try:
        return live_message(state, parent_id)
    except NotFound as e:
        raise Invalid.field("replyTo", "is no message of this room") from e


@dataclass(slots=True)
class OnMessage:
    """Base of the changes to one message by one author."""

    author: Author
    message_id: str
    files: Sequence[str] = field(default=(), init=False)
    client_key: ClientKey | None = field(default=None, init=False)

    @property
    def users(self) -> list[str]:
        return [self.author.id]

    @property
    def messages(self) -> list[str]:
        return [self.message_id]


@dataclass(slots=True)
class Edit(OnMessage):
    """New content of one's own message."""

    content: str
    candidates: Mapping[str, str] = field(default_factory=dict)

    @property
    def users(self) -> list[str]:
        return [self.author.id, *self.candidates.values()]

    def apply(self, state: State) -> Document:
        require_member(state, self.author)
        message = live_message(state, self.message_id)
        require_voice(state, self.author)
        if message["authorId"] != self.author.id:
            raise Forbidden(detail="Only its author may edit a message.")
        if not message["attachments"]:
            refuse_blank(self.content)
        if message["content"] == self.content:
            return message
        mentions = mentioned(state, self.candidates)
        new = [one for one in mentions if one not in message["mentions"]]
        message |= {"content": self.content, "mentions": mentions, "editedAt": state.now}
        return state.put_message(message, "message.updated", new)


@dataclass(slots=True)
class Delete(OnMessage):
    """One's own message, or anybody's for a moderator. What stays is a tombstone; again is no error."""

    parent_id: str | None = None  # of a reply, which the message that it answers counts no longer

    @property
    def messages(self) -> list[str]:
        return [one for one in (self.message_id, self.parent_id) if one]

    def apply(self, state: State) -> Document:
        role = require_member(state, self.author)
        found = state.messages.get(self.message_id)
        if found is None:
            raise NotFound
        if found["deleted"]:
            return found
        if found["authorId"] != self.author.id and role not in MODERATORS:
            raise Forbidden(detail="Only its author and moderators may delete a message.")
        kept = ("_id", "roomId", "seq", "authorId", "clientId")
        state.release(found["attachments"])
        tombstone = {name: found[name] for name in kept} | {"deleted": True}
        state.put_message(tombstone, "message.deleted")
        parent = state.messages.get(self.parent_id) if self.parent_id else None
        if parent is not None and not parent["deleted"]:
            fewer = parent["replyCount"] - 1
            state.put_message({**parent, "replyCount": fewer}, "message.updated")
        return tombstone


@dataclass(slots=True)
class React(OnMessage):
    """One's own reaction with an emoji, on or off; what is so already changes nothing."""

    emoji: str
    on: bool

    def apply(self, state: State) -> Document:
        require_member(state, self.author)
        message = live_message(state, self.message_id)
        require_voice(state, self.author)
        reactions = {r["emoji"]: list(r["userIds"]) for r in message["reactions"]}
        users = reactions.setdefault(self.emoji, [])
        if (self.author.id in users) == self.on:
            return message
        if self.on and len(reactions) > MOST_REACTIONS:
            raise Invalid.field("emoji", f"is one too many: a message takes {MOST_REACTIONS}")
        users.append(self.author.id) if self.on else users.remove(self.author.id)
        message["reactions"] = [{"emoji": e, "userIds": ids} for e, ids in reactions.items() if ids]
        return state.put_message(message, "message.updated")


@dataclass(slots=True)
class Pin(OnMessage):
    """A message pinned for everybody in the room, or no longer."""

    on: bool

    def apply(self, state: State) -> Document:
        require_member(state, self.author)
        message = live_message(state, self.message_id)
        require_voice(state, self.author)
        if message["pinned"] == self.on:
            return message
        message["pinned"] = self.on
        return state.put_message(message, "message.updated")
