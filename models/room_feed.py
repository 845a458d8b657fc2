"""What live connections read of rooms: where each stands, and what has changed in it, always from one snapshot.

A snapshot has everything that was acknowledged before, so what a reader got of it and the live events from its
offset on leave nothing out.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.events import Event
from models.base import Collection, Document, Ground, Session
from models.message_views import MessageViews
from models.room_state import Happening

MOST_RECOVERED = 1000  # changes; who missed more loads the room anew, which is cheaper for both sides
STEP = 200  # changes read at once: what a reply may carry at most
_HEAD = dict.fromkeys(("offset", "lastSeq", "epoch", "version", "name", "type", "memberCount", "deletedAt"), 1)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client holds of a room: all up to the offset `after`, in the past that `epoch` names."""

    user_id: str
    after: int | None = None
    epoch: str | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """What a client lacks, at the room's offset `room["offset"]`.

    `messages` are the first of it, dressed, in order of `rev`; `more` says whether there is more.
    `recovered` is False where the client has to load the room anew, `may_read` where it may not read at all.
    """

    room: Document
    may_read: bool
    recovered: bool = False
    messages: Sequence[Document] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a room by somebody who follows it: its message count and version of settings."""

    last_seq: int
    version: int


@dataclass(frozen=True, slots=True)
class Step:
    """A part of what has changed, as events in order. It reaches up to `offset`; `done` when that is the room's own.

    Without `may_read` it has no events.
    """

    room: Document
    events: Sequence[Event]
    offset: int
    done: bool
    may_read: bool = True


class RoomFeed:
    """Reads for the realtime side, which has checked nothing yet: `missed` says who may read."""

    def __init__(self, ground: Ground, views: MessageViews) -> None:
        self._ground = ground
        self._views = views
        self._rooms = ground.collection("rooms")
        self._members = ground.collection("room_members")
        self._messages = ground.collection("messages")
        self._users = ground.collection("users")

    async def heads(self, room_ids: Sequence[str]) -> dict[str, Document]:
        """Return where rooms stand (offset, lastSeq, epoch ...), in one query; deleted ones are among them."""

        async def work(session: Session) -> list[Document]:
            return await self._rooms.find({"_id": {"$in": list(room_ids)}}, projection=_HEAD, session=session)

        return {room["_id"]: room for room in await self._ground.snapshot(work)}

    # --- resuming ---------------------------------------------------------------------------------------------------

    async def missed(self, room_id: str, asks: Sequence[Ask]) -> list[Missed] | None:
        """Return for each of `asks` what it lacks, all of one snapshot; None where the room is gone.

        However many ask, it is four queries, and each message is read and dressed once.
        """

        async def work(session: Session) -> tuple[Document, set[str], list[int], list[Document]] | None:
            room = await self._rooms.get({"_id": room_id, "deletedAt": None}, session=session)
            if room is None:
                return None
            ids = sorted({f"{room_id}:{ask.user_id}" for ask in asks})
            members = await self._members.find(
                {"_id": {"$in": ids}, "left": False}, projection={"userId": 1}, session=session
            )
            revs = await self._revs(room, asks, session)
            wanted = {rev for ask in asks if _is_known(ask, room) for rev in _above(revs, ask)[:STEP]}
            found: list[Document] = []
            if wanted:
                query = {"roomId": room_id, "rev": {"$in": sorted(wanted)}}
                found = await self._messages.find(query, sort=[("rev", 1)], session=session)
            return room, {m["userId"] for m in members}, revs, found

        read = await self._ground.snapshot(work)
        if read is None:
            return None
        room, members, revs, found = read
        dressed = {m["rev"]: m for m in await self._views.messages(found, {room_id: room})}
        return [_missed(room, ask, revs, dressed, is_member=ask.user_id in members) for ask in asks]

    async def _revs(self, room: Document, asks: Sequence[Ask], session: Session) -> list[int]:
        """Return the offsets of the newest changes that somebody lacks, ascending: out of an index alone."""
        afters = [ask.after for ask in asks if ask.after is not None and _is_known(ask, room)]
        if not afters or min(afters) >= room["offset"]:
            return []
        found = await self._messages.find(
            {"roomId": room["_id"], "rev": {"$gt": min(afters)}},
            sort=[("rev", -1)],
            limit=MOST_RECOVERED + 1,
            projection={"_id": 0, "rev": 1},
            session=session,
        )
        return [one["rev"] for one in reversed(found)]

    # --- following --------------------------------------------------------------------------------------------------

    async def changes(self, room_id: str, after: int, known: Known) -> Step | None:
        """Return everything that has changed after the offset `after`, as events, at most STEP (and one).

        Members and settings are among it, what a later change has overtaken is not. A message whose number is
        above the `known` one is created. None where the room is not there at all.
        """

        async def work(session: Session) -> tuple[Document, list[Document], list[Document]] | None:
            room = await self._rooms.get({"_id": room_id}, session=session)
            if room is None:
                return None
            members = await self._changed(self._members, room_id, after, session)
            return room, await self._changed(self._messages, room_id, after, session), members

        read = await self._ground.snapshot(work)
        if read is None:
            return None
        room, messages, members = read
        happened = [Happening(_told_as(m, known), m["rev"], m) for m in messages]
        happened += [_member_happening(m, room) for m in members]
        happened.sort(key=lambda one: one.offset)
        offset, done = _reach(room, happened, after)
        told = _with_room(happened[:STEP], room, range(after + 1, offset + 1), known)
        return Step(room, await self._views.events(room, told), offset, done)

    async def rest(self, room_id: str, after: int, *, reader: str) -> Step | None:
        """Return the messages that a client lacks after the offset `after`, as events, at most STEP.

        One is told as created where nothing has happened to it since. None where the room is gone.
        """

        async def work(session: Session) -> tuple[Document, bool, list[Document]] | None:
            room = await self._rooms.get({"_id": room_id, "deletedAt": None}, session=session)
            if room is None:
                return None
            membership = {"_id": f"{room_id}:{reader}", "left": False}
            may_read = room["type"] == "public" or await self._members.get(membership, session=session) is not None
            return room, may_read, await self._changed(self._messages, room_id, after, session) if may_read else []

        read = await self._ground.snapshot(work)
        if read is None:
            return None
        room, may_read, messages = read
        happened = [Happening(_told_as(m), m["rev"], m) for m in messages]
        offset, done = _reach(room, happened, after)
        return Step(room, await self._views.events(room, happened[:STEP]), offset, done, may_read)

    async def _changed(self, documents: Collection, room_id: str, after: int, session: Session) -> list[Document]:
        """Return one more than a step's changes, in order of `rev`."""
        query = {"roomId": room_id, "rev": {"$gt": after}}
        return await documents.find(query, sort=[("rev", 1)], limit=STEP + 1, session=session)

    # --- presence ---------------------------------------------------------------------------------------------------

    async def rooms_of(self, user_ids: Sequence[str]) -> dict[str, list[str]]:
        """Return the ids of the rooms that each user is in."""
        query = {"userId": {"$in": list(user_ids)}, "left": False}
        rooms: dict[str, list[str]] = {one: [] for one in user_ids}
        for member in await self._members.find(query, projection={"userId": 1, "roomId": 1}):
            rooms[member["userId"]].append(member["roomId"])
        return rooms

    async def larger_than(self, most: int, room_ids: Iterable[str]) -> list[str]:
        """Return those of the rooms that have more than `most` members."""
        query = {"_id": {"$in": list(room_ids)}, "memberCount": {"$gt": most}}
        return [room["_id"] for room in await self._rooms.find(query, projection={"_id": 1})]

    async def members_among(self, room_id: str, user_ids: Iterable[str]) -> int:
        """Count the members of a room among `user_ids`."""
        ids = [f"{room_id}:{user_id}" for user_id in user_ids]
        return await self._members.count({"_id": {"$in": ids}, "left": False})

    async def last_seen(self, user_ids: Sequence[str]) -> dict[str, datetime | None]:
        """Return when users were last seen, as it is kept for good."""
        found = await self._users.find({"_id": {"$in": list(user_ids)}}, projection={"lastSeenAt": 1})
        return {user["_id"]: user["lastSeenAt"] for user in found}


def _is_known(ask: Ask, room: Document) -> bool:
    """Tell whether what the client holds is of this room's past."""
    return ask.after is not None and ask.after <= room["offset"] and ask.epoch in {None, room["epoch"]}


def _above(revs: Sequence[int], ask: Ask) -> Sequence[int]:
    above = revs[bisect_right(revs, ask.after or 0) :]
    return above if len(above) <= MOST_RECOVERED else ()


def _missed(
    room: Document, ask: Ask, revs: Sequence[int], dressed: Mapping[int, Document], *, is_member: bool
) -> Missed:
    if room["type"] != "public" and not is_member:
        return Missed(room, may_read=False)
    above = len(revs) - bisect_right(revs, ask.after or 0)
    if not _is_known(ask, room) or above > MOST_RECOVERED:
        return Missed(room, may_read=True)
    lacking = _above(revs, ask)
    messages = [dressed[rev] for rev in lacking[:STEP]]
    return Missed(room, may_read=True, recovered=True, messages=messages, more=len(lacking) > STEP)


def _reach(room: Document, happened: Sequence[Happening], after: int) -> tuple[int, bool]:
    """Return the offset up to which a step reaches, and whether that is all."""
    if len(happened) > STEP:
        return happened[STEP - 1].offset, False
    return max(after, room["offset"]), True


def _told_as(message: Document, known: Known | None = None) -> str:
    if message["deleted"]:
        return "message.deleted"
    if known is not None:
        return "message.created" if message["seq"] > known.last_seq else "message.updated"
    touched = message["editedAt"] or message["reactions"] or message["replyCount"] or message["pinned"]
    return "message.updated" if touched else "message.created"


def _member_happening(member: Document, room: Document) -> Happening:
    event = "member.left" if member["left"] else "member.joined"
    return Happening(event, member["rev"], {**member, "memberCount": room["memberCount"]})


def _with_room(happened: list[Happening], room: Document, offsets: range, known: Known) -> list[Happening]:
    """Put in that the room was deleted or its settings have changed, among what has the `offsets`.

    Its end is its last change. A change of settings has left its offset to no document, so the highest that no
    message and no member has is as good as its own.
    """
    document = {**room, "roomId": room["_id"]}
    if room["deletedAt"] is not None and room["offset"] in offsets:
        return [*happened, Happening("room.deleted", room["offset"], document)]
    if room["version"] == known.version:
        return happened
    taken = {one.offset for one in happened}
    free = next((n for n in reversed(offsets) if n not in taken), None)
    if free is None:
        return happened
    return sorted([*happened, Happening("room.updated", free, document)], key=lambda one: one.offset)
