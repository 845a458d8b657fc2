"""The `idempotency` collection: the first answer to a POST, kept 24 h for whoever repeats its key.

The answer is encrypted under a key made from the server's secret and the caller's own key, for it may carry
tokens. A repeat that finds an unfinished first try (its process died, or the outcome was unknown) runs again
with the same ids, so what the first try wrote is found and not written twice (core/clock.py).
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken

from core.clock import seeded_ids
from core.errors import Invalid, Problem, Unavailable
from models.base import Document, Duplicate, Ground

KEEP = timedelta(hours=24)
# Longer than all but uploads take; then a repeat takes over, and of two that run at once, by the same ids, one writes.
RUNNING = timedelta(seconds=15)
RELEASE_SECONDS = 0.5
Answered = tuple[int, dict[str, str], bytes]
_FIELD = "Idempotency-Key"


class Idempotency:
    """Gives every POST with a key one answer."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._docs = ground.collection("idempotency")
        keys = (ground.settings.secret_key, ground.settings.secret_key_previous)
        self._secrets = [key.encode() for key in keys if key]

    async def once(self, caller: str, key: str, asked: bytes, run: Callable[[], Awaitable[Answered]]) -> Answered:
        """Return the first answer for (caller, key), running `run` where there is none.

        Raises Invalid when the key was used for another request, Unavailable while the first one still runs.
        """
        if not 1 <= len(key) <= 64 or not key.isprintable():
            raise Invalid.field(_FIELD, "must have 1 to 64 printable characters")
        seed = await self._seed(f"{caller}\n{key}".encode("utf-8", "replace"))
        record = await self._claim(_id_of(seed), hashlib.sha256(asked).hexdigest())
        cipher = Fernet(base64.urlsafe_b64encode(seed))
        if record.get("answer"):
            return self._read(cipher, record["answer"])
        try:
            with seeded_ids(seed.hex()):
                answered = await run()
        except Problem as problem:
            if problem.status >= 500 or problem.status in {401, 429}:
                await self._release(record)
                raise
            headers = {**problem.headers, "Content-Type": "application/problem+json"}
            answered = problem.status, headers, orjson.dumps(problem.body())
        except BaseException:
            await asyncio.shield(self._release(record))
            raise
        sealed = cipher.encrypt(_pack(answered)).decode()
        await self._docs.update({"_id": record["_id"]}, {"$set": {"answer": sealed}})
        return answered

    async def _seed(self, named: bytes) -> bytes:
        """Return what the ids and the cipher of this key follow from.

        Under the server's previous secret where the first request came under that: its answer is still owed.
        """
        seed, *earlier = (hmac.digest(secret, named, hashlib.sha256) for secret in self._secrets)
        for each in earlier:
            if await self._docs.get({"_id": _id_of(each)}, projection={"_id": 1}):
                return each
        return seed

    async def _claim(self, record_id: str, fingerprint: str) -> Document:
        now = self._ground.clock.now()
        fresh = {"_id": record_id, "fingerprint": fingerprint, "answer": None, "busyUntil": now + RUNNING}
        try:
            return await self._docs.insert(fresh | {"expiresAt": now + KEEP})
        except Duplicate:
            pass
        held = await self._docs.get({"_id": record_id})
        if held is None or held["expiresAt"] <= now:
            await self._docs.delete({"_id": record_id, "expiresAt": {"$lte": now}})
            return await self._claim(record_id, fingerprint)
        if held["fingerprint"] != fingerprint:
            raise Invalid.field(_FIELD, "was used for another request")
        if held["answer"]:
            return held
        return await self._take_over(held, now)

    async def _take_over(self, held: Document, now: datetime) -> Document:
        free = {"_id": held["_id"], "answer": None, "busyUntil": {"$lte": now}}
        taken = await self._docs.change(free, {"$set": {"busyUntil": now + RUNNING}})
        if taken is None:
            raise Unavailable(detail="The first request with this key is still running: ask again in a moment.")
        return taken

    async def _release(self, record: Document) -> None:
        """Let the next try run at once: this one had no answer to keep.

        Nobody waits long for that where MongoDB is away: the refusal is due, and RUNNING ends by itself.
        """
        with suppress(Problem, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._docs.update({"_id": record["_id"]}, {"$set": {"busyUntil": self._ground.clock.now()}})

    @staticmethod
    def _read(cipher: Fernet, sealed: str) -> Answered:
        try:
            return _unpack(cipher.decrypt(sealed.encode()))
        except InvalidToken as e:
            raise Unavailable(detail="The first answer under this key can no longer be read.") from e


def _id_of(seed: bytes) -> str:
    return hashlib.sha256(seed).hexdigest()


def _pack(answered: Answered) -> bytes:
    status, headers, content = answered
    head = "".join(f"{name}: {value}\n" for name, value in headers.items())
    return f"{status}\n{head}\n".encode() + content


def _unpack(packed: bytes) -> Answered:
    head, _, content = packed.partition(b"\n\n")
    status, *lines = head.decode().split("\n")
    headers: dict[str, Any] = dict(line.split(": ", 1) for line in lines)
    return int(status), headers, content
