"""What Redis knows of screens between two writes to MongoDB: who is alive, since when, and what is on.

Each screen lies in one of BUCKETS buckets. A bucket has a sorted set of leases (score: when the lease ends, in
milliseconds), a hash of what the last beat said, and a hash of what is playing, which not every beat says. All
of it may vanish: then beats write to MongoDB (models/beats.py) and the detector waits (models/absences.py).
Every method raises RedisAway.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import orjson

from core.breaker import Breaker
from core.clock import rfc3339
from core.gather import Gather

BUCKETS = 4  # enough to spread over a cluster's nodes; each costs a command in every pipeline
LEASES, LIVE, PLAYING = "leases", "live", "playing"
_EPOCH = datetime.fromtimestamp(0, UTC)
_MOST_ASKED = 16  # lists that are read together: 1,600 screens at most, 2 ms of Redis' time

Playing = dict[str, Any]  # {"itemId", "mediaId", "startedAt"}


class Live(NamedTuple):
    """What is known of one screen. `said` tells whether it ever said what it plays; `playing` is null for nothing."""

    last_seen_at: datetime
    metrics: Mapping[str, float]
    said: bool
    playing: Playing | None


@dataclass(frozen=True, slots=True)
class Beaten:
    """One screen's beat as it is kept. `playing` counts only where it was `said`."""

    screen_id: str
    metrics: Mapping[str, float]
    said: bool
    playing: Playing | None


class Leases:
    """The only reader and writer of these keys."""

    def __init__(self, redis: Breaker, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._asked: Gather[Sequence[str], Mapping[str, Live]] = Gather(self._read, most=_MOST_ASKED)

    def _key(self, bucket: int, what: str) -> str:
        return f"{self._prefix}:{{beats:{bucket}}}:{what}"

    async def renew(self, beats: Sequence[Beaten], now: datetime, life: timedelta) -> dict[str, Playing | None]:
        """Keep `beats`, which came at `now`, and renew their leases, all in one round trip.

        Returns what those that said what they play had said before; one that had said nothing is not in it.
        """
        buckets = _spread([beat.screen_id for beat in beats])
        by_id = {beat.screen_id: beat for beat in beats}
        ends, at = milliseconds(now + life), milliseconds(now)

        async def work(client: Any) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            for bucket, ids in buckets:
                said = [one for one in ids if by_id[one].said]
                if said:
                    pipe.hmget(self._key(bucket, PLAYING), said)
                    pipe.hset(self._key(bucket, PLAYING), mapping={one: _pack(by_id[one].playing) for one in said})
                pipe.zadd(self._key(bucket, LEASES), dict.fromkeys(ids, ends))
                kept = {one: orjson.dumps([at, dict(by_id[one].metrics)]) for one in ids}
                pipe.hset(self._key(bucket, LIVE), mapping=kept)
            return list(await pipe.execute())

        answers = iter(await self._redis.run(work))
        before: dict[str, Playing | None] = {}
        for _, ids in buckets:
            said = [one for one in ids if by_id[one].said]
            if said:
                before |= {one: _unpack(raw) for one, raw in zip(said, next(answers), strict=True) if raw is not None}
                next(answers)
            next(answers), next(answers)
        return before

    async def read(self, screen_ids: Sequence[str]) -> Mapping[str, Live]:
        """Return what is known of these screens; those that never beat are not in it.

        Those who ask while others are answered are asked for together: what they get, which may have screens of the
        others too, was read after they asked.
        """
        return await self._asked.add(screen_ids) if screen_ids else {}

    async def _read(self, asked: Sequence[Sequence[str]]) -> list[Mapping[str, Live]]:
        """Return what is known of all the screens that are asked for, once for each question."""
        buckets = _spread(dict.fromkeys(one for screen_ids in asked for one in screen_ids))

        async def work(client: Any) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            for bucket, ids in buckets:
                fields = [one.encode() for one in ids]  # once for both commands; the client takes longer
                pipe.hmget(self._key(bucket, LIVE), fields)
                pipe.hmget(self._key(bucket, PLAYING), fields)
            return list(await pipe.execute())

        answers = iter(await self._redis.run(work))
        found: dict[str, Live] = {}
        for _, ids in buckets:
            for one, live, playing in zip(ids, next(answers), next(answers), strict=True):
                if live is not None:
                    found[one] = _live(live, playing)
        return [found] * len(asked)

    async def everything(self, since: datetime) -> dict[str, Live]:
        """Return all that is known of screens that have beaten after `since`."""
        found: dict[str, Live] = {}
        for bucket in range(BUCKETS):
            live, playing = await self._redis.run(partial(self._bucket, bucket))
            known = {one.decode(): _live(raw, playing.get(one)) for one, raw in live.items()}
            found |= {one: each for one, each in known.items() if each.last_seen_at > since}
        return found

    async def _bucket(self, bucket: int, client: Any) -> list[Any]:
        pipe = client.pipeline(transaction=False)
        pipe.hgetall(self._key(bucket, LIVE))
        pipe.hgetall(self._key(bucket, PLAYING))
        return list(await pipe.execute())

    async def expired(self, now: datetime) -> list[str]:
        """Return the screens whose lease had ended by `now`."""
        return [one.decode() for found in await self._all("zrangebyscore", "-inf", milliseconds(now)) for one in found]

    async def drop_expired(self, now: datetime) -> None:
        """Forget leases that had ended by `now`; one that was renewed meanwhile stays."""
        await self._all("zremrangebyscore", "-inf", milliseconds(now))

    async def _all(self, command: str, *arguments: Any) -> list[Any]:
        """Run `command` on every bucket's leases."""

        async def work(client: Any) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            for bucket in range(BUCKETS):
                getattr(pipe, command)(self._key(bucket, LEASES), *arguments)
            return list(await pipe.execute())

        return await self._redis.run(work)

    async def held(self, screen_ids: Iterable[str], now: datetime) -> set[str]:
        """Return which of these screens hold a lease that has not ended."""
        buckets = _spread(screen_ids)

        async def work(client: Any) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            for bucket, ids in buckets:
                pipe.zmscore(self._key(bucket, LEASES), ids)
            return list(await pipe.execute())

        answers = await self._redis.run(work) if buckets else []
        ended = milliseconds(now)
        return {
            one
            for (_, ids), scores in zip(buckets, answers, strict=True)
            for one, score in zip(ids, scores, strict=True)
            if score is not None and score > ended
        }

    async def forget(self, screen_ids: Iterable[str]) -> None:
        """Forget these screens: they are gone, or another display stands in their place."""
        buckets = _spread(screen_ids)

        async def work(client: Any) -> None:
            pipe = client.pipeline(transaction=False)
            for bucket, ids in buckets:
                pipe.zrem(self._key(bucket, LEASES), *ids)
                pipe.hdel(self._key(bucket, LIVE), *ids)
                pipe.hdel(self._key(bucket, PLAYING), *ids)
            await pipe.execute()

        if buckets:
            await self._redis.run(work)


def milliseconds(moment: datetime) -> int:
    """Return whole milliseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _spread(screen_ids: Iterable[str]) -> list[tuple[int, list[str]]]:
    """Sort ids into their buckets; empty ones are left out."""
    buckets: dict[int, list[str]] = {}
    for one in screen_ids:
        buckets.setdefault(zlib.crc32(one.encode()) % BUCKETS, []).append(one)
    return list(buckets.items())


def _pack(playing: Playing | None) -> bytes:
    return orjson.dumps(playing, default=rfc3339, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _unpack(raw: bytes) -> Playing | None:
    playing: Playing | None = orjson.loads(raw)
    if playing is not None and playing["startedAt"] is not None:
        playing["startedAt"] = datetime.fromisoformat(playing["startedAt"])  # as `_pack` wrote it
    return playing


def _live(raw: bytes, playing: bytes | None) -> Live:
    at, metrics = orjson.loads(raw)
    moment = _EPOCH + timedelta(milliseconds=at)
    return Live(moment, metrics, playing is not None, None if playing is None else _unpack(playing))
