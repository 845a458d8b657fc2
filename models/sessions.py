"""The `sessions` collection: signing in, staying signed in, signing out.

A refresh token names its session and its number in the family and carries a MAC, so that a genuine old one
is told from a forged one without keeping any token: only the newest one's hash is stored. Its successor is
a keyed function of it (core/tokens.py), so repeats within the grace all find the same one.
"""

import hashlib
import hmac
from datetime import timedelta
from typing import Any

from core.clock import new_id
from core.errors import NotFound, Unauthenticated
from core.permissions import Actor
from core.tokens import ACCESS_SECONDS, Tokens, digest, opaque, same
from models.access import Access
from models.base import Document, Ground, Session
from models.paging import Listing, Page, page
from models.users import Users

IDLE = timedelta(days=30)
LONGEST = timedelta(days=90)
GRACE = timedelta(seconds=10)  # lost answers and twenty tabs at once repeat within this
DEVICE_LENGTH = 200
_MAC_LENGTH = 32


class Sessions:
    """Every read and write of sessions."""

    def __init__(self, ground: Ground, tokens: Tokens, access: Access, users: Users) -> None:
        self._ground = ground
        self._tokens = tokens
        self._access = access
        self._users = users
        self._docs = ground.collection("sessions")
        settings = ground.settings
        self._keys = [
            hmac.digest(key.encode(), b"marquee:refresh-mac", hashlib.sha256)
            for key in (settings.secret_key, settings.secret_key_previous)
            if key
        ]

    async def open(self, user: Document, *, device: str, ip: str, session: Session | None = None) -> Document:
        """Start a session for `user` and return the SESSION document, `refreshToken` included."""
        now = self._ground.clock.now()
        sid = new_id()
        token = self._refresh_token(sid, 0, opaque())
        document = {
            "_id": sid,
            "userId": user["_id"],
            "number": 0,
            "tokenHash": digest(token),
            "used": [],
            "device": device[:DEVICE_LENGTH],
            "ip": ip,
            "createdAt": now,
            "lastUsedAt": now,
            "endsAt": now + IDLE,
            "endsAtMost": now + LONGEST,
            "revokedAt": None,
        }
        kept = await self._docs.insert(document, session=session)
        if kept is not document:  # a repeat under one Idempotency-Key: the first token was never seen by anybody
            await self._docs.update({"_id": sid}, {"$set": {"number": 0, "tokenHash": digest(token), "used": []}})
        return self._answer(user, sid, token)

    async def refresh(self, token: str) -> Document:
        """Rotate a refresh token and return the SESSION document with its successor.

        A token that was used in the last GRACE gets the family's newest one, always the same. A genuine one
        used longer ago revokes the family. Raises Unauthenticated, `refresh_reused` in that case.
        """
        sid, number = self._parse(token)
        for _ in range(3):  # a lost race is read again: the second round finds the winner
            held = await self._live(sid)
            if number == held["number"] and same(held["tokenHash"], digest(token)):
                successor = await self._rotate(held, token)
            else:
                successor = await self._repeat(held, token, number)
            if successor is not None:
                user = await self._users.live(held["userId"])
                return self._answer(user, sid, successor)
        raise Unauthenticated

    def family(self, token: str) -> str:
        """Return the session id that a refresh token names: what its rate limit follows. Raises Unauthenticated."""
        return self._parse(token)[0]

    async def end(self, sid: str, *, by: Actor) -> None:
        """End one of the actor's own sessions. Raises NotFound."""
        by.require_user()
        if not await self._access.revoke({"_id": sid, "userId": by.id}, "logout"):
            raise NotFound

    async def end_family(self, token: str) -> None:
        """End the session that a refresh token belongs to; a token that is not good ends nothing."""
        try:
            sid, _ = self._parse(token)
        except Unauthenticated:
            return
        await self._access.revoke({"_id": sid}, "logout")

    async def end_all(self, user_id: str, reason: str, *, but: str | None = None) -> None:
        """End a user's sessions, save the one named."""
        await self._access.revoke({"userId": user_id, "_id": {"$ne": but}}, reason)

    async def list(self, listing: Listing, *, by: Actor) -> Page:
        """Return the actor's own live sessions, the latest used first."""
        by.require_user()
        live = {"userId": by.id, "revokedAt": None, "endsAt": {"$gt": self._ground.clock.now()}}
        found = await page(self._docs, live, listing, default_sort="-lastUsedAt")
        shown = [s | {"current": s["_id"] == by.session_id} for s in found.items]
        return Page(shown, found.next, found.total)

    async def sweep(self) -> int:
        """Delete sessions that ended or were revoked a day ago or longer; return how many."""
        old = self._ground.clock.now() - timedelta(days=1)
        return await self._docs.delete_all(
            {"$or": [{"endsAt": {"$lt": old}}, {"revokedAt": {"$lt": old, "$ne": None}}]}
        )

    async def _live(self, sid: str) -> Document:
        held = await self._docs.get({"_id": sid})
        if held is None or held["revokedAt"] is not None or held["endsAt"] <= self._ground.clock.now():
            raise Unauthenticated
        return held

    async def _rotate(self, held: Document, token: str) -> str | None:
        """Put the successor in the token's place by one conditional update; None when another call was first."""
        now = self._ground.clock.now()
        successor = self._refresh_token(held["_id"], held["number"] + 1, self._tokens.successors(token)[0])
        fresh = [use for use in held["used"] if use["at"] > now - GRACE]
        change: dict[str, Any] = {
            "number": held["number"] + 1,
            "tokenHash": digest(successor),
            "used": [*fresh, {"hash": digest(token), "at": now}],
            "lastUsedAt": now,
            "endsAt": min(now + IDLE, held["endsAtMost"]),
        }
        guard = {"_id": held["_id"], "number": held["number"], "tokenHash": held["tokenHash"], "revokedAt": None}
        return successor if await self._docs.update(guard, {"$set": change}) else None

    async def _repeat(self, held: Document, token: str, number: int) -> str | None:
        """Answer a token that was used before: the newest of its family within the grace, the family's end after."""
        now, hashed = self._ground.clock.now(), digest(token)
        if any(use["hash"] == hashed and use["at"] > now - GRACE for use in held["used"]):
            return self._newest(held, token, number)
        if number < held["number"]:
            await self._access.revoke({"_id": held["_id"]}, "refresh_reused")
            raise Unauthenticated("refresh_reused", "That refresh token was used before: sign in anew.")
        raise Unauthenticated

    def _newest(self, held: Document, token: str, number: int) -> str | None:
        """Follow the chain of successors to the token whose hash is stored, under either key."""
        chain = [token]
        for step in range(number + 1, held["number"] + 1):
            # A process that still runs with the previous key has made its successors under that one.
            chain = [
                self._refresh_token(held["_id"], step, secret, key)
                for t in chain
                for secret, key in zip(self._tokens.successors(t), self._keys, strict=True)
            ]
            chain = chain[:64]
        return next((t for t in chain if same(digest(t), held["tokenHash"])), None)

    def _refresh_token(self, sid: str, number: int, secret: str, key: bytes | None = None) -> str:
        body = f"{sid}.{number}.{secret}"
        return f"{body}.{self._mac(key or self._keys[0], body)}"

    def _parse(self, token: str) -> tuple[str, int]:
        """Return session id and number of a refresh token that we made. Raises Unauthenticated."""
        body, _, mac = token.rpartition(".")
        if len(token) > 200 or not any(same(self._mac(key, body), mac) for key in self._keys):
            raise Unauthenticated
        sid, number, _ = body.split(".", 2)
        return sid, int(number)

    @staticmethod
    def _mac(key: bytes, body: str) -> str:
        return hmac.digest(key, body.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:_MAC_LENGTH]

    def _answer(self, user: Document, sid: str, refresh_token: str) -> Document:
        return {
            "user": user,
            "accessToken": self._tokens.access(user["_id"], sid, self._ground.clock.now()),
            "refreshToken": refresh_token,
            "tokenType": "Bearer",
            "expiresIn": ACCESS_SECONDS,
        }
