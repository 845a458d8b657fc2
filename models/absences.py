"""Who has gone silent: the offline detector.

A screen is offline when its lease has ended (models/leases.py), or when MongoDB calls it online and it holds
no lease for a whole lease's time after that was noticed first: so after Redis was emptied or away nobody is
marked who is still there to beat. This process marks nobody before it has itself run for a lease's time with a
MongoDB that answers, which it asks each second: so neither does a restart, nor a store that refused the beats.
MongoDB's `lastSeenAt` must agree in either case; it is never ahead of the truth, and beats keep it while Redis is
away. A screen that never beat is `connecting`, and never goes offline.
"""

import asyncio
from collections.abc import Collection as Some
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf

from pymongo import UpdateOne

from core.breaker import RedisAway
from core.clock import new_id
from core.errors import Unavailable
from models.base import Document, Ground
from models.beats import MISSED, lease_life
from models.leases import Leases, Live
from models.statuses import Change, Statuses

ALIVE = ["online", "error"]
_BATCH = 500
_AGAIN_SECONDS = 5.0  # within which a second slow answer, asked for after the first, makes more than a hiccup of both
_MUCH = 3  # times slow: more than a hiccup at once


class Absences:
    """Marks screens offline. For a job that runs each second or so in one process; two at once do no harm.

    Every process watches MongoDB meanwhile, for any may be the next to mark. A beat takes six steps there at most, in
    4.3 s together (core/deadline.py): of a MongoDB that needs `slow_seconds` for one and for the next, beats may be
    refused. One slow answer alone is a hiccup, perhaps of this process: were nobody marked for a lease's time after
    each of these, a busy server would hardly ever say that a screen is gone.
    """

    slow_seconds = 0.5

    def __init__(self, ground: Ground, leases: Leases, statuses: Statuses) -> None:
        self._ground = ground
        self._screens = ground.collection("screens")
        self._leases = leases
        self._statuses = statuses
        self._beat_seconds = ground.settings.screen_heartbeat_seconds
        self._life = lease_life(self._beat_seconds)
        self._began = self._searched = ground.clock.monotonic()
        self._slow = -inf  # when a slow answer came last
        self._missing: dict[str, float] = {}
        ground.metrics.offline_held_seconds.set_function(self.held_seconds)

    def held_seconds(self) -> float:
        """Return for how long nobody is marked from now on."""
        return max(0.0, self._began + self._life.total_seconds() - self._ground.clock.monotonic())

    async def mark_offline(self, now: datetime) -> int:
        """Mark the screens that have gone silent by `now`; return how many.

        Where MongoDB does not answer, beats are refused too: nobody is marked for a lease's time after that.
        """
        await self.watch(now)  # also where nobody is due: an outage counts against those who will be
        try:
            return await self._look(now)
        except (Unavailable, asyncio.CancelledError):  # the second is the job's own limit
            self._began = self._ground.clock.monotonic()
            raise

    async def watch(self, _now: datetime) -> None:
        """Notice a MongoDB that does not answer, or slowly. For a job that runs each second, in each process.

        Raises Unavailable.
        """
        asked = self._ground.clock.monotonic()
        took = inf
        try:
            await self._screens.get({"_id": ""}, projection={"_id": 1})
            took = self._ground.clock.monotonic() - asked
        finally:
            if took >= self.slow_seconds:
                again = self._slow <= asked < self._slow + _AGAIN_SECONDS
                self._slow = self._ground.clock.monotonic()
                if again or took >= _MUCH * self.slow_seconds:
                    self._began = self._slow

    async def _look(self, now: datetime) -> int:
        passed = self._ground.clock.monotonic()
        if self.held_seconds() > 0:
            return 0
        due = await self._expired(now)
        if passed - self._searched >= self._beat_seconds:
            self._searched = passed
            await self._search(now, passed)
        due += [one for one, since in self._missing.items() if passed - since >= self._life.total_seconds()]
        marked = 0
        for start in range(0, len(due), _BATCH):
            marked += await self._mark(due[start : start + _BATCH], now)
        for one in due:
            self._missing.pop(one, None)
        await self._forget_expired(now)
        return marked

    async def _expired(self, now: datetime) -> list[str]:
        try:
            return await self._leases.expired(now)
        except RedisAway:
            return []

    async def _forget_expired(self, now: datetime) -> None:
        try:
            await self._leases.drop_expired(now)
        except RedisAway:
            return  # they are looked at once more

    async def _search(self, now: datetime, passed: float) -> None:
        """Note which screens MongoDB calls alive, though it has not heard of them lately and they hold no lease.

        MongoDB hears of a living screen once a minute, so some of those not heard of are asked for in Redis.
        """
        silent = {"status": {"$in": ALIVE}, "lastSeenAt": {"$lte": now - self._life}}
        ids = [screen["_id"] for screen in await self._screens.find(silent, projection={"_id": 1})]
        held = await self._held(ids, now)
        self._missing = {one: self._missing.get(one, passed) for one in ids if one not in held}

    async def _held(self, ids: Some[str], now: datetime) -> set[str]:
        """Return which of `ids` hold a lease; nobody does while Redis is away."""
        try:
            return await self._leases.held(ids, now)
        except RedisAway:
            return set()

    async def _mark(self, ids: Sequence[str], now: datetime) -> int:
        """Mark those of `ids` that are silent indeed, and tell of them.

        A beat may come at the same moment. It renews the lease before it reads the status, and the leases are
        looked at again here after the status was written: so one of the two sees the other. So may another
        process's detector, which leads too while Redis is away: each screen is told of by the one that marked it.
        """
        live = await self._live(ids)
        alive = {"_id": {"$in": list(ids)}, "status": {"$in": ALIVE}}
        fields = dict.fromkeys(("workspaceId", "status", "statusReason", "lastSeenAt"), 1)
        screens = [
            screen | {"lastSeenAt": seen}
            for screen in await self._screens.find(alive, projection=fields)
            if (seen := _last_seen(screen, live)) <= now - self._life
        ]
        reason = f"No heartbeat for {MISSED * self._beat_seconds} s."
        mark = new_id()
        await self._screens.bulk([_going(screen, reason, mark) for screen in screens])
        ours = await self._screens.find({"_id": {"$in": list(ids)}, "offlineBy": mark}, projection={"_id": 1})
        marked = {screen["_id"] for screen in ours}
        screens = [screen for screen in screens if screen["_id"] in marked]
        back = await self._held([screen["_id"] for screen in screens], self._ground.clock.now())
        await self._screens.bulk([_coming_back(screen, reason) for screen in screens if screen["_id"] in back])
        gone = [screen for screen in screens if screen["_id"] not in back]
        changes = [
            Change(screen["_id"], screen["workspaceId"], "offline", reason, screen["lastSeenAt"], now)
            for screen in gone
        ]
        events = await self._statuses.record(changes)
        if events:
            await self._ground.events.publish(events)
        return len(gone)

    async def _live(self, ids: Sequence[str]) -> Mapping[str, Live]:
        try:
            return await self._leases.read(ids)
        except RedisAway:
            return {}


def _last_seen(screen: Document, live: Mapping[str, Live]) -> datetime:
    """Return when a screen was last seen, by whichever store knows better."""
    stored: datetime = screen["lastSeenAt"]
    known = live.get(screen["_id"])
    return stored if known is None else max(stored, known.last_seen_at)


def _going(screen: Document, reason: str, mark: str) -> UpdateOne:
    change = {"status": "offline", "statusReason": reason, "lastSeenAt": screen["lastSeenAt"], "offlineBy": mark}
    return UpdateOne({"_id": screen["_id"], "status": screen["status"]}, {"$set": change})


def _coming_back(screen: Document, reason: str) -> UpdateOne:
    change = {"status": screen["status"], "statusReason": screen["statusReason"]}
    return UpdateOne({"_id": screen["_id"], "status": "offline", "statusReason": reason}, {"$set": change})
