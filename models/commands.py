"""The `commands` collection: what screens are told to do, from `queued` to its end.

A command is a document with an expiry: it survives a disconnect, is delivered on the next connect or beat, and
at least once. Its state only moves forward, each step by one conditional update:

    queued -> sent -> accepted -> done | failed        and from each of the first three -> expired
"""

import asyncio
import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import orjson
from pymongo import InsertOne

from core.clock import ids_are_seeded, new_id
from core.errors import Conflict, Invalid, NotFound, UnsupportedType
from core.events import Event, announce, screen_channel, workspace_channel
from core.permissions import Actor
from core.ports import Storage
from models.base import Document, Ground, Query, Session
from models.blobs import Blobs
from models.paging import Listing, Page, page
from models.storage.sniff import HEAD_BYTES, JPEG, PNG, WEBP, Kind, sniff

LIFE = timedelta(seconds=300)  # the contract's, unless told
KEPT = timedelta(days=30)
MOST_RESULT = 4096  # bytes of JSON
PICTURES = (JPEG, PNG, WEBP)
UNFINISHED = ["queued", "sent", "accepted"]
_BATCH = 500


class Commands:
    """Every read, write and announcement of commands."""

    def __init__(self, ground: Ground, *, storage: Storage, blobs: Blobs) -> None:
        self._ground = ground
        self._blobs = blobs
        self._docs = ground.collection("commands")
        self._storage = storage
        blobs.used.append(self._refers_to)

    # --- people -----------------------------------------------------------------------------------------------------

    async def order(
        self, screens: Sequence[Document], name: str, args: Document, *, expires_in: int | None, by: Actor
    ) -> builtins.list[Document]:
        """Tell each of `screens` (documents, of which `by` was found to command all) to do `name`.

        Returns the commands in the screens' order. Those that are connected hear of it at once.
        """
        now = self._ground.clock.now()
        life = LIFE if expires_in is None else timedelta(seconds=expires_in)
        made = [
            {
                "_id": new_id(),
                "screenId": screen["_id"],
                "workspaceId": screen["workspaceId"],
                "name": name,
                "args": args,
                "state": "queued",
                "createdAt": now,
                "sentAt": None,
                "acceptedAt": None,
                "finishedAt": None,
                "expiresAt": now + life,
                "result": None,
                "screenshot": None,
                "createdBy": by.id,
            }
            for screen in screens
        ]
        ordered = await self._insert(made)
        events = [announce("command", screen_channel(each["screenId"]), each) for each in ordered]
        await self._ground.events.publish([*map(self._changed, ordered), *events])
        return [self._shown(each) for each in ordered]

    async def _insert(self, made: builtins.list[Document]) -> builtins.list[Document]:
        """Insert `made`; what an earlier try under the same Idempotency-Key has inserted stays as it is."""
        known: dict[str, Document] = {}
        if ids_are_seeded():
            known = {each["_id"]: each for each in await self._docs.find({"_id": {"$in": [m["_id"] for m in made]}})}
        await self._docs.bulk([InsertOne(each) for each in made if each["_id"] not in known])
        return [known.get(each["_id"], each) for each in made]

    async def get(self, command_id: str, *, by: Actor) -> Document:
        """Return a command. Raises NotFound where `by` may not see its screen."""
        found = await self._docs.get({"_id": command_id})
        if found is None:
            raise NotFound
        by.require("screens:read", found["workspaceId"])
        return self._shown(found)

    async def list(self, screen_id: str, asked: Listing) -> Page:
        """Return a page of a screen's commands, the newest first. The caller has looked at the rights."""
        found = await page(self._docs, {"screenId": screen_id}, asked, default_sort="-createdAt")
        return Page([self._shown(each) for each in found.items], found.next, found.total)

    # --- screens ----------------------------------------------------------------------------------------------------

    async def unfinished(self, screen_id: str) -> builtins.list[Document]:
        """Return what a screen has still to do, the oldest first."""
        query = {"screenId": screen_id, "state": {"$in": UNFINISHED}, "expiresAt": {"$gt": self._ground.clock.now()}}
        return await self._docs.find(query, sort=[("createdAt", 1), ("_id", 1)], limit=_BATCH)

    async def mark_sent(self, command_ids: Sequence[str]) -> None:
        """Note that these were handed to their screens: to a live connection, or in a beat's answer."""
        if not command_ids:
            return
        sent = {"_id": {"$in": list(command_ids)}, "state": "queued"}
        now = self._ground.clock.now()
        if await self._docs.update_all(sent, {"$set": {"state": "sent", "sentAt": now}}):
            marked = await self._docs.find({"_id": {"$in": list(command_ids)}, "state": "sent", "sentAt": now})
            await self._ground.events.publish([self._changed(each) for each in marked])

    async def accept(self, screen_id: str, command_id: str) -> Document:
        """Note that the screen has the command and is about to run it; again is fine.

        Raises NotFound for a command of another screen, Conflict after its expiry.
        """
        now = self._ground.clock.now()
        steps = {"state": "accepted", "acceptedAt": now}
        return await self._step(screen_id, command_id, ["queued", "sent"], steps)

    async def finish(
        self, screen_id: str, command_id: str, *, ok: bool, result: Mapping[str, object] | None
    ) -> Document:
        """Note how a command ended; a repeated result is fine and changes nothing.

        Raises NotFound for a command of another screen, Conflict after its expiry, Invalid for a result of more
        than 4 KiB.
        """
        packed = None if result is None else orjson.dumps(result)
        if packed is not None and len(packed) > MOST_RESULT:
            raise Invalid.field("result", f"must have at most {MOST_RESULT} bytes as JSON")
        steps = {
            "state": "done" if ok else "failed",
            "finishedAt": self._ground.clock.now(),
            # As text: the keys are the screen's own, and MongoDB has its own mind about some.
            "result": None if packed is None else packed.decode(),
        }
        return await self._step(screen_id, command_id, UNFINISHED, steps)

    async def attach(self, screen_id: str, command_id: str, source: Path, sha256: str) -> Document:
        """Store the picture at `source` (which may be moved away) as the command's screenshot.

        Raises NotFound for a command of another screen, UnsupportedType for what is no JPEG, PNG or WebP, Conflict
        for a command that asks for none, has ended or has expired; the same picture again is fine.
        """
        found = self._shown(await self._own(screen_id, command_id))
        kind = await asyncio.to_thread(_kind_of, source)
        if kind not in PICTURES:
            raise UnsupportedType(detail="A screenshot is a JPEG, PNG or WebP, whatever it is called.")
        key = f"{sha256}.{kind.ext}"
        if found["name"] != "screenshot":
            raise Conflict(detail="This command asks for no screenshot.")
        if found["screenshot"] == key:
            return found
        if found["state"] not in UNFINISHED:
            raise Conflict(detail="This command has ended already.")
        async with self._blobs.holding(key):
            await self._storage.put(source, key)
            stored = await self._step(screen_id, command_id, UNFINISHED, {"screenshot": key}, again=False)
        if found["screenshot"] is not None:
            await self._blobs.drop_unused(found["screenshot"])
        return stored

    async def _refers_to(self, key: str) -> bool:
        return await self._docs.get({"screenshot": key}, projection={"_id": 1}) is not None

    async def _own(self, screen_id: str, command_id: str) -> Document:
        found = await self._docs.get({"_id": command_id, "screenId": screen_id})
        if found is None:
            raise NotFound
        return found

    async def _step(
        self, screen_id: str, command_id: str, before: Sequence[str], steps: Document, *, again: bool = True
    ) -> Document:
        """Take a command that is in a state of `before` further; `again` tells whether being there already is fine."""
        now = self._ground.clock.now()
        query = {"_id": command_id, "screenId": screen_id, "state": {"$in": list(before)}, "expiresAt": {"$gt": now}}
        literal = {name: {"$literal": value} for name, value in steps.items()}
        # What a screen acts on was handed to it, whether or not `mark_sent` has come by yet.
        changed = await self._docs.change(query, [{"$set": {"sentAt": {"$ifNull": ["$sentAt", now]}, **literal}}])
        if changed is not None:
            await self._ground.events.publish([self._changed(changed)])
            return self._shown(changed)
        found = self._shown(await self._own(screen_id, command_id))
        if found["state"] == "expired" or not again:
            raise Conflict(detail="This command has expired." if found["state"] == "expired" else None)
        return found

    # --- jobs and upkeep --------------------------------------------------------------------------------------------

    async def expire(self, now: datetime) -> int:
        """Write the end of all commands that ran out by `now`; return how many. For the job."""
        due: Query = {"state": {"$in": UNFINISHED}, "expiresAt": {"$lte": now}}
        expired = 0
        while ids := [each["_id"] for each in await self._docs.find(due, limit=_BATCH, projection={"_id": 1})]:
            chosen = {"_id": {"$in": ids}}
            end = [{"$set": {"state": "expired", "finishedAt": "$expiresAt"}}]
            expired += await self._docs.update_all({**chosen, **due}, end)
            ended = await self._docs.find({**chosen, "state": "expired"})
            await self._ground.events.publish([self._changed(each) for each in ended])
        return expired

    async def sweep(self, now: datetime) -> int:
        """Delete commands that were given KEPT ago, with their pictures; return how many. For the job."""
        return await self._delete({"createdAt": {"$lte": now - KEPT}})

    async def drop(self, screen_ids: Sequence[str]) -> None:
        """Delete the commands of screens that are gone."""
        await self._delete({"screenId": {"$in": list(screen_ids)}})

    async def _delete(self, query: Query) -> int:
        """Delete commands; a picture that no other command shows goes with them."""
        deleted = 0
        async for command in self._docs.each({**query, "screenshot": {"$ne": None}}, projection={"screenshot": 1}):
            await self._ground.transaction(partial(self._delete_with_picture, command))
            await self._blobs.drop_unused(command["screenshot"])
            deleted += 1
        return deleted + await self._docs.delete_all({**query, "screenshot": None})

    async def _delete_with_picture(self, command: Document, session: Session) -> None:
        await self._docs.delete({"_id": command["_id"]}, session=session)
        await self._blobs.check_soon(command["screenshot"], session=session)

    def _changed(self, command: Document) -> Event:
        return announce("command.changed", workspace_channel(command["workspaceId"]), self._shown(command))

    def _shown(self, command: Document) -> Document:
        """Return a command as the API shows it: with its picture's URL, and `expired` before the job has written it."""
        now = self._ground.clock.now()
        result = None if command["result"] is None else orjson.loads(command["result"])
        if command["screenshot"] is not None:
            result = {**(result or {}), "url": self._storage.url(command["screenshot"], now)}
        shown = command | {"result": result}
        if command["state"] in UNFINISHED and command["expiresAt"] <= now:
            shown |= {"state": "expired", "finishedAt": command["expiresAt"]}
        return shown


def _kind_of(source: Path) -> Kind | None:
    with source.open("rb") as file:
        return sniff(file.read(HEAD_BYTES))
