"""The API's documents as the contract names them: one shape each, shared by REST, events and OpenAPI."""

from core.shapes import (
    Shape,
    enum,
    flag,
    free,
    ident,
    integer,
    many,
    mapping,
    moment,
    nullable,
    one,
    optional,
    text,
)

LEVELS = ("info", "warning", "critical")
ORIENTATIONS = ("landscape", "portrait")
SCREEN_STATUSES = ("connecting", "online", "offline", "error")
COMMAND_STATES = ("queued", "sent", "accepted", "done", "failed", "expired")
COMMANDS = ("reload", "identify", "screenshot", "volume", "clearCache", "reboot")
TRANSITIONS = ("none", "fade")
FITS = ("contain", "cover")
WORKSPACE_ROLES = ("viewer", "editor", "owner")
SERVER_ROLES = ("user", "admin")
PRESENCE = ("online", "away", "busy")

PROBLEM = Shape(
    "Problem",
    "A refusal (RFC 9457). `code` is for programs, `detail` for people.",
    type=text(),
    title=text(),
    status=integer(),
    code=text(),
    detail=text(),
    errors=optional(many(Shape("FieldProblem", path=text(), message=text()))),
    usedBy=optional(many(Shape("Use", type=text(), id=ident(), name=text()))),
    retryAfterMs=optional(integer()),
    requestId=optional(text()),
)

# --- accounts -------------------------------------------------------------------------------------------------------

USER = Shape(
    "User",
    "One's own profile.",
    id=ident(),
    username=text(),
    displayName=text(),
    avatarUrl=nullable(text()),
    email=text(),
    role=enum(*SERVER_ROLES),
    timezone=text(),
    statusText=text(),
    createdAt=moment(),
    version=integer(),
)
CARD = Shape(
    "UserCard",
    "What everybody on the server may see of a user. `email`, `role` and `disabled` are for admins only.",
    id=ident(),
    username=text(),
    displayName=text(),
    avatarUrl=nullable(text()),
    status=enum(*PRESENCE, "offline"),
    lastSeenAt=nullable(moment()),
    email=optional(text()),
    role=optional(enum(*SERVER_ROLES)),
    disabled=optional(flag()),
)
SESSION = Shape(
    "Session",
    "A signed-in session: `expiresIn` is in seconds; `refreshToken` is absent when it travels as a cookie.",
    user=one(USER),
    accessToken=text(),
    refreshToken=optional(text()),
    tokenType=enum("Bearer"),
    expiresIn=integer(),
)
SESSION_ENTRY = Shape(
    "SessionEntry",
    "One of the caller's own sessions.",
    id=ident(),
    device=text(),
    ip=text(),
    createdAt=moment(),
    lastUsedAt=moment(),
    current=flag(),
)
RESET_LINK = Shape(
    "ResetLink", "A one-time link to set a password, for an admin to hand on.", url=text(), expiresAt=moment()
)
NEW_USER = CARD.extended(
    "NewUser", "An account an admin made, with the link to set its password.", link=one(RESET_LINK)
)

# --- workspaces -----------------------------------------------------------------------------------------------------

WORKSPACE = Shape(
    "Workspace",
    id=ident(),
    name=text(),
    personal=flag(),
    myRole=enum(*WORKSPACE_ROLES),
    memberCount=integer(),
    createdAt=moment(),
    version=integer(),
)
MEMBER = Shape(
    "Member",
    userId=ident(),
    username=text(),
    displayName=text(),
    email=text(),
    role=enum(*WORKSPACE_ROLES),
    joinedAt=moment(),
)
COUNT_AND_BYTES = Shape("CountAndBytes", count=integer(), bytes=integer())
OVERVIEW = Shape(
    "Overview",
    "A workspace, or all of the caller's, at a glance.",
    screens=one(
        Shape(
            "OverviewScreens",
            total=integer(),
            byStatus=mapping(integer()),
            inSync=integer(),
        )
    ),
    media=one(Shape("OverviewMedia", total=integer(), bytes=integer(), byType=mapping(one(COUNT_AND_BYTES)))),
    playlists=integer(),
    emergencies=integer(),
    membersOnline=integer(),
    quota=one(Shape("Quota", bytes=integer(), used=integer())),
)

# --- screens --------------------------------------------------------------------------------------------------------

RESOLUTION = Shape("Resolution", "In pixels.", width=integer(), height=integer())
NOW_PLAYING = Shape("NowPlaying", itemId=nullable(ident()), mediaId=nullable(ident()), startedAt=nullable(moment()))
PLAYER = Shape(
    "Player",
    name=nullable(text()),
    version=nullable(text()),
    userAgent=nullable(text()),
    ip=nullable(text()),
)
SCREEN = Shape(
    "Screen",
    "A paired display. `revision` is what it should show, `appliedRevision` what it says it shows.",
    id=ident(),
    workspaceId=ident(),
    name=text(),
    location=text(),
    tags=many(text()),
    orientation=enum(*ORIENTATIONS),
    resolution=nullable(one(RESOLUTION)),
    timezone=text(),
    playlistId=nullable(ident()),
    volume=integer(minimum=0, maximum=100),
    status=enum(*SCREEN_STATUSES),
    statusReason=nullable(text()),
    lastSeenAt=nullable(moment()),
    revision=text(),
    appliedRevision=nullable(text()),
    inSync=flag(),
    nowPlaying=nullable(one(NOW_PLAYING)),
    player=one(PLAYER),
    pairedAt=moment(),
    createdAt=moment(),
    version=integer(),
)
STATUS_CHANGE = Shape("StatusChange", at=moment(), status=enum(*SCREEN_STATUSES), reason=nullable(text()))
COMMAND = Shape(
    "Command",
    id=ident(),
    screenId=ident(),
    name=enum(*COMMANDS),
    args=free(),
    state=enum(*COMMAND_STATES),
    createdAt=moment(),
    sentAt=nullable(moment()),
    acceptedAt=nullable(moment()),
    finishedAt=nullable(moment()),
    expiresAt=moment(),
    result=nullable(free()),
    createdBy=nullable(ident()),
)
COMMAND_ORDER = Shape(
    "CommandOrder",
    "A command as its screen gets it.",
    id=ident(),
    name=enum(*COMMANDS),
    args=free(),
    expiresAt=moment(),
)
BULK = Shape(
    "BulkResults",
    results=many(
        Shape(
            "BulkResult",
            screenId=ident(),
            ok=flag(),
            commandId=optional(ident()),
            error=optional(one(Shape("BulkError", status=integer(), code=text(), detail=text()))),
        )
    ),
)

# --- displays -------------------------------------------------------------------------------------------------------

PAIRING = Shape(
    "Pairing",
    pairingId=ident(),
    code=text(),
    pollSecret=text(),
    expiresAt=moment(),
    pollSeconds=integer(),
)
CLAIM = Shape(
    "Claim",
    "`waiting` carries no more than its state.",
    state=enum("waiting", "paired"),
    screenId=optional(ident()),
    screenToken=optional(text()),
    name=optional(text()),
)
MANIFEST_ITEM = Shape(
    "ManifestItem",
    "Something to show. `url` works for at least 7 days and serves exactly `bytes` bytes of `sha256`.",
    id=ident(),
    mediaId=ident(),
    type=enum("image", "video"),
    url=text(),
    sha256=text(),
    bytes=integer(),
    contentType=text(),
    width=integer(),
    height=integer(),
    durationMs=integer(),
    transition=enum(*TRANSITIONS),
    fit=enum(*FITS),
    validFrom=optional(nullable(moment())),
    validTo=optional(nullable(moment())),
)
MANIFEST_EMERGENCY = Shape(
    "ManifestEmergency",
    id=ident(),
    title=text(),
    message=text(),
    level=enum(*LEVELS),
    item=optional(one(MANIFEST_ITEM)),
    startedAt=moment(),
    expiresAt=moment(),
)
MANIFEST = Shape(
    "Manifest",
    "All that a screen needs to play, offline too.",
    screenId=ident(),
    name=text(),
    revision=text(),
    generatedAt=moment(),
    timezone=text(),
    orientation=enum(*ORIENTATIONS),
    volume=integer(),
    emergency=nullable(one(MANIFEST_EMERGENCY)),
    playlist=nullable(
        one(Shape("ManifestPlaylist", id=ident(), name=text(), version=integer(), items=many(MANIFEST_ITEM)))
    ),
)
BEAT = Shape("Beat", revision=text(), serverTime=moment())
BEAT_WITH_COMMANDS = BEAT.extended("BeatWithCommands", commands=many(COMMAND_ORDER))
PREVIEW = Shape(
    "Preview",
    "What a screen should show at a moment, and why.",
    at=moment(),
    emergency=nullable(one(MANIFEST_EMERGENCY)),
    playlist=nullable(one(Shape("PreviewPlaylist", id=ident(), name=text(), version=integer()))),
    item=nullable(one(MANIFEST_ITEM)),
    why=many(text()),
    rejected=many(Shape("Rejected", what=text(), reason=text())),
)

# --- media, playlists, emergencies ----------------------------------------------------------------------------------

MEDIA = Shape(
    "Media",
    "An image or a video. `sha256` and `bytes` are those of what `url` serves; null while it is processed.",
    id=ident(),
    workspaceId=ident(),
    name=text(),
    type=enum("image", "video"),
    contentType=text(),
    bytes=integer(),
    sha256=nullable(text()),
    width=nullable(integer()),
    height=nullable(integer()),
    durationMs=nullable(integer()),
    status=enum("processing", "ready", "failed"),
    failure=nullable(text()),
    tags=many(text()),
    url=nullable(text()),
    thumbnailUrl=nullable(text()),
    playlistCount=integer(),
    createdAt=moment(),
    version=integer(),
)
UPLOAD_TICKET = Shape("UploadTicket", ticketId=ident(), url=text(), fields=mapping(text()), expiresAt=moment())
PLAYLIST_ITEM = Shape(
    "PlaylistItem",
    id=ident(),
    mediaId=ident(),
    durationMs=nullable(integer()),
    transition=enum(*TRANSITIONS),
    fit=enum(*FITS),
    validFrom=optional(nullable(moment())),
    validTo=optional(nullable(moment())),
)
PLAYLIST = Shape(
    "Playlist",
    id=ident(),
    workspaceId=ident(),
    name=text(),
    description=text(),
    items=many(PLAYLIST_ITEM),
    durationMs=integer(),
    screenCount=integer(),
    createdAt=moment(),
    updatedAt=moment(),
    version=integer(),
)
PLAYLIST_ENTRY = PLAYLIST.without("PlaylistEntry", "items").extended(
    "PlaylistEntry", "A playlist in a list: `itemCount` in place of its items.", itemCount=integer()
)
EMERGENCY = Shape(
    "Emergency",
    "A message that overrides every playlist on its targets; the counts are of screens.",
    id=ident(),
    workspaceId=ident(),
    title=text(),
    message=text(),
    level=enum(*LEVELS),
    mediaId=nullable(ident()),
    screenIds=nullable(many(text())),
    tag=nullable(text()),
    startedAt=moment(),
    expiresAt=moment(),
    endedAt=nullable(moment()),
    targets=integer(),
    showing=integer(),
    pending=integer(),
    offline=integer(),
)

# --- system ---------------------------------------------------------------------------------------------------------

HEALTH = Shape("Health", status=enum("ok"))
READINESS = Shape("Readiness", status=enum("ready", "degraded", "unavailable"), checks=mapping(text()))
