"""Heartbeats: how every screen tells that it lives and what it shows, and learns what it should show.

Beats are answered in batches, at most 250 ms apart: a batch renews the leases in Redis in one round trip,
then asks MongoDB once each for screens, playlists and emergencies, and writes only what has changed. The
time of the last beat and what is playing reach MongoDB once a minute (`flush`), or with each batch while
Redis is away, so that the detector (models/absences.py) is right either way.
"""

import asyncio
import contextvars
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from pymongo import UpdateOne

from core.breaker import RedisAway
from core.errors import Problem, Unauthenticated
from core.events import Event, announce, workspace_channel
from models.base import Document, Ground
from models.leases import Beaten, Leases, Playing
from models.revisions import SCREEN_FIELDS, Revisions
from models.statuses import Change, Statuses

log = structlog.get_logger("marquee.screens")

MISSED = 3  # beats, after which a screen counts as offline
SLACK = 0.2  # of a beat: the third may come late by jitter and by the batch that it waits for
GATHER_SECONDS = 0.02  # a lone beat waits no longer than this for others
APART_SECONDS = 0.25  # between the starts of two batches under load: 150 of 9,000 screens beat in this time
_MARGIN = timedelta(seconds=5)  # between two processes' clocks, and for a beat that is kept while `flush` reads
_MOST = 1000  # screens in one batch: a mass reconnect is answered in turns
_READ = dict.fromkeys(
    (
        *SCREEN_FIELDS,
        "pairedAt",
        "revision",
        "appliedRevision",
        "emergencyId",
        "status",
        "statusReason",
        "nowPlaying",
        "player",
    ),
    1,
)


def lease_life(heartbeat_seconds: int) -> timedelta:
    """Return how long a beat counts."""
    return timedelta(seconds=(MISSED + SLACK) * heartbeat_seconds)


@dataclass(slots=True)
class _Asked:
    """What waits for the next batch about one screen: its beat if there was one, and who wants the revision."""

    beat: Document | None = None
    player: Document = field(default_factory=dict)
    waiting: list["asyncio.Future[str]"] = field(default_factory=list)

    def answer(self, revision: str | None, problem: Exception | None = None) -> None:
        for future in self.waiting:
            if future.done():
                continue
            if problem is not None:
                future.set_exception(problem)
            else:
                future.set_result(revision or "")


class Beats:
    """Takes heartbeats. One object a process; any process may take any screen's."""

    def __init__(self, ground: Ground, leases: Leases, revisions: Revisions, statuses: Statuses) -> None:
        self._ground = ground
        self._screens = ground.collection("screens")
        self._leases = leases
        self._revisions = revisions
        self._statuses = statuses
        self._life = lease_life(ground.settings.screen_heartbeat_seconds)
        self._asked: dict[str, _Asked] = {}
        self._turn: asyncio.Task[None] | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._began = 0.0
        self._flushed = datetime.fromtimestamp(0, tz=ground.clock.now().tzinfo)

    async def beat(
        self, screen_id: str, beat: Mapping[str, object], *, user_agent: str | None = None, ip: str | None = None
    ) -> str:
        """Take a heartbeat and return the revision that the screen should show, by the documents as they stand.

        `beat` is `{status?, reason?, appliedRevision?, emergencyId?, nowPlaying?, metrics?}`: without `status` the
        screen is well, all else that is absent stays as it was. Raises Unauthenticated when the screen is gone.
        """
        self._ground.metrics.beats.inc()
        return await self._ask(screen_id, {"status": "online", "reason": None, **beat}, user_agent, ip)

    async def connected(self, screen_id: str, connection_id: str, *, user_agent: str, ip: str) -> str:
        """Note where a screen connects from, and return the wanted revision. Its first beat makes it online."""
        revision = await self._ask(screen_id, None, user_agent, ip)
        log.info("screen.connected", screen=screen_id, connection=connection_id)
        return revision

    async def disconnected(self, screen_id: str, connection_id: str) -> None:
        """Note that a connection has ended. The lease decides when that makes the screen offline, if it does."""
        log.info("screen.disconnected", screen=screen_id, connection=connection_id)

    async def _ask(self, screen_id: str, beat: Document | None, user_agent: str | None, ip: str | None) -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asked = self._asked.setdefault(screen_id, _Asked())
        if beat is not None:
            asked.beat = {**(asked.beat or {}), **beat}
        asked.player |= {k: v for k, v in (("userAgent", user_agent), ("ip", ip)) if v}
        asked.waiting.append(future)
        if self._turn is None:
            # In a context of its own: it serves others too, whose ids must not follow this request's seed.
            self._turn = asyncio.create_task(self._take_turns(), context=contextvars.Context())
        return await future

    async def _take_turns(self) -> None:
        """Start batch after batch until nobody waits; one that a slow store holds up does not hold up the next."""
        clock = self._ground.clock
        try:
            while self._asked:
                await asyncio.sleep(max(GATHER_SECONDS, self._began + APART_SECONDS - clock.monotonic()))
                self._began = clock.monotonic()
                batch = dict(list(self._asked.items())[:_MOST])
                for screen_id in batch:
                    del self._asked[screen_id]
                task = asyncio.create_task(self._serve(batch))
                self._serving.add(task)
                task.add_done_callback(self._serving.discard)
        finally:
            self._turn = None

    async def _serve(self, batch: dict[str, _Asked]) -> None:
        """Answer one batch; whatever goes wrong is the answer."""
        try:
            revisions = await self._answers(batch)
        except Exception as e:
            if not isinstance(e, Problem):
                log.exception("beats.failed")
            for asked in batch.values():
                asked.answer(None, e if isinstance(e, Problem) else Problem())
            return
        for screen_id, asked in batch.items():
            revision = revisions.get(screen_id)
            asked.answer(revision, None if revision else Unauthenticated(detail="This screen is gone: pair anew."))

    async def _answers(self, batch: dict[str, _Asked]) -> dict[str, str]:
        """Keep the batch and return the wanted revisions by screen.

        Redis comes first: a lease that is renewed before MongoDB is read cannot be overlooked by the detector,
        which looks at the leases again after it has written (models/absences.py).
        """
        now = self._ground.clock.now()
        before = await self._renew(batch, now)
        query = {"_id": {"$in": list(batch)}}
        screens = await self._screens.find(query, projection=_READ)
        wanted = dict(zip((s["_id"] for s in screens), await self._revisions.wanted(screens), strict=True))
        gone = [one for one in batch if one not in wanted]
        if gone and before is not None:
            await self._leases.forget(gone)
        writer = _Writer(now, before)
        for screen in screens:
            writer.compare(screen, batch[screen["_id"]], wanted[screen["_id"]])
        await self._screens.bulk(writer.updates)
        stale = [s["_id"] for s in screens if s["revision"] != wanted[s["_id"]]]
        if stale:
            await self._revisions.refresh({"_id": {"$in": stale}})
        events = await self._statuses.record(writer.changes)
        if events or writer.events:
            await self._ground.events.publish([*events, *writer.events])
        return wanted

    async def _renew(self, batch: dict[str, _Asked], now: datetime) -> dict[str, Playing | None] | None:
        """Renew the leases; return what was playing before, or None when Redis is away."""
        beats = [
            Beaten(one, asked.beat.get("metrics") or {}, "nowPlaying" in asked.beat, asked.beat.get("nowPlaying"))
            for one, asked in batch.items()
            if asked.beat is not None
        ]
        try:
            return await self._leases.renew(beats, now, self._life) if beats else {}
        except RedisAway:
            return None

    async def flush(self, now: datetime) -> int:
        """Write to MongoDB when screens were last seen and what they play; return how many. For the job."""
        try:
            found = await self._leases.everything(self._flushed)
        except RedisAway:
            return 0  # then every batch writes it
        updates = []
        for one, live in found.items():
            change: Document = {"$max": {"lastSeenAt": live.last_seen_at}}
            if live.said:
                change["$set"] = {"nowPlaying": live.playing}
            # Not where new hardware has come since that beat: it was the old one's.
            updates.append(UpdateOne({"_id": one, "pairedAt": {"$lte": live.last_seen_at}}, change))
        for start in range(0, len(updates), 500):
            await self._screens.bulk(updates[start : start + 500])
        self._flushed = now - _MARGIN
        return len(updates)


class _Writer:
    """Compares a batch's beats with the screens as they are stored: what to write, and what to tell."""

    def __init__(self, now: datetime, before: dict[str, Playing | None] | None) -> None:
        self._now = now
        self._before = before
        self.updates: list[UpdateOne] = []
        self.changes: list[Change] = []
        self.events: list[Event] = []

    def compare(self, screen: Document, asked: _Asked, wanted: str) -> None:
        """Take one screen and what it said; `wanted` is the revision that it should show."""
        beat = asked.beat
        changes = {f"player.{name}": v for name, v in asked.player.items() if screen["player"].get(name) != v}
        if beat is not None:
            changes |= self._reported(screen, beat)
            if self._before is None:
                changes |= {"lastSeenAt": self._now}
                changes |= {"nowPlaying": beat["nowPlaying"]} if "nowPlaying" in beat else {}
            self._tell_sync(screen, changes, wanted)
            self._tell_playing(screen, beat)
        if changes:
            self.updates.append(_update(screen, changes))

    def _reported(self, screen: Document, beat: Document) -> Document:
        """Return what of a beat differs from the screen; a new status joins the history."""
        told = {name: beat[name] for name in ("appliedRevision", "emergencyId") if name in beat}
        changes: Document = {name: value for name, value in told.items() if screen[name] != value}
        status, reason = beat["status"], beat["reason"]
        if (screen["status"], screen["statusReason"]) != (status, reason):
            changes |= {"status": status, "statusReason": reason, "lastSeenAt": self._now}
            self.changes.append(Change(screen["_id"], screen["workspaceId"], status, reason, self._now, self._now))
        return changes

    def _tell_sync(self, screen: Document, changes: Document, wanted: str) -> None:
        if "appliedRevision" not in changes:
            return
        applied = changes["appliedRevision"]
        data = {"screenId": screen["_id"], "revision": wanted, "appliedRevision": applied, "inSync": applied == wanted}
        self.events.append(announce("screen.sync", workspace_channel(screen["workspaceId"]), data))

    def _tell_playing(self, screen: Document, beat: Document) -> None:
        if "nowPlaying" not in beat:
            return
        before = (self._before or {}).get(screen["_id"], screen["nowPlaying"])
        if before != beat["nowPlaying"]:
            data = {"screenId": screen["_id"], "nowPlaying": beat["nowPlaying"]}
            self.events.append(announce("screen.playing", workspace_channel(screen["workspaceId"]), data))


def _update(screen: Document, changes: Document) -> UpdateOne:
    """Return the write of `changes` with `inSync` after them. Values are literal: a reason may start with `$`.

    It writes nothing to a screen that was given to new hardware since it was read: the beat was the old one's.
    """
    literal = {name: {"$literal": value} for name, value in changes.items()}
    steps = [{"$set": literal}, {"$set": {"inSync": {"$eq": ["$appliedRevision", "$revision"]}}}]
    return UpdateOne({"_id": screen["_id"], "pairedAt": screen["pairedAt"]}, steps)
