"""While Redis is away, and after: screens are marked offline, emergencies end, and who beats is left alone."""

import asyncio
from dataclasses import replace

import pytest

from tests.api.displays import pair, screen
from tests.api.stock import raise_emergency


@pytest.fixture
def settings(settings, own_redis):
    return replace(settings, redis_url=own_redis.url, screen_heartbeat_seconds=3)


async def beat_on(display):
    """Beat three times as often as is due: who is late on a busy machine has not fallen silent."""
    while True:
        await display.beat()
        await asyncio.sleep(1)


@pytest.mark.gen_test(timeout=110)
@pytest.mark.parametrize("how", ["killed", "frozen"])
async def test_the_jobs_go_on_without_redis(
    api, editor, workspace, marquee, follower, own_redis, clock, eventually, how
):
    silent, quiet = await pair(api, editor, workspace)
    living, loud = await pair(api, editor, workspace, name="Hall")
    await silent.beat()
    beating = asyncio.ensure_future(beat_on(living))
    raised = await raise_emergency(api, editor, workspace, expiresIn=60)
    leaders = [each.jobs.leader for each in (marquee, follower)]
    await eventually(lambda: sum(each.leads for each in leaders) == 1)

    own_redis.kill() if how == "killed" else own_redis.freeze()

    async def is_offline():
        return (await screen(api, editor, quiet["id"]))["status"] == "offline"

    await eventually(is_offline, seconds=80)  # after 20 to 25, and each round waits for Redis
    assert (await screen(api, editor, loud["id"]))["status"] == "online"
    await eventually(lambda: all(each.leads for each in leaders))

    beating.cancel()
    clock.advance(seconds=61)

    async def has_ended():
        return (await api.get(f"/api/emergencies/{raised['id']}", as_=editor)).json["endedAt"]

    assert await eventually(has_ended) == raised["expiresAt"]


async def test_one_leads_again_when_redis_is_back(marquee, follower, own_redis, eventually):
    own_redis.kill()
    leaders = [each.jobs.leader for each in (marquee, follower)]
    await eventually(lambda: all(each.leads for each in leaders))

    own_redis.start()

    await eventually(lambda: sum(each.leads for each in leaders) == 1)
