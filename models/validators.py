"""`$jsonSchema` validators: what a document must be whatever a defect of ours would write."""

from typing import Any

from core.chat_resources import ROOM_ROLES, ROOM_TYPES
from core.resources import COMMAND_STATES, COMMANDS, ORIENTATIONS, SCREEN_STATUSES

Rule = dict[str, Any]

STRING: Rule = {"bsonType": "string"}
MOMENT: Rule = {"bsonType": "date"}
WHOLE: Rule = {"bsonType": ["int", "long"]}
FLAG: Rule = {"bsonType": "bool"}


def or_null(rule: Rule) -> Rule:
    """Return `rule`, or null in its place."""
    kinds = rule["bsonType"]
    return {**rule, "bsonType": [*(kinds if isinstance(kinds, list) else [kinds]), "null"]}


def one_of(*values: str) -> Rule:
    """Return the rule of a closed set of strings."""
    return {"enum": list(values)}


def holds(**properties: Rule) -> Rule:
    """Return the validator of documents that must have `properties` (and may have more)."""
    return {"$jsonSchema": {"bsonType": "object", "required": list(properties), "properties": properties}}


VALIDATORS: dict[str, Rule] = {
    "processes": holds(_id=STRING, at=MOMENT, host=STRING, pid=WHOLE, startedAt=MOMENT),
    "health": holds(_id=STRING, at=MOMENT, screens={"bsonType": "object"}, processes={"bsonType": "array"}),
    "users": holds(
        _id=STRING,
        emailFolded=STRING,
        usernameFolded=STRING,
        role=one_of("user", "admin"),
        disabled=FLAG,
        passwordHash=or_null(STRING),
        createdAt=MOMENT,
        version=WHOLE,
    ),
    "sessions": holds(
        _id=STRING, userId=STRING, number=WHOLE, tokenHash=STRING, endsAt=MOMENT, revokedAt=or_null(MOMENT)
    ),
    "workspaces": holds(
        _id=STRING,
        name=STRING,
        personal=FLAG,
        createdAt=MOMENT,
        version=WHOLE,
        members={
            "bsonType": "array",
            "items": {
                "bsonType": "object",
                "required": ["userId", "role", "joinedAt"],
                "properties": {"userId": STRING, "role": one_of("viewer", "editor", "owner")},
            },
        },
    ),
    "screens": holds(
        _id=STRING,
        workspaceId=STRING,
        name=STRING,
        location=STRING,
        tags={"bsonType": "array", "items": STRING},
        orientation=one_of(*ORIENTATIONS),
        timezone=STRING,
        playlistId=or_null(STRING),
        volume=WHOLE,
        status=one_of(*SCREEN_STATUSES),
        statusReason=or_null(STRING),
        lastSeenAt=or_null(MOMENT),
        revision=STRING,
        appliedRevision=or_null(STRING),
        inSync=FLAG,
        emergencyId=or_null(STRING),
        pairedAt=MOMENT,
        createdAt=MOMENT,
        version=WHOLE,
    ),
    "statuses": holds(_id=STRING, screenId=STRING, at=MOMENT, status=one_of(*SCREEN_STATUSES), reason=or_null(STRING)),
    "commands": holds(
        _id=STRING,
        screenId=STRING,
        workspaceId=STRING,
        name=one_of(*COMMANDS),
        args={"bsonType": "object"},
        state=one_of(*COMMAND_STATES),
        createdAt=MOMENT,
        expiresAt=MOMENT,
        result=or_null(STRING),
        screenshot=or_null(STRING),
    ),
    "pairings": holds(
        _id=STRING,
        codeHash=STRING,
        secretHash=STRING,
        screenId=or_null(STRING),
        expiresAt=MOMENT,
        collectUntil=or_null(MOMENT),
        removeAt=MOMENT,
    ),
    "playlists": holds(
        _id=STRING,
        workspaceId=STRING,
        name=STRING,
        description=STRING,
        digest=STRING,
        itemCount=WHOLE,
        durationMs=WHOLE,
        createdAt=MOMENT,
        updatedAt=MOMENT,
        version=WHOLE,
        items={
            "bsonType": "array",
            "maxItems": 500,
            "items": {
                "bsonType": "object",
                "required": ["id", "mediaId", "durationMs", "transition", "fit", "media"],
                "properties": {
                    "id": STRING,
                    "mediaId": STRING,
                    "durationMs": or_null(WHOLE),
                    "transition": one_of("none", "fade"),
                    "fit": one_of("contain", "cover"),
                    "media": {"bsonType": "object", "required": ["sha256", "ext", "type", "bytes"]},
                },
            },
        },
    ),
    "media": holds(
        _id=STRING,
        workspaceId=STRING,
        name=STRING,
        type=one_of("image", "video"),
        contentType=STRING,
        ext=STRING,
        bytes=WHOLE,
        sha256=or_null(STRING),
        width=or_null(WHOLE),
        height=or_null(WHOLE),
        durationMs=or_null(WHOLE),
        status=one_of("processing", "ready", "failed"),
        failure=or_null(STRING),
        tags={"bsonType": "array", "items": STRING},
        sources={"bsonType": "array", "items": STRING},
        createdAt=MOMENT,
        version=WHOLE,
    ),
    "blobs": holds(_id=STRING, companions={"bsonType": "array"}, dropping=FLAG, checkAt=MOMENT),
    "files": holds(
        _id=STRING,
        ownerId=STRING,
        name=STRING,
        contentType=STRING,
        kind=one_of("image", "video", "audio", "other"),
        bytes=WHOLE,
        sha256=STRING,
        key=STRING,
        thumbnail=or_null(STRING),
        use={"bsonType": ["object", "null"]},
        sweepAt=or_null(MOMENT),
        createdAt=MOMENT,
    ),
    "quotas": holds(_id=STRING, bytes=WHOLE),
    "tickets": holds(
        _id=STRING,
        workspaceId=STRING,
        bytes=WHOLE,
        contentType=STRING,
        mediaId=or_null(STRING),
        expiresAt=MOMENT,
        sweepAt=MOMENT,
    ),
    "emergencies": holds(
        _id=STRING,
        workspaceId=STRING,
        title=STRING,
        message=STRING,
        level=one_of("info", "warning", "critical"),
        mediaId=or_null(STRING),
        tag=or_null(STRING),
        digest=STRING,
        startedAt=MOMENT,
        expiresAt=MOMENT,
        endedAt=or_null(MOMENT),
    ),
    "rooms": holds(
        _id=STRING,
        type=one_of(*ROOM_TYPES),
        name=or_null(STRING),
        title=STRING,
        topic=STRING,
        directKey=or_null(STRING),
        memberCount=WHOLE,
        epoch=STRING,
        offset=WHOLE,
        lastSeq=WHOLE,
        archived=FLAG,
        deletedAt=or_null(MOMENT),
        createdAt=MOMENT,
        version=WHOLE,
    ),
    "room_members": holds(
        _id=STRING,
        roomId=STRING,
        userId=STRING,
        role=one_of(*ROOM_ROLES),
        mutedUntil=or_null(MOMENT),
        joinedAt=MOMENT,
        lastReadSeq=WHOLE,
        rev=WHOLE,
        left=FLAG,
    ),
    # A tombstone has no more than this.
    "messages": holds(
        _id=STRING, roomId=STRING, seq=WHOLE, rev=WHOLE, authorId=STRING, clientId=or_null(STRING), deleted=FLAG
    ),
}
