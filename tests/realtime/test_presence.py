"""Leases: the memory and the Redis presence pass the same tests."""

import asyncio

import pytest

from core.breaker import Breaker, connect
from core.clock import Clock
from core.errors import Unavailable
from core.metrics import Metrics
from realtime import node
from realtime.presence import Lease, MemoryPresence, RedisPresence
from tests.realtime.chatting import enter


@pytest.fixture(params=["memory", "redis"])
def present(request, clients, store_urls, settings):
    """Return how to make a presence, whose leases last `lease_seconds` where that is told."""

    def make(**lasting):
        if request.param == "memory":
            return MemoryPresence(**lasting)
        breaker = Breaker(clients(store_urls.redis), Clock())
        return RedisPresence(breaker, settings.redis_prefix, Metrics(), **lasting)

    return make


@pytest.fixture
def presence(present):
    return present()


@pytest.fixture
def brisk(servers, monkeypatch):
    """A server that renews leases all the time."""
    monkeypatch.setattr(node, "RENEW_SECONDS", 0.05)
    return servers()


async def test_a_user_is_here_while_a_connection_holds_a_lease(presence):
    await presence.hold(Lease("ann", "c1"))

    assert await presence.online(["ann", "bob"]) == {"ann": "online"}
    assert await presence.everyone() == {"ann": "online"}
    assert await presence.drop("ann", "c1") is True
    assert await presence.online(["ann", "bob"]) == {}
    assert await presence.everyone() == {}


async def test_several_devices_count_once_and_the_most_available_wins(presence):
    await presence.hold(Lease("ann", "phone", "busy"))
    assert await presence.online(["ann"]) == {"ann": "busy"}
    await presence.hold(Lease("ann", "desk", "away"))
    assert await presence.online(["ann"]) == {"ann": "away"}
    await presence.hold(Lease("ann", "wall", "online"))
    assert await presence.everyone() == {"ann": "online"}

    assert await presence.drop("ann", "wall") is False
    assert await presence.online(["ann"]) == {"ann": "away"}


async def test_a_connection_has_one_status_at_a_time(presence):
    await presence.hold(Lease("ann", "c1", "online"))
    await presence.hold(Lease("ann", "c1", "busy"))

    assert await presence.online(["ann"]) == {"ann": "busy"}
    assert await presence.drop("ann", "c1") is True


async def test_a_lease_that_is_renewed_stays_and_one_that_is_not_ends(present):
    presence = present(lease_seconds=2)
    await presence.hold(Lease("ann", "c1"))
    for _ in range(4):
        await asyncio.sleep(0.6)
        await presence.renew()
        assert await presence.online(["ann"]) == {"ann": "online"}

    async with asyncio.timeout(30):
        while await presence.online(["ann"]):
            await asyncio.sleep(0.05)
    assert await presence.everyone() == {}


async def test_dropping_what_is_not_held_is_no_error(presence):
    assert await presence.drop("nobody", "c1") is True
    assert await presence.online([]) == {}


async def test_two_processes_see_each_others_users_and_count_them_once(clients, store_urls, settings):
    here, there = (
        RedisPresence(Breaker(clients(store_urls.redis), Clock()), settings.redis_prefix, Metrics()) for _ in range(2)
    )
    await here.hold(Lease("ann", "c1", "away"))
    await there.hold(Lease("ann", "c2", "online"))
    await there.hold(Lease("bob", "c3"))

    assert await here.everyone() == await there.everyone() == {"ann": "online", "bob": "online"}
    assert await there.drop("ann", "c2") is False
    assert await here.online(["ann"]) == {"ann": "away"}


async def test_many_users_are_asked_about_in_batches(clients, store_urls, settings):
    presence = RedisPresence(Breaker(clients(store_urls.redis), Clock()), settings.redis_prefix, Metrics())
    users = [f"user{number}" for number in range(1_100)]
    for user in users[::100]:
        await presence.hold(Lease(user, f"of {user}"))
    await presence.renew()

    assert await presence.online(users) == dict.fromkeys(users[::100], "online")


async def test_a_lease_that_is_dropped_during_a_renewal_is_not_renewed(clients, store_urls, settings):
    presence = RedisPresence(Breaker(clients(store_urls.redis), Clock()), settings.redis_prefix, Metrics())
    await presence.hold(Lease("ann", "c1"))

    await asyncio.gather(presence.renew(), presence.drop("ann", "c1"))

    assert await presence.online(["ann"]) == {}


async def test_without_redis_a_process_answers_with_what_it_knows(own_redis):
    client = connect(own_redis.url)
    presence = RedisPresence(Breaker(client, Clock(), pause=0.1), "away", Metrics())
    await presence.hold(Lease("ann", "c1"))
    own_redis.kill()

    await presence.hold(Lease("bob", "c2", "busy"))
    await presence.renew()
    assert await presence.everyone() == {"ann": "online", "bob": "busy"}
    assert await presence.online(["bob"]) == {"bob": "busy"}
    assert await presence.drop("bob", "c2") is True

    own_redis.start()
    await asyncio.sleep(0.2)
    await presence.renew()
    assert await presence.everyone() == {"ann": "online"}
    await client.aclose()


async def test_an_outage_of_mongodb_ends_no_renewal_and_leaves_no_traceback(brisk, ana, lines):
    tried, again = [], asyncio.Event()

    async def away(user_ids):
        tried.append(user_ids)
        if len(tried) > 1:
            again.set()
        raise Unavailable

    brisk.node.on_seen(away)
    chat = await enter(brisk.port, ana)
    async with asyncio.timeout(30):
        await again.wait()
    chat.close()

    assert tried[:2] == [[ana.id]] * 2
    assert ("task.failed", "warning") in {(line["event"], line["log_level"]) for line in lines}
    assert not [line for line in lines if line["log_level"] == "error"]
