"""The chat's documents as the contract's section 10 names them."""

from core.shapes import Shape, enum, flag, ident, integer, many, moment, nullable, one, optional, text

ROOM_TYPES = ("public", "private", "direct")
ROOM_ROLES = ("member", "moderator", "owner")

AUTHOR = Shape("Author", id=ident(), username=text(), displayName=text(), avatarUrl=nullable(text()))
ROOM = Shape(
    "Room",
    "A room as the caller sees it: `unread`, `mentions` and `lastReadSeq` are the caller's own. `offset` counts the "
    "room's changes, `lastSeq` its messages; `epoch` changes when its past was replaced.",
    id=ident(),
    name=nullable(text()),
    title=text(),
    topic=text(),
    type=enum(*ROOM_TYPES),
    members=optional(many(AUTHOR)),
    memberCount=integer(),
    epoch=text(),
    offset=integer(),
    lastSeq=integer(),
    archived=flag(),
    createdAt=moment(),
    myRole=nullable(enum(*ROOM_ROLES)),
    unread=integer(),
    mentions=integer(),
    lastReadSeq=integer(),
    version=integer(),
)
ROOM_CHANGE = ROOM.without("", "members", "myRole", "unread", "mentions", "lastReadSeq").extended(
    "RoomChange", "A room as everybody sees it: settings and counters, without what is one reader's own."
)
ROOM_MEMBER = Shape(
    "RoomMember",
    "Somebody in a room. `lastReadSeq`: up to which message they have read.",
    userId=ident(),
    username=text(),
    displayName=text(),
    avatarUrl=nullable(text()),
    role=enum(*ROOM_ROLES),
    mutedUntil=nullable(moment()),
    joinedAt=moment(),
    lastReadSeq=integer(),
)
FILE = Shape(
    "File",
    "An uploaded file. The URLs are signed and work for an hour.",
    id=ident(),
    name=text(),
    contentType=text(),
    bytes=integer(),
    sha256=text(),
    url=text(),
    thumbnailUrl=nullable(text()),
    createdAt=moment(),
)
REACTION = Shape("Reaction", emoji=text(), userIds=many(text()))
REPLY_TO = Shape(
    "ReplyTo",
    "What a message answers; the excerpt of a deleted message is null.",
    id=ident(),
    seq=integer(),
    excerpt=nullable(text()),
    author=nullable(one(AUTHOR)),
)
MESSAGE = Shape(
    "Message",
    "A message, or, where `deleted` is true, its tombstone: then only id, room, roomId, seq, rev, deleted are there.",
    id=ident(),
    room=nullable(text()),
    roomId=ident(),
    seq=integer(),
    rev=integer(),
    author=optional(one(AUTHOR)),
    content=optional(text()),
    mentions=optional(many(text())),
    attachments=optional(many(FILE)),
    replyTo=optional(nullable(one(REPLY_TO))),
    replyCount=optional(integer()),
    reactions=optional(many(REACTION)),
    pinned=optional(flag()),
    editedAt=optional(nullable(moment())),
    deleted=flag(),
    createdAt=optional(moment()),
    clientId=optional(nullable(text())),
)
MESSAGE_PAGE = Shape(
    "MessagePage",
    "Messages in ascending `seq` (with `changedAfter`: in order of `rev`), and the room's offset.",
    items=many(MESSAGE),
    next=nullable(text()),
    offset=integer(),
)
