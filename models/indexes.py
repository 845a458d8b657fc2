"""Every index and validator, built before the server takes its first request.

An index stands here with the query it serves. A unique index that cannot be built stops the start: the
promise it carries would not hold. Validators are the second line behind the API's own checks.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ASCENDING as UP
from pymongo import DESCENDING as DOWN
from pymongo import TEXT, IndexModel, errors

from core.settings import Settings, SettingsError
from models.base import Document
from models.client import close, connect_patiently
from models.paging import NAMES
from models.statuses import KEPT_DAYS
from models.validators import VALIDATORS

log = structlog.get_logger("marquee.indexes")

_TRIES, _PAUSE_SECONDS = 20, 1.0  # an election takes up to 12 s where nobody has changed MongoDB's settings
# MongoDB's codes of an operation that was ended from outside: Interrupted, InterruptedAtShutdown,
# InterruptedDueToReplStateChange, IndexBuildAborted, IndexBuildAlreadyInProgress.
_INTERRUPTED = {11601, 11600, 11602, 276, 285}


def by(*keys: tuple[str, int | str], **options: Any) -> IndexModel:
    """Return an index over `keys`."""
    return IndexModel(list(keys), **options)


def ends(name: str, seconds: int = 0) -> IndexModel:
    """Return a TTL index: it collects garbage about once a minute; every read still checks the expiry."""
    return IndexModel([(name, UP)], expireAfterSeconds=seconds)


# A partial index of strings. `$type` would say the same, but no query for a string is then seen to be inside it.
STRING = {"$gt": ""}
DAY = 86_400
MENTIONS = (("mentions", UP), ("roomId", UP), ("seq", UP))  # of messages; named where no choice is to be tried out

INDEXES: dict[str, Sequence[IndexModel]] = {
    "server": [],
    "processes": [ends("at", 3600)],
    "health": [ends("at", 7 * DAY)],
    "users": [
        by(("emailFolded", UP), unique=True),
        by(("usernameFolded", UP), unique=True),
        by(("username", UP), ("_id", UP), collation=NAMES),  # the directory
        by(("role", UP)),  # is there another admin?
    ],
    "sessions": [
        by(("userId", UP), ("lastUsedAt", DOWN)),
        by(("revokedAt", UP), partialFilterExpression={"revokedAt": {"$type": "date"}}),  # the poll, every second
        ends("endsAt", DAY),
    ],
    "revocations": [ends("at", 3600), by(("at", UP), ("_id", UP))],
    "resets": [by(("userId", UP)), ends("expiresAt")],
    "idempotency": [ends("expiresAt")],
    "workspaces": [
        by(("members.userId", UP), ("name", UP), ("_id", UP), collation=NAMES),
        by(("members.userId", UP)),
        by(("personalOf", UP), unique=True, partialFilterExpression={"personalOf": STRING}),
    ],
    "screens": [
        by(("workspaceId", UP), ("name", UP), ("_id", UP), collation=NAMES),
        by(("workspaceId", UP), ("status", UP), ("_id", UP)),
        by(("workspaceId", UP), ("lastSeenAt", UP), ("_id", UP)),
        by(("workspaceId", UP), ("createdAt", UP), ("_id", UP)),
        # How many lag behind, and how many are how: lists and the overview count them from the index alone.
        by(("workspaceId", UP), ("inSync", UP), ("status", UP)),
        by(("workspaceId", UP), ("tags", UP)),  # an emergency's or a command's targets
        by(("playlistId", UP)),  # which screens show it?
        by(("status", UP), ("lastSeenAt", UP), ("_id", UP)),  # who has gone silent?
    ],
    "statuses": [by(("screenId", UP), ("at", UP), ("_id", UP)), ends("at", KEPT_DAYS * DAY)],
    "commands": [
        by(("screenId", UP), ("createdAt", UP), ("_id", UP)),
        by(("state", UP), ("expiresAt", UP)),  # what has run out?
        by(("createdAt", UP)),  # what is old?
        by(("screenshot", UP), partialFilterExpression={"screenshot": STRING}),  # does a picture belong to one?
    ],
    "pairings": [by(("codeHash", UP), unique=True), ends("removeAt")],
    "playlists": [
        by(("workspaceId", UP), ("name", UP), ("_id", UP), collation=NAMES),
        by(("workspaceId", UP), ("updatedAt", UP), ("_id", UP)),
        by(("workspaceId", UP), ("createdAt", UP), ("_id", UP)),
        by(("items.mediaId", UP)),  # what plays this media?
    ],
    "media": [
        by(("workspaceId", UP), ("name", UP), ("_id", UP), collation=NAMES),
        by(("workspaceId", UP), ("bytes", UP), ("_id", UP)),
        by(("workspaceId", UP), ("createdAt", UP), ("_id", UP)),
        by(("workspaceId", UP), ("sources", UP)),  # was this file uploaded here before?
        # The same content is in a workspace once; media that are still processed have none.
        by(("workspaceId", UP), ("sha256", UP), unique=True, partialFilterExpression={"sha256": STRING}),
        by(("sha256", UP)),  # does anybody still need this content?
        by(("work.until", UP), partialFilterExpression={"status": "processing"}),
    ],
    "blobs": [by(("checkAt", UP))],
    "quotas": [],
    "files": [
        by(("key", UP)),  # does anybody still need this content?
        by(("ownerId", UP), ("use.type", UP)),
        by(("use.roomId", UP), partialFilterExpression={"use.roomId": STRING}),
        by(("sweepAt", UP), partialFilterExpression={"sweepAt": {"$type": "date"}}),
    ],
    "tickets": [by(("sweepAt", UP))],
    "emergencies": [
        by(("workspaceId", UP), ("startedAt", UP), ("_id", UP)),
        by(("endedAt", UP), ("workspaceId", UP)),  # what runs here? read with every batch of beats
        by(("endedAt", UP), ("expiresAt", UP)),  # what has run out?
        by(("mediaId", UP)),
    ],
    "rooms": [
        by(("name", UP), unique=True, partialFilterExpression={"type": "public", "name": STRING}),
        by(("directKey", UP), unique=True, partialFilterExpression={"directKey": STRING}),
        by(("type", UP), ("name", UP), ("_id", UP), collation=NAMES),  # browsing
        by(("deletedAt", UP), partialFilterExpression={"deletedAt": {"$type": "date"}}),  # what is to be swept?
    ],
    "room_members": [
        by(("roomId", UP), ("left", UP), ("joinedAt", UP), ("_id", UP)),
        by(("roomId", UP), ("role", UP)),  # does somebody else own it?
        by(("roomId", UP), ("rev", UP)),  # who came and went since an offset?
        by(("userId", UP), ("left", UP)),
    ],
    "messages": [
        by(("roomId", UP), ("seq", UP), unique=True),
        by(("roomId", UP), ("rev", UP)),
        # An author's own id of a message is taken once in a room, for good.
        by(
            ("roomId", UP),
            ("authorId", UP),
            ("clientId", UP),
            unique=True,
            partialFilterExpression={"clientId": STRING},
        ),
        by(("roomId", UP), ("replyTo.id", UP), ("seq", UP), partialFilterExpression={"replyTo.id": STRING}),
        by(("roomId", UP), ("seq", UP), name="pinned", partialFilterExpression={"pinned": True}),
        by(*MENTIONS),
        # The words as they are: no language's endings and stop words, in which others would not be found.
        by(("roomId", UP), ("content", TEXT), default_language="none", language_override="-"),
    ],
}


async def ensure(client: "AsyncIOMotorClient[Document]", settings: Settings) -> None:
    """Make every collection, validator and index that is not there yet.

    An index of a large collection takes minutes to build, and nothing here limits that. What an election or an
    operator's command interrupts is tried again. Raises SettingsError where MongoDB does not answer or refuses: then
    the server does not start.
    """
    patient = connect_patiently(settings.mongodb_url or "")
    try:
        listed = await client[settings.mongodb_database].list_collections()  # soon, or there is no MongoDB
        there = {one["name"]: one["options"].get("validator", {}) async for one in listed}
        await _ensure_all(patient[settings.mongodb_database], there)
    except errors.ConnectionFailure as e:
        raise SettingsError("MARQUEE_MONGODB_URL names no MongoDB that answers.") from e
    except errors.OperationFailure as e:
        said = (e.details or {}).get("errmsg", "")
        raise SettingsError(f"MARQUEE_MONGODB_URL: MongoDB refuses to make an index or a collection: {said}.") from e
    finally:
        close(patient)


async def _ensure_all(db: Any, there: dict[str, Document]) -> None:
    for tries_left in reversed(range(_TRIES)):
        work = [_ensure_one(db, name, there.get(name)) for name in INDEXES]
        failed = [e for e in await asyncio.gather(*work, return_exceptions=True) if e is not None]
        if not failed:
            return
        if not tries_left or not all(_is_passing(e) for e in failed):
            raise next((e for e in failed if not _is_passing(e)), failed[0])
        log.warning("indexes.interrupted", reason=str(failed[0]))
        await asyncio.sleep(_PAUSE_SECONDS)


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, errors.OperationFailure) and error.code in _INTERRUPTED:
        return True
    return isinstance(error, errors.ConnectionFailure)


async def _ensure_one(db: Any, name: str, there: Document | None) -> None:
    """`there` is the validator that the collection has, None where there is no collection.

    A validator is only set where it is another one: `collMod` waits for every open transaction, that of a process
    that was just killed among them, and all who want to read or write wait behind it.
    """
    validator = VALIDATORS.get(name, {})
    if there is None:
        try:
            await db.create_collection(name, validator=validator)
        except errors.CollectionInvalid:
            pass  # another process made it just now, with a validator of its own
        else:
            there = validator
    if there != validator:
        await db.command("collMod", name, validator=validator)
    if INDEXES[name]:
        await db[name].create_indexes(list(INDEXES[name]))
