"""How the system has been: `processes`, each process by itself, and `health`, all of it, a document a minute.

    processes  {_id, host, pid, startedAt, at, leads, rssBytes, connections: {kind: n}, loopLagMs,
                mongodbMs|null, redisMs|null}
    health     {_id: the minute, at, screens: {status: n}, processes: [as above]}

What is hours old goes from the first, what is a week old from the second (models/indexes.py).
"""

from datetime import datetime, timedelta

from core.resources import SCREEN_STATUSES
from models.base import Document, Ground

ALIVE = timedelta(seconds=60)  # a process reports every 15 s


class HealthLog:
    """Every read and write of both collections."""

    def __init__(self, ground: Ground) -> None:
        self._processes = ground.collection("processes")
        self._health = ground.collection("health")
        self._screens = ground.collection("screens")

    async def report(self, process: Document) -> None:
        """Keep what a process says of itself in place of what it said before."""
        said = {name: value for name, value in process.items() if name != "_id"}
        await self._processes.update({"_id": process["_id"]}, {"$set": said}, upsert=True)

    async def record(self, now: datetime) -> Document:
        """Write the state of the whole system as this minute's, and return it.

        Whoever comes last in a minute is right: two leaders at once write the same.
        """
        record = {
            "at": now,
            "screens": await self.count_screens(),
            "processes": await self._processes.find({"at": {"$gt": now - ALIVE}}, sort=[("startedAt", 1)]),
        }
        minute = f"{now:%Y-%m-%dT%H:%MZ}"
        await self._health.update({"_id": minute}, {"$set": record}, upsert=True)
        return {"_id": minute, **record}

    async def count_screens(self) -> dict[str, int]:
        """Return how many screens of the whole server have each status; every status is named."""
        found = await self._screens.aggregate(
            [
                {"$match": {"status": {"$in": list(SCREEN_STATUSES)}}},  # so that an index alone answers
                {"$group": {"_id": "$status", "count": {"$sum": 1}}},
            ]
        )
        return dict.fromkeys(SCREEN_STATUSES, 0) | {each["_id"]: each["count"] for each in found}
