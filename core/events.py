"""What is announced: the event itself, and the declaration of every event type that a socket may carry.

A `Hint` event tells what a fresh read would show; it is not replayed. Control events stay inside the
server: they travel between processes and no client ever sees them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core import chat_resources as c
from core import resources as r
from core.shapes import Field, Shape, enum, flag, ident, integer, mapping, moment, nullable, one, optional, text

CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened, on its way to the connections that listen to `channel`.

    `data` is rendered already (an allow-listed dict). `offset` orders the changes of one room and is
    absent elsewhere. An `ephemeral` event is the first to be dropped when a connection is slow.
    """

    type: str
    channel: str
    data: Mapping[str, Any] = field(default_factory=dict)
    offset: int | None = None
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class EventType:
    """The declaration of one event type: which socket carries it, on what channel, with what data."""

    name: str
    socket: str
    channel: str
    doc: str
    data: Shape
    ephemeral: bool = False


def workspace_channel(workspace_id: str) -> str:
    """Return the channel of the dashboards that watch a workspace."""
    return f"workspace:{workspace_id}"


def screen_channel(screen_id: str) -> str:
    """Return the channel of one screen's own connection."""
    return f"screen:{screen_id}"


def user_channel(user_id: str) -> str:
    """Return the channel that all of a user's connections hear."""
    return f"user:{user_id}"


def room_channel(room_id: str) -> str:
    """Return the channel of a room's log."""
    return f"room:{room_id}"


def _data(**fields: Field) -> Shape:
    return Shape("", **fields)


_DECLARED = [
    EventType("screen.paired", "dashboard", "workspace", "A screen was paired.", r.SCREEN),
    EventType("screen.updated", "dashboard", "workspace", "A screen was edited or assigned.", r.SCREEN),
    EventType("screen.deleted", "dashboard", "workspace", "A screen is gone.", _data(screenId=ident())),
    EventType(
        "screen.status",
        "dashboard",
        "workspace",
        "A screen came online, went offline or reported an error.",
        _data(
            screenId=ident(),
            status=enum(*r.SCREEN_STATUSES),
            reason=nullable(text()),
            lastSeenAt=nullable(moment()),
        ),
    ),
    EventType(
        "screen.sync",
        "dashboard",
        "workspace",
        "What a screen should show, or says it shows, has changed.",
        _data(screenId=ident(), revision=text(), appliedRevision=nullable(text()), inSync=flag()),
    ),
    EventType(
        "screen.playing",
        "dashboard",
        "workspace",
        "A screen went on to another item.",
        _data(screenId=ident(), nowPlaying=nullable(one(r.NOW_PLAYING))),
    ),
    EventType("media.created", "dashboard", "workspace", "Media was uploaded.", r.MEDIA),
    EventType("media.updated", "dashboard", "workspace", "Media was edited, or its processing has ended.", r.MEDIA),
    EventType("media.deleted", "dashboard", "workspace", "Media is gone.", _data(id=ident())),
    EventType("playlist.created", "dashboard", "workspace", "A playlist was made.", r.PLAYLIST),
    EventType("playlist.updated", "dashboard", "workspace", "A playlist or its items were edited.", r.PLAYLIST),
    EventType("playlist.deleted", "dashboard", "workspace", "A playlist is gone.", _data(id=ident())),
    EventType("emergency.started", "dashboard", "workspace", "An emergency was raised.", r.EMERGENCY),
    EventType("emergency.progress", "dashboard", "workspace", "Its screens' counts have changed.", r.EMERGENCY),
    EventType("emergency.ended", "dashboard", "workspace", "It was ended or has run out.", r.EMERGENCY),
    EventType("command.changed", "dashboard", "workspace", "A command went on to another state.", r.COMMAND),
    EventType(
        "manifest.changed",
        "screen",
        "screen",
        "What this screen should show has changed: fetch the manifest.",
        _data(revision=text()),
    ),
    EventType("command", "screen", "screen", "Something to do, at least once; act once per id.", r.COMMAND_ORDER),
    # The room's log: each has the room's offset after it.
    EventType("message.created", "chat", "room", "A message was written.", c.MESSAGE),
    EventType("message.updated", "chat", "room", "A message has changed: the whole of it as it is now.", c.MESSAGE),
    EventType("message.deleted", "chat", "room", "A message was deleted: its tombstone.", c.MESSAGE),
    EventType(
        "member.joined",
        "chat",
        "room",
        "Somebody came into the room.",
        _data(userId=ident(), role=enum(*c.ROOM_ROLES), mutedUntil=nullable(moment()), memberCount=integer()),
    ),
    EventType(
        "member.updated",
        "chat",
        "room",
        "A member's role has changed, or they were muted or may speak again.",
        _data(userId=ident(), role=enum(*c.ROOM_ROLES), mutedUntil=nullable(moment())),
    ),
    EventType(
        "member.left",
        "chat",
        "room",
        "Somebody left the room or was removed from it.",
        _data(userId=ident(), memberCount=integer()),
    ),
    EventType("room.updated", "chat", "room", "The room's settings have changed.", c.ROOM_CHANGE),
    EventType("room.deleted", "chat", "room", "The room is gone.", _data(roomId=ident())),
    EventType(
        "typing", "chat", "room", "Somebody writes, for 6 s at most.", _data(userId=ident(), on=flag()), ephemeral=True
    ),
    EventType(
        "read",
        "chat",
        "room",
        "Somebody has read up to a message. In rooms of more than 500 members only the reader's own devices hear it.",
        _data(userId=ident(), seq=integer()),
        ephemeral=True,
    ),
    EventType("mention", "chat", "user", "A message mentions this user.", _data(message=one(c.MESSAGE))),
    EventType("room.created", "chat", "user", "This user has come into a room.", _data(room=one(c.ROOM))),
    EventType(
        "room.removed",
        "chat",
        "user",
        "This user is no longer in a room, or it is gone.",
        _data(room=one(Shape("RoomName", id=ident(), name=nullable(text())))),
    ),
    EventType(
        "room.unread",
        "chat",
        "user",
        "What of a room this user has not read, in absolute numbers.",
        _data(roomId=ident(), unread=integer(), mentions=integer(), lastReadSeq=integer()),
    ),
    EventType(
        "presence.changed",
        "chat",
        "user",
        "Somebody who shares a subscribed room came, went, or is away or busy.",
        _data(userId=ident(), status=enum(*r.PRESENCE, "offline"), lastSeenAt=nullable(moment())),
    ),
]
EVENTS = {declared.name: declared for declared in _DECLARED}

# What connections themselves say, outside any store: documented with the events, made in realtime/.
CONNECTION_EVENTS = {
    "hello": Shape(
        "",
        connectionId=ident(),
        user=optional(one(Shape("Greeted", "Who the connection belongs to.", id=ident()))),
        screen=optional(one(Shape("Greeted", "Who the connection belongs to.", id=ident()))),
        heartbeatSeconds=integer(),
        serverTime=moment(),
        limits=mapping(integer()),
    ),
    "reconnect": _data(afterMs=integer()),
    "unsubscribed": _data(code=text()),
}

# Inside the server only. `data` of each is documented where it is handled (realtime/node.py).
SESSIONS_REVOKED = "sessions.revoked"  # {"sessionIds": [..]}: close them, 4401
SCREEN_REVOKED = "screen.revoked"  # {"screenId"}: its credential ended, close it, 4401
ROOM_MOVED = "room.moved"  # {"roomId"}: what is unread there has changed, for whoever does not hear the room
ACCESS_CHANGED = "access.changed"  # {"userId"}: roles or memberships changed, look again at what is subscribed
OWN_READ = "read.own"  # {"roomId", "userId", "seq"} on user:<id>: a `read` for the reader's own devices alone


def announce(name: str, channel: str, document: Mapping[str, Any], *, offset: int | None = None) -> Event:
    """Make an event of the declared type `name`; `document` goes through that type's allow-list."""
    declared = EVENTS[name]
    return Event(name, channel, declared.data.render(document), offset, declared.ephemeral)


def control(name: str, **data: Any) -> Event:
    """Make a control event, for the server's own processes."""
    return Event(name, CONTROL, data)
