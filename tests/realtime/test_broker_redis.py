"""The Redis broker while Redis is killed, emptied, frozen or only half there."""

import asyncio
from contextlib import suppress

import pytest

from core.metrics import Metrics
from realtime import redis_broker
from realtime.redis_broker import RedisBroker
from realtime.redis_wire import RedisWire
from tests.promptness import PATIENCE, eventually, within
from tests.realtime.heard import Heard
from tests.realtime.proxy import Proxy

pytestmark = pytest.mark.usefixtures("patient")
HASTE = redis_broker.PUBLISH_SECONDS  # for a pipeline, as the product has it
BEACON = 1.0  # seconds; three without one are silence, which a machine that others load too must not seem to be


@pytest.fixture
def pair(begin, clients, own_redis):
    """Two processes' brokers on a Redis that may be hurt; beacons come fast, so that silence is soon noticed."""
    return [begin(RedisBroker(clients(own_redis.url), "pair", Metrics(), beacon_seconds=BEACON)) for _ in range(2)]


async def test_after_redis_was_killed_and_started_empty_everything_is_heard_again(pair, own_redis):
    ours, theirs = pair
    await ours.broker.subscribe("room:1")
    own_redis.kill()
    await eventually(lambda: not ours.broker.up and not theirs.broker.up)

    own_redis.start()
    await eventually(lambda: ours.broker.up and theirs.broker.up)
    await ours.until(lambda: "room:1" in ours.renewed)
    theirs.broker.publish([("room:1", b"back")])
    await ours.count(1)

    assert ours.publications == [("room:1", b"back")]
    assert set(ours.renewed) == {"room:1"}  # once more by each process that had a beacon to itself meanwhile


async def test_without_redis_a_process_still_hears_itself_and_never_waits(pair, own_redis):
    ours, _ = pair
    await ours.broker.subscribe("room:1")
    own_redis.kill()
    await eventually(lambda: not ours.broker.up)

    with within(2):
        await ours.broker.subscribe("room:2")
        for number in range(20):
            ours.broker.publish([("room:1", b"%d" % number), ("room:2", b"%d" % number), ("room:3", b"unheard")])
        await ours.count(40)

    assert [p for c, p in ours.publications if c == "room:1"] == [b"%d" % n for n in range(20)]
    assert [p for c, p in ours.publications if c == "room:2"] == [b"%d" % n for n in range(20)]
    assert not any(c == "room:3" for c, _ in ours.publications)


async def test_a_frozen_redis_is_noticed_by_the_beacon_and_healed(pair, own_redis, monkeypatch):
    monkeypatch.setattr(redis_broker, "PUBLISH_SECONDS", HASTE)
    ours, theirs = pair
    await ours.broker.subscribe("room:1")
    own_redis.freeze()
    with within(2):
        ours.broker.publish([("room:1", b"meanwhile")])
        await ours.count(1)
    await ours.broker.subscribe("room:2")
    await eventually(lambda: ours.broker._subscription is None)

    own_redis.thaw()
    await eventually(lambda: ours.broker.up and theirs.broker.up)
    await ours.until(lambda: {"room:1", "room:2"} <= set(ours.renewed))

    def heard_again():  # in so much haste one may stay at home on a busy machine
        theirs.broker.publish([("room:2", b"again")])
        return ("room:2", b"again") in ours.publications

    await eventually(heard_again)


async def test_a_start_without_redis_works_and_joins_when_it_comes(clients, own_redis):
    own_redis.kill()
    heard = Heard(RedisBroker(clients(own_redis.url), "late", Metrics(), beacon_seconds=BEACON))
    await heard.broker.start(heard.receive, heard.renew)
    await heard.broker.subscribe("room:1")
    assert not heard.broker.up

    own_redis.start()
    await eventually(lambda: heard.broker.up)
    await heard.until(lambda: "room:1" in heard.renewed)
    heard.broker.publish([("room:1", b"joined")])
    await heard.count(1)
    await heard.broker.stop()

    assert heard.publications == [("room:1", b"joined")]


async def test_a_killed_listening_connection_comes_back_and_says_what_to_look_at(pair, clients, own_redis):
    ours, theirs = pair
    await ours.broker.subscribe("room:1")
    admin = clients(own_redis.url)

    await admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await ours.until(lambda: "room:1" in ours.renewed)
    await eventually(lambda: theirs.broker.up)
    theirs.broker.publish([("room:1", b"back")])
    await ours.count(1)

    assert ours.publications == [("room:1", b"back")]


async def test_the_beacon_measures_the_way_round(clients, own_redis):
    metrics = Metrics()
    broker = RedisBroker(clients(own_redis.url), "lag", metrics, beacon_seconds=0.5)
    heard = Heard(broker)
    await broker.start(heard.receive, heard.renew)

    await eventually(lambda: 0 < metrics.broker_lag_seconds._value.get() < 1)
    assert metrics.broker_up._value.get() == 1
    await broker.stop()


@pytest.fixture
def proxy(io_loop, own_redis):
    """A way to Redis that can be cut."""
    made = Proxy(own_redis.port)
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.cut)


@pytest.fixture
def far(begin, clients, own_redis, proxy):
    """A process whose way to Redis leads through the proxy."""
    return begin(RedisBroker(clients(f"redis://127.0.0.1:{proxy.port}"), "pair", Metrics(), beacon_seconds=BEACON))


async def test_a_process_that_was_cut_off_tells_the_others_to_look_again(far, pair, proxy):
    near, _ = pair
    await near.broker.subscribe("room:1")
    await far.broker.subscribe("room:1")
    await proxy.cut()
    await eventually(lambda: not far.broker.up)
    far.broker.publish([("room:1", b"heard by nobody else")])
    await far.count(1)
    assert near.broker.up

    await proxy.mend()
    await near.until(lambda: "room:1" in near.renewed)
    await eventually(lambda: far.broker.up)

    assert near.publications == []
    assert set(near.renewed) == {"room:1"}


async def test_a_broker_stops_though_it_is_just_connecting_and_a_cancellation_is_lost(
    clients, store_urls, settings, monkeypatch
):
    """As Python 3.11 loses one that comes in the moment in which redis-py has sent something."""
    connect, lost = RedisWire.connect, []

    async def connect_deaf(redis):
        if len(lost) < 2:  # the one to listen on, and the one to publish on
            lost.append(redis)
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
        return await connect(redis)

    monkeypatch.setattr(RedisWire, "connect", connect_deaf)
    monkeypatch.setattr(redis_broker, "PUBLISH_SECONDS", 0.1)
    monkeypatch.setattr(redis_broker, "CONFIRM_SECONDS", 0.1)
    broker = RedisBroker(clients(store_urls.redis), settings.redis_prefix, Metrics())
    await broker.start(lambda _channel, _payload: None, lambda _channels: None)
    assert len(lost) == 2

    async with asyncio.timeout(PATIENCE):
        await broker.stop()
