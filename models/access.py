"""Who stands behind a token, and how that knowledge is revoked.

MongoDB is the truth. A session's rights are cached in Redis beside the user's rate window, so that a
request costs one round trip; the cache carries a generation that every change raises, so a stale fill
cannot undo a revocation. Each process also reads the latest revocations from MongoDB every second
(`latest`), so that losing Redis opens nothing.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import orjson

from core.breaker import RedisAway
from core.errors import Unauthenticated
from core.events import ACCESS_CHANGED, SCREEN_REVOKED, SESSIONS_REVOKED, control
from core.limits import Cached, Window
from core.permissions import Actor
from core.tokens import ACCESS_SECONDS, Claims, Tokens, digest, same, screen_of
from models.base import Document, Ground

_FILL = (Path(__file__).parent / "access_fill.lua").read_text()
_DROP = (Path(__file__).parent / "access_drop.lua").read_text()
CACHE_MS = 60_000  # bounds how long a lost invalidation could matter; the poll closes it in a second anyway
REMEMBER_SECONDS = 1.0  # without Redis: how long this process trusts what it has just read
LOOK_BACK = timedelta(seconds=10)  # of the poll, before its last round: for clocks and slow commits
SCREEN: Literal["screen"] = "screen"


@dataclass(frozen=True, slots=True)
class Revoked:
    """What the poll found: ids of sessions and screens to be closed, of users whose rights have changed."""

    sessions: list[str]
    screens: list[str]
    users: list[str]


class Access:
    """Authenticates people and screens, counts them, and forgets them on revocation."""

    def __init__(self, ground: Ground, tokens: Tokens) -> None:
        self._ground = ground
        self._tokens = tokens
        self._sessions = ground.collection("sessions")
        self._users = ground.collection("users")
        self._workspaces = ground.collection("workspaces")
        self._screens = ground.collection("screens")
        self._revocations = ground.collection("revocations")
        self._fill = ground.redis.client.register_script(_FILL)
        self._drop = ground.redis.client.register_script(_DROP)
        self._denied: dict[str, float] = {}
        self._recent: dict[str, tuple[Document, float]] = {}
        self._polled_at: datetime | None = None
        self._told: dict[str, datetime] = {}

    async def admit(self, token: str, ip: str) -> tuple[Actor, Window]:
        """Return who `token` stands for and where they stand in their rate limit; counts one.

        Raises Unauthenticated for a token that is not (or no longer) good. The caller enforces the window, so
        that refusals carry its headers.
        """
        screen_id = screen_of(token)
        if screen_id is not None:
            return await self._admit_screen(token, screen_id, ip)
        return await self._admit_user(self._tokens.verify(token, self._ground.clock.now()), ip)

    async def refreshed(self, actor: Actor) -> Actor:
        """Return a person with the rights that they have now: for sockets, which outlive a role.

        Raises Unauthenticated when the session or the account has ended.
        """
        entry = await self._read_user(actor.id, actor.session_id)
        if not entry["live"]:
            raise Unauthenticated
        return replace(actor, server_role=entry["role"], workspaces=entry["workspaces"])

    async def _admit_user(self, claims: Claims, ip: str) -> tuple[Actor, Window]:
        if claims.session_id in self._denied:
            raise Unauthenticated
        window, cached = await self._ground.limits.admit("user", claims.user_id, claims.session_id)
        entry = await self._entry("user", claims.user_id, claims.session_id, cached)
        if not entry["live"]:
            raise Unauthenticated
        actor = Actor(
            "user",
            claims.user_id,
            claims.session_id,
            entry["role"],
            entry["workspaces"],
            claims.expires_at,
            ip,
        )
        return actor, window

    async def _admit_screen(self, token: str, screen_id: str, ip: str) -> tuple[Actor, Window]:
        window, cached = await self._ground.limits.admit(SCREEN, screen_id, "credential")
        entry = await self._entry(SCREEN, screen_id, "credential", cached)
        if not entry["live"] or not same(entry["hash"], digest(token)):
            # Whoever knows a screen's id must not be able to use up its window with made-up secrets.
            await self._ground.limits.count(SCREEN, screen_id, -1)
            raise Unauthenticated
        return Actor(SCREEN, screen_id, ip=ip), window

    async def _entry(self, kind: str, subject: str, field: str, cached: Cached) -> Document:
        """Return the cached entry, or read it from MongoDB and cache it where nothing was revoked meanwhile."""
        if cached.entry is not None:
            return dict(orjson.loads(cached.entry))
        key, now = f"{kind}:{subject}:{field}", self._ground.clock.monotonic()
        if cached.generation is None:
            entry, until = self._recent.get(key, ({}, 0.0))
            if until > now:
                return entry
        entry = await (self._read_screen(subject) if kind == SCREEN else self._read_user(subject, field))
        if cached.generation is None:
            self._remember(key, entry, now)
        else:
            await self._cache(kind, subject, field, entry, cached.generation)
        return entry

    async def _read_user(self, user_id: str, session_id: str) -> Document:
        session, user, workspaces = await asyncio.gather(
            self._sessions.get({"_id": session_id, "userId": user_id}),
            self._users.get({"_id": user_id}, projection={"role": 1, "disabled": 1, "deletedAt": 1}),
            self._workspaces.find({"members.userId": user_id}, projection={"members.$": 1}),
        )
        live = session is not None and session["revokedAt"] is None and session["endsAt"] > self._ground.clock.now()
        if not live or user is None or user["disabled"] or user.get("deletedAt"):
            return {"live": False}
        roles = {w["_id"]: w["members"][0]["role"] for w in workspaces}
        return {"live": True, "role": user["role"], "workspaces": roles}

    async def _read_screen(self, screen_id: str) -> Document:
        screen = await self._screens.get({"_id": screen_id}, projection={"credentialHash": 1})
        if screen is None or not screen.get("credentialHash"):
            return {"live": False}
        return {"live": True, "hash": screen["credentialHash"]}

    def _remember(self, key: str, entry: Document, now: float) -> None:
        if len(self._recent) > 10_000:
            self._recent = {k: v for k, v in self._recent.items() if v[1] > now}
        self._recent[key] = (entry, now + REMEMBER_SECONDS)

    async def _cache(self, kind: str, subject: str, field: str, entry: Document, generation: str) -> None:
        keys = self._ground.limits.session_keys(subject, kind)
        args: list[str | bytes | int] = [field, orjson.dumps(entry), generation, CACHE_MS]
        try:
            await self._ground.redis.run(lambda client: self._fill(keys=keys, args=args, client=client))
        except RedisAway:
            return  # the next request reads MongoDB again

    # --- revocation -------------------------------------------------------------------------------------------------

    async def forget(self, subject: str, kind: str = "user") -> None:
        """Drop what is cached of a user or screen, and refuse fills that were read before now."""
        self._recent.clear()
        keys = self._ground.limits.session_keys(subject, kind)
        try:
            await self._ground.redis.run(lambda client: self._drop(keys=keys, client=client))
        except RedisAway:
            return  # every process hears of it within a second from MongoDB

    async def revoke(self, query: Document, reason: str) -> list[str]:
        """End the sessions that match `query` in every process, and return their ids."""
        query = {**query, "revokedAt": None}
        ids = [s["_id"] for s in await self._sessions.find(query, projection={"userId": 1})]
        if not ids:
            return []
        now = self._ground.clock.now()
        chosen = {"_id": {"$in": ids}, "revokedAt": None}
        await self._sessions.update_all(chosen, {"$set": {"revokedAt": now, "revokedFor": reason}})
        for user_id in {s["userId"] for s in await self._sessions.find({"_id": {"$in": ids}})}:
            await self.forget(user_id)
        self._deny(ids)
        await self._ground.events.publish([control(SESSIONS_REVOKED, sessionIds=ids)])
        return ids

    async def revoke_screen(self, screen_id: str) -> None:
        """End a screen's credential in every process; the screen document has lost or changed its hash already."""
        now = self._ground.clock.now()
        await self._revocations.update({"_id": f"screen:{screen_id}"}, {"$set": {"at": now}}, upsert=True)
        await self.forget(screen_id, SCREEN)
        await self._ground.events.publish([control(SCREEN_REVOKED, screenId=screen_id)])

    async def changed(self, *user_ids: str) -> None:
        """Make changed roles or memberships act from the next call on, and sockets look again."""
        now = self._ground.clock.now()
        for user_id in user_ids:
            await self._revocations.update({"_id": f"user:{user_id}"}, {"$set": {"at": now}}, upsert=True)
            await self.forget(user_id)
            await self._ground.events.publish([control(ACCESS_CHANGED, userId=user_id)])

    async def latest(self) -> Revoked:
        """Return what was revoked since the last call (at the first one: in the life of an access token).

        For a job that runs every second in each process, which closes what this names. Each revocation is named
        once, however often it is read: the last seconds are read again and again, for clocks and slow commits.
        """
        now = self._ground.clock.now()
        since = now - timedelta(seconds=ACCESS_SECONDS) if self._polled_at is None else self._polled_at - LOOK_BACK
        sessions, others = await asyncio.gather(
            self._sessions.find({"revokedAt": {"$gte": since}}, projection={"revokedAt": 1}),
            self._revocations.find({"at": {"$gte": since}}),
        )
        found = {f"session:{s['_id']}": s["revokedAt"] for s in sessions} | {o["_id"]: o["at"] for o in others}
        fresh = [each for each, at in found.items() if self._told.get(each) != at]
        subjects: dict[str, list[str]] = {"session": [], "user": [], SCREEN: []}
        for each in fresh:
            kind, _, subject = each.partition(":")
            subjects[kind].append(subject)
        self._polled_at, self._told = now, found
        self._deny(subjects["session"])
        if fresh:
            self._recent.clear()
        return Revoked(subjects["session"], subjects[SCREEN], subjects["user"])

    def _deny(self, session_ids: list[str]) -> None:
        """Refuse these sessions in this process until their access tokens have ended by themselves."""
        now = self._ground.clock.monotonic()
        for session_id in session_ids:
            self._denied.setdefault(session_id, now + ACCESS_SECONDS + 60)
        if len(self._denied) > 1000:
            self._denied = {k: until for k, until in self._denied.items() if until > now}


def role_in(workspace: Document, user_id: str) -> Any:
    """Return a user's role in a workspace document, or None."""
    return next((m["role"] for m in workspace["members"] if m["userId"] == user_id), None)
