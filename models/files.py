"""The `files` collection: what people send each other, and their pictures of themselves.

    {_id, ownerId, name, contentType, kind: image|video|audio|other, bytes, sha256, key, thumbnail: key|null,
     use: {type: "message", id, roomId} | {type: "user", id} | null, sweepAt|null, createdAt}

A file is used once, by a message (models/message_changes.py, in the message's own transaction) or as its
owner's avatar (models/avatars.py). What is used for nothing goes a day after it was uploaded; what a deleted
message carried goes at once: from `sweepAt` on a file is gone for everybody, and `sweep` takes it away.
"""

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from core.clock import ids_are_seeded, new_id
from core.errors import Conflict, Forbidden, Invalid, NotFound, UnsupportedType
from core.permissions import Actor
from core.ports import Storage
from models.addresses import Addresses, path_of
from models.base import Document, Duplicate, Ground, Query, Session
from models.blobs import Blobs
from models.intake import Intake
from models.quotas import Quotas
from models.rooms import Rooms
from models.storage.executables import is_packed_program, is_program_name, starts_program
from models.storage.probe import Probed
from models.storage.sniff import HEAD_BYTES, audio_type, sniff

UNUSED = timedelta(days=1)  # that a file waits for its message
ENDED = timedelta(days=30)  # that rooms which have ended are looked through for files
SWEPT = 500  # in one round
OTHER = "application/octet-stream"
_TYPES = mimetypes.MimeTypes(filenames=())  # Python's own list: the same on every machine


@dataclass(frozen=True, slots=True)
class Content:
    """What an address stands for: a file on this disk, or the address to send the reader on to.

    `shown` tells whether browsers may show it in place; what is not so is saved as `name`.
    """

    place: Path | str
    expires_at: datetime
    sha256: str
    content_type: str
    name: str
    shown: bool


class Files:
    """Every read and write of files, but for attaching them and avatars."""

    def __init__(
        self,
        ground: Ground,
        *,
        storage: Storage,
        blobs: Blobs,
        intake: Intake,
        quotas: Quotas,
        rooms: Rooms,
        addresses: Addresses,
    ) -> None:
        self._ground = ground
        self._docs = ground.collection("files")
        self._room_docs = ground.collection("rooms")
        self._user_docs = ground.collection("users")
        self._storage = storage
        self._blobs = blobs
        self._intake = intake
        self._quotas = quotas
        self._rooms = rooms
        self._addresses = addresses
        blobs.used.append(self._refers_to)

    # --- uploads ----------------------------------------------------------------------------------------------------

    def most_of(self, head: bytes) -> int:
        """Return the most bytes for a file that starts with `head`. Raises UnsupportedType for a program."""
        if starts_program(head):
            raise _no_programs()
        return self._ground.settings.max_file_bytes

    async def add(self, source: Path, sha256: str, size: int, name: str, *, by: Actor) -> Document:
        """Keep the file at `source`, which may be moved away, as one of the actor's that is used for nothing yet.

        Images and videos are treated as media are: without what says where they were made, large images made
        smaller; `bytes` and `sha256` are of what is served then. An image that cannot be read is refused
        (Invalid), for nothing could be taken out of it; a video that cannot is a file like any other. Raises
        UnsupportedType for a program, TooLarge (`quota_exceeded`), StorageFull, Unavailable.
        """
        by.require_user()
        if size == 0:
            raise Invalid.field("file", "is empty")
        head = await asyncio.to_thread(_head_of, source)
        if is_program_name(name) or await asyncio.to_thread(is_packed_program, source, head):
            raise _no_programs()
        await self._quotas.refuse_full(by.id, size)
        file = new_file(by.id, name.strip() or "file", self._ground.clock.now())
        async with self._looked_at(source, head) as probed:
            if probed is not None:
                async with self._intake.stored(probed):
                    return await self._insert(file | _recognised(probed))
            file |= _unrecognised(sha256, size, head, file["name"])
            async with self._blobs.storing(file["key"], source, {}):
                return await self._insert(file)

    @asynccontextmanager
    async def _looked_at(self, source: Path, head: bytes) -> AsyncIterator[Probed | None]:
        """Give what the worker has made of an image or a video; None for all else."""
        kind = sniff(head)
        if kind is None:
            yield None
            return
        async with self._intake.scratch() as folder:
            try:
                probed = await self._intake.probe(source, folder, most=self._ground.settings.max_file_bytes)
            except (Invalid, UnsupportedType):
                if kind.type == "image":
                    raise
                probed = None
            yield probed

    async def _insert(self, file: Document) -> Document:
        async def write(session: Session) -> Document:
            await self._quotas.take(file["ownerId"], file["bytes"], session=session)
            return await self._docs.insert(file, session=session)

        try:
            made = await self._ground.transaction(write)
        except Duplicate:
            own = await self._docs.get({"_id": file["_id"]}) if ids_are_seeded() else None
            if own is None:
                raise
            made = own  # an earlier try under the same Idempotency-Key
        return self._addresses.file(made)

    # --- reads ------------------------------------------------------------------------------------------------------

    async def get(self, file_id: str, *, by: Actor) -> Document:
        """Return a file with fresh addresses. Raises NotFound where the actor may not read it."""
        return self._addresses.file(await self._readable(file_id, by))

    async def content(self, file_id: str, expiry: str, signature: str, *, thumbnail: bool) -> Content:
        """Return what a signed address stands for. Raises Forbidden for one that is not ours, NotFound."""
        expires_at = self._addresses.verify(path_of(file_id, thumbnail=thumbnail), expiry, signature)
        file = await self._live(file_id)
        key = file["thumbnail"] if thumbnail else file["key"]
        if key is None:
            raise NotFound
        shown = thumbnail or file["kind"] != "other"
        place = self._storage.place(key, self._ground.clock.now(), expires_at, download=not shown)
        content_type = f"image/{key.rpartition('.')[2]}" if thumbnail else file["contentType"]
        # What was not recognised is served as nothing in particular: as a script, say, it would run in our pages.
        return Content(place, expires_at, file["sha256"], content_type if shown else OTHER, file["name"], shown)

    async def _live(self, file_id: str) -> Document:
        alive = {"$or": [{"sweepAt": None}, {"sweepAt": {"$gt": self._ground.clock.now()}}]}
        found = await self._docs.get({"_id": file_id, **alive})
        if found is None:
            raise NotFound
        return found

    async def _readable(self, file_id: str, by: Actor) -> Document:
        by.require_user()
        file = await self._live(file_id)
        use = file["use"]
        if file["ownerId"] == by.id or (use and use["type"] == "user"):
            return file
        if use is None:
            raise NotFound
        await self._rooms.resolve(use["roomId"], by=by)
        return file

    async def _refers_to(self, key: str) -> bool:
        return await self._docs.get({"key": key}, projection={"_id": 1}) is not None

    # --- removal ----------------------------------------------------------------------------------------------------

    async def delete(self, file_id: str, *, by: Actor) -> None:
        """Delete one's own file. Raises Conflict `in_use` with what uses it, NotFound, Forbidden for another's."""
        file = await self._readable(file_id, by)
        if file["ownerId"] != by.id:
            raise Forbidden
        if await self._remove({"_id": file_id, "use": None}):
            return
        file = await self._live(file_id)
        raise Conflict("in_use", "A file that is used goes with what uses it.", usedBy=[await self._user_of(file)])

    async def _user_of(self, file: Document) -> Document:
        """Return what uses a file, as `usedBy` of the problem names it."""
        use = file["use"]
        docs, holder = (self._user_docs, use["id"]) if use["type"] == "user" else (self._room_docs, use["roomId"])
        held = await docs.get({"_id": holder}) or {}
        return {"type": use["type"], "id": use["id"], "name": held.get("username") or held.get("title") or ""}

    async def _remove(self, query: Query) -> bool:
        """Delete the one file of `query` and give its bytes back; its content goes unless another file has the same."""

        async def write(session: Session) -> Document | None:
            gone = await self._docs.take(query, session=session)
            if gone is not None:
                await self._quotas.give_back(gone["ownerId"], gone["bytes"], session=session)
                await self._blobs.check_soon(gone["key"], session=session)
            return gone

        gone = await self._ground.transaction(write)
        if gone is not None:
            await self._blobs.drop_unused(gone["key"])
        return gone is not None

    async def sweep(self) -> int:
        """Remove what is due, and return how many: again, or by two at once, is no harm."""
        now = self._ground.clock.now()
        ended = await self._room_docs.find({"deletedAt": {"$gt": now - ENDED}}, projection={"_id": 1})
        theirs = {"use.roomId": {"$in": [room["_id"] for room in ended]}, "sweepAt": None}
        await self._docs.update_all(theirs, {"$set": {"sweepAt": now}})
        due = await self._docs.find({"sweepAt": {"$lte": now}}, sort=[("sweepAt", 1)], limit=SWEPT)
        return sum([await self._remove({"_id": file["_id"], "sweepAt": {"$lte": now}}) for file in due])


def new_file(owner_id: str, name: str, now: datetime) -> Document:
    """Return a file that has no content and no use yet."""
    unused = {"use": None, "sweepAt": now + UNUSED}
    return {"_id": new_id(), "ownerId": owner_id, "name": name, "createdAt": now, **unused}


def _recognised(probed: Probed) -> Document:
    return {
        "contentType": probed.content_type,
        "kind": probed.type,
        "bytes": probed.bytes,
        "sha256": probed.sha256,
        "key": probed.key,
        "thumbnail": probed.thumbnail_key,
    }


def _unrecognised(sha256: str, size: int, head: bytes, name: str) -> Document:
    """Return the content of what is kept as it came: sound, or anything; of that the type is told by the name."""
    sound = audio_type(head)
    return {
        "contentType": sound or _type_by_name(name),
        "kind": "audio" if sound else "other",
        "bytes": size,
        "sha256": sha256,
        "key": f"{sha256}.bin",
        "thumbnail": None,
    }


def _type_by_name(name: str) -> str:
    """Return the type that a name tells; never a picture's, a sound's or a film's, which the content tells alone."""
    told = _TYPES.guess_type(name)[0] or OTHER
    return OTHER if told.partition("/")[0] in ("image", "audio", "video") else told


def _head_of(source: Path) -> bytes:
    with source.open("rb") as file:
        return file.read(HEAD_BYTES)


def _no_programs() -> UnsupportedType:
    return UnsupportedType(detail="Programs and scripts are not taken, whatever they are called.")
