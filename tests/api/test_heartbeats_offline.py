"""The offline detector: who has gone silent, and who has not whatever became of Redis or of the server."""

import asyncio
from datetime import timedelta

import pytest

from core.breaker import RedisAway, connect
from models.beats import lease_life
from models.leases import Beaten
from tests.api.displays import pair, screen
from tests.api.stock import told

pytestmark = pytest.mark.usefixtures("jobs_by_hand")

LIFE = 3.2 * 15  # seconds that a beat counts for, at 15 s a beat


class Time:
    """The clock of one server, which is put forward by hand: both what it says and what it measures."""

    def __init__(self, marquee):
        self.clock = marquee.clock
        self._now, self._monotonic = self.clock.now, self.clock.monotonic
        self.ahead = 0.0
        self.clock.monotonic = lambda: self._monotonic() + self.ahead
        marquee.stores.absences.slow_seconds = 60  # a busy machine is no sick store

    def stand_still(self):
        """Let no time pass but by hand, for what has to be seen in the few seconds before a lease ends."""
        now, monotonic = self.clock.now(), self.clock.monotonic()
        self._now, self._monotonic = lambda: now, lambda: monotonic

    def pass_(self, seconds):
        self.ahead += seconds
        self.clock.now = lambda: self._now() + timedelta(seconds=self.ahead)


@pytest.fixture
def passing(marquee):
    return Time(marquee)


@pytest.fixture
def look(marquee):
    """Run the detector as its job does, and return how many it marked."""

    async def run():
        return await marquee.stores.absences.mark_offline(marquee.clock.now())

    return run


async def status(api, person, made):
    return (await screen(api, person, made["id"]))["status"]


async def test_a_screen_that_misses_three_beats_goes_offline_and_comes_back(
    api, editor, workspace, passing, look, heard
):
    display, made = await pair(api, editor, workspace)
    passing.stand_still()
    passing.pass_(LIFE)
    last = (await display.beat())["serverTime"]
    passing.pass_(45)
    assert (await look(), await status(api, editor, made)) == (0, "online")
    heard.clear()
    passing.pass_(4)
    assert (await look(), await status(api, editor, made)) == (1, "offline")
    assert await look() == 0

    shown = await screen(api, editor, made["id"])
    assert shown["statusReason"] == "No heartbeat for 45 s."
    assert shown["lastSeenAt"] <= last
    (event,) = told(heard, "screen.status")
    assert event[2] | {"lastSeenAt": None} == {
        "screenId": made["id"],
        "status": "offline",
        "reason": "No heartbeat for 45 s.",
        "lastSeenAt": None,
    }
    passing.pass_(1)
    await display.beat()
    assert (await screen(api, editor, made["id"]))["statusReason"] is None
    listed = (await api.get(f"/api/screens/{made['id']}/history", as_=editor)).json["items"]
    assert [change["status"] for change in listed] == ["online", "offline", "online"]


async def test_a_screen_in_error_goes_offline_too(api, editor, workspace, passing, look):
    display, made = await pair(api, editor, workspace)
    await display.beat(status="error", reason="hot")
    passing.pass_(60)
    assert (await look(), await status(api, editor, made)) == (1, "offline")


async def test_a_screen_that_never_beat_never_goes_offline(api, editor, workspace, passing, look, heard):
    _, made = await pair(api, editor, workspace)
    for _ in range(10):
        passing.pass_(60)
        assert await look() == 0
    assert await status(api, editor, made) == "connecting"
    assert told(heard, "screen.status") == []


async def test_only_the_silent_go_offline(api, editor, workspace, passing, look):
    (silent, one), (loud, two) = [await pair(api, editor, workspace, name=name) for name in "ab"]
    await silent.beat()
    passing.pass_(30)
    await loud.beat()
    passing.pass_(25)
    assert await look() == 1
    assert [await status(api, editor, made) for made in (one, two)] == ["offline", "online"]


async def test_two_detectors_at_once_mark_once(api, editor, workspace, passing, look):
    display, made = await pair(api, editor, workspace)
    await display.beat()
    passing.pass_(60)
    await asyncio.gather(look(), look())
    assert await status(api, editor, made) == "offline"


async def test_a_beat_that_comes_while_it_looks_wins(api, editor, marquee, workspace, passing, look, heard):
    """The lease is looked at again after the status was written."""
    display, made = await pair(api, editor, workspace)
    await display.beat(status="error", reason="hot")
    passing.pass_(60)
    heard.clear()
    collection = marquee.stores.absences._screens
    bulk = collection.bulk

    async def slow(operations, **options):
        await bulk(operations, **options)
        if operations:
            collection.bulk = bulk
            # Between the write and the second look: the beat's own write comes after both.
            await marquee.stores.absences._leases.renew([beaten(made)], marquee.clock.now(), lease())

    collection.bulk = slow
    assert await look() == 0
    shown = await screen(api, editor, made["id"])
    assert (shown["status"], shown["statusReason"]) == ("error", "hot")
    assert told(heard, "screen.status") == []


def beaten(made):
    return Beaten(made["id"], {}, False, None)


def lease():
    return lease_life(15)


# --- restarts -------------------------------------------------------------------------------------------------------


def held_seconds(marquee):
    return marquee.metrics.registry.get_sample_value("marquee_offline_held_seconds")


async def test_a_server_that_has_just_started_marks_nobody(api, editor, marquee, workspace, passing, look):
    """All leases ended while it was down; the screens have a lease's time to come back."""
    display, made = await pair(api, editor, workspace)
    await display.beat()
    passing.pass_(600)
    absences = marquee.stores.absences
    absences._began = absences._searched = marquee.clock.monotonic()  # as if it had started now
    for second in range(0, 40, 10):
        assert await look() == 0
        assert 0 < held_seconds(marquee) <= LIFE - second
        passing.pass_(10)
    assert await status(api, editor, made) == "online"
    passing.pass_(10)
    assert await look() == 1
    assert held_seconds(marquee) == 0


# --- Redis ----------------------------------------------------------------------------------------------------------


async def empty(marquee):
    """Let Redis lose all that this server has there."""
    client = marquee.redis.client
    keys = [key async for key in client.scan_iter(f"{marquee.settings.redis_prefix}*")]
    await client.delete(*keys)


async def test_an_emptied_redis_marks_nobody_who_goes_on_beating(api, editor, marquee, workspace, passing, look):
    display, made = await pair(api, editor, workspace)
    await display.beat()
    passing.pass_(300)
    await display.beat()
    await marquee.stores.beats.flush(marquee.clock.now())
    passing.pass_(14)
    await empty(marquee)
    for _ in range(8):
        assert await look() == 0
        passing.pass_(14)
        await display.beat()
    assert await status(api, editor, made) == "online"


async def test_after_an_emptied_redis_the_silent_are_found_one_lease_later(
    api, editor, marquee, workspace, passing, look
):
    display, made = await pair(api, editor, workspace)
    passing.stand_still()
    passing.pass_(300)
    await display.beat()
    await marquee.stores.beats.flush(marquee.clock.now())
    await empty(marquee)
    noticed = None
    for second in range(0, 200, 5):
        passing.pass_(5)
        if await look():
            noticed = second + 5
            break
    # A lease's time for MongoDB to have heard nothing, a beat at most until somebody looks, and a lease's time.
    assert noticed is not None
    assert 2 * LIFE <= noticed <= 2 * LIFE + 15 + 5
    assert await status(api, editor, made) == "offline"


class Away:
    """A client of a Redis that is not there, in the place of the real one."""

    def __init__(self, marquee):
        self._breaker, self._client = marquee.redis, marquee.redis.client

    def go(self):
        self._breaker.client = connect("redis://127.0.0.1:1")

    def come_back(self):
        self._breaker.client = self._client
        self._breaker._closed_again_at = 0.0


@pytest.fixture
def away(marquee):
    made = Away(marquee)
    yield made
    made.come_back()


async def test_without_redis_beats_are_kept_in_mongodb_and_nobody_is_marked_wrongly(
    api, editor, marquee, workspace, passing, look, away
):
    (loud, one), (silent, two) = [await pair(api, editor, workspace, name=name) for name in "ab"]
    passing.pass_(300)
    for display in (loud, silent):
        await display.beat()
    await marquee.stores.beats.flush(marquee.clock.now())
    away.go()
    with pytest.raises(RedisAway):
        await marquee.stores.absences._leases.expired(marquee.clock.now())
    beat, marked = marquee.stores.beats.beat, 0
    playing = {"itemId": "i", "mediaId": "m", "startedAt": marquee.clock.now()}
    for _ in range(12):
        passing.pass_(14)
        await beat(one["id"], {"nowPlaying": playing})
        marked += await look()
    assert marked == 1
    stored = await marquee.ground.collection("screens").find({}, sort=[("name", 1)])
    assert [each["status"] for each in stored] == ["online", "offline"]
    assert (stored[0]["nowPlaying"]["itemId"], stored[1]["nowPlaying"]) == ("i", None)
    assert (marquee.clock.now() - stored[0]["lastSeenAt"]).total_seconds() < 14

    away.come_back()  # leases of before are there again, ended long ago
    passing.pass_(5)
    assert await look() == 0
    assert await status(api, editor, one) == "online"
    assert await status(api, editor, two) == "offline"


async def test_reads_and_writes_go_on_without_redis(api, editor, marquee, workspace, away):
    display, made = await pair(api, editor, workspace)
    await display.beat()
    away.go()
    shown = await screen(api, editor, made["id"])
    assert shown["status"] == "online"
    assert (await display.beat(appliedRevision="r"))["revision"] == made["revision"]
    assert (await screen(api, editor, made["id"]))["appliedRevision"] == "r"
    assert await marquee.stores.beats.flush(marquee.clock.now()) == 0
    assert (await api.delete(f"/api/screens/{made['id']}", as_=editor)).status == 204
    assert (await api.get("/api/display/manifest", as_=display.screen)).status == 401


# --- the flush ------------------------------------------------------------------------------------------------------


async def test_the_flush_writes_what_has_beaten_since(api, editor, marquee, workspace, passing):
    (first, one), (second, _) = [await pair(api, editor, workspace, name=name) for name in "ab"]
    flush = marquee.stores.beats.flush
    assert await flush(marquee.clock.now()) == 0
    await first.beat()
    await second.beat()
    passing.pass_(10)
    assert await flush(marquee.clock.now()) == 2
    passing.pass_(60)
    await first.beat()
    assert await flush(marquee.clock.now()) == 1
    stored = await marquee.ground.collection("screens").get({"_id": one["id"]})
    assert (marquee.clock.now() - stored["lastSeenAt"]).total_seconds() < 60
