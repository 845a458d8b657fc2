"""What can happen to rooms and their members: each a change of the room's log (models/room_log.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.errors import Conflict, Forbidden, NotFound, Unavailable, VersionMismatch
from models.base import Document
from models.message_changes import MODERATORS, Author, is_general, require_member
from models.room_state import ClientKey, State

_RANK = {"member": 0, "moderator": 1, "owner": 2}


def new_member(room_id: str, user_id: str, role: str, *, now: datetime, last_read: int, rev: int = 0) -> Document:
    """Return a membership; who comes in has read all that was written before."""
    return {
        "_id": f"{room_id}:{user_id}",
        "roomId": room_id,
        "userId": user_id,
        "role": role,
        "mutedUntil": None,
        "joinedAt": now,
        "lastReadSeq": last_read,
        "rev": rev,
        "left": False,
    }


def admit(state: State, user_id: str, **changes: Any) -> Document:
    """Make a user a live member; one who was muted and left comes back muted."""
    before, room = state.members.get(user_id), state.room
    member = new_member(room["_id"], user_id, "member", now=state.now, last_read=room["lastSeq"])
    if before is not None:
        member["mutedUntil"] = before["mutedUntil"]
    room["memberCount"] += 1
    return state.put_member(member | changes, "member.joined")


def dismiss(state: State, user_id: str, heirs: Sequence[str]) -> None:
    """Take a live member out; what stays is a tombstone with the offset of the leaving.

    A room keeps an owner: another one, else the first of `heirs` becomes it. A private room that nobody is in
    any more could never be found again: it ends.
    """
    member, room = state.members[user_id], state.room
    room["memberCount"] -= 1
    state.put_member({**member, "left": True}, "member.left")
    if room["memberCount"] == 0 and room["type"] == "private":
        end(state)
    elif member["role"] == "owner" and room["memberCount"]:
        _keep_an_owner(state, heirs)


def _keep_an_owner(state: State, heirs: Sequence[str]) -> None:
    live = [one for one in heirs if state.member(one)]
    if not live:
        raise Unavailable  # all who could inherit left at the same moment: the next try reads others
    if not any(state.members[one]["role"] == "owner" for one in live):
        state.put_member({**state.members[live[0]], "role": "owner"}, "member.updated")


def end(state: State) -> Document:
    """Delete the room: nobody sees it from now on, its name is free, and its messages are swept away later."""
    state.room.update(deletedAt=state.now, name=None)
    return state.put_room("room.deleted")


@dataclass(slots=True)
class OnRoom:
    """Base of the changes that touch no message."""

    author: Author
    messages: Sequence[str] = field(default=(), init=False)
    files: Sequence[str] = field(default=(), init=False)
    client_key: ClientKey | None = field(default=None, init=False)

    @property
    def users(self) -> list[str]:
        return [self.author.id]


@dataclass(slots=True)
class Join(OnRoom):
    """Coming into a public room; who is in it already changes nothing. Answers whether somebody came."""

    def apply(self, state: State) -> bool:
        if state.member(self.author.id) is not None:
            return False
        if state.room["type"] != "public":
            raise NotFound
        if state.room["archived"]:
            raise Conflict(detail="The room is archived.")
        admit(state, self.author.id)
        return True


@dataclass(slots=True)
class Remove(OnRoom):
    """Leaving, or removing somebody (moderators, and only below their own role)."""

    user_id: str
    heirs: Sequence[str] = ()  # other owners first: read before

    @property
    def users(self) -> list[str]:
        return [self.author.id, self.user_id, *self.heirs]

    def apply(self, state: State) -> None:
        role = require_member(state, self.author)
        target = state.member(self.user_id)
        if self.user_id != self.author.id and role not in MODERATORS:
            raise Forbidden(detail="Only moderators and owners may remove a member.")
        if target is None:
            raise NotFound
        if is_general(state.room):
            raise Conflict(detail="Everybody is in this room.")
        if state.room["type"] == "direct":
            raise Conflict(detail="A direct room keeps the people it was made for.")
        if self.user_id != self.author.id and _RANK[target["role"]] >= _RANK[role]:
            raise Forbidden(detail="Only somebody above their role may remove a member.")
        dismiss(state, self.user_id, self.heirs)


@dataclass(slots=True)
class Vanish(OnRoom):
    """The membership of a deleted account, which leaves even `general`: nobody is asked."""

    heirs: Sequence[str] = ()

    @property
    def users(self) -> list[str]:
        return [self.author.id, *self.heirs]

    def apply(self, state: State) -> None:
        if state.member(self.author.id) is not None:
            dismiss(state, self.author.id, self.heirs)


@dataclass(slots=True)
class SetMember(OnRoom):
    """A member's role (owners) or mute (moderators, below their own role); who is no member yet is brought in.

    Answers `(member, has_joined)`.
    """

    user_id: str
    changes: Mapping[str, Any]
    other_owner: str | None = None  # somebody who owns the room besides, read before

    @property
    def users(self) -> list[str]:
        return [one for one in (self.author.id, self.user_id, self.other_owner) if one]

    def apply(self, state: State) -> tuple[Document, bool]:
        role = require_member(state, self.author)
        if state.room["type"] == "direct":
            raise Conflict(detail="A direct room keeps the people it was made for, and they are alike.")
        member = state.member(self.user_id)
        if member is None:
            return self._bring_in(state, role), True
        if "role" in self.changes:
            self._check_role(state, role, member)
        if "mutedUntil" in self.changes and (role not in MODERATORS or _RANK[member["role"]] >= _RANK[role]):
            raise Forbidden(detail="Only somebody above their role may mute a member.")
        changed = {**member, **self.changes}
        return (member if changed == member else state.put_member(changed, "member.updated")), False

    def _bring_in(self, state: State, role: str) -> Document:
        if role not in MODERATORS:
            raise Forbidden(detail="Only moderators and owners may bring somebody in.")
        if self.changes.get("role", "member") != "member" and role != "owner":
            raise Forbidden(detail="Only an owner may give roles.")
        if state.room["archived"]:
            raise Conflict(detail="The room is archived.")
        return admit(state, self.user_id, **self.changes)

    def _check_role(self, state: State, role: str, member: Document) -> None:
        if role != "owner":
            raise Forbidden(detail="Only an owner may change roles.")
        other = state.member(self.other_owner) if self.other_owner else None
        stays = other is not None and other["role"] == "owner"
        if member["role"] == "owner" and self.changes["role"] != "owner" and not stays:
            raise Conflict(detail="A room keeps at least one owner.")


@dataclass(slots=True)
class EditRoom(OnRoom):
    """Name, title, topic, archived: an owner's."""

    changes: Mapping[str, Any]
    if_version: int | None = None

    def apply(self, state: State) -> None:
        room = state.room
        require_owner(state, self.author)
        if self.if_version is not None and self.if_version != room["version"]:
            raise VersionMismatch
        changed = {name for name, value in self.changes.items() if room[name] != value}
        if is_general(room) and changed & {"name", "archived"}:
            raise Conflict(detail="This room keeps its name and stays open.")
        if changed:
            room.update(self.changes)
            room["version"] += 1
            state.put_room("room.updated")


@dataclass(slots=True)
class DeleteRoom(OnRoom):
    """The room's end: an owner's."""

    if_version: int | None = None

    def apply(self, state: State) -> None:
        require_owner(state, self.author)
        if self.if_version is not None and self.if_version != state.room["version"]:
            raise VersionMismatch
        if is_general(state.room):
            raise Conflict(detail="This room stays.")
        end(state)


def require_owner(state: State, author: Author) -> None:
    """Raise Forbidden unless the author owns the room, Conflict in a direct room, which nobody owns."""
    role = require_member(state, author)
    if state.room["type"] == "direct":
        raise Conflict(detail="A direct room belongs to nobody and stays as it is.")
    if role != "owner":
        raise Forbidden(detail="Only an owner may do this to a room.")
