"""What processes say of themselves, and what the leader makes of it."""

import pytest

from models import health
from tests.api.displays import pair
from tests.promptness import PATIENCE

pytestmark = pytest.mark.usefixtures("jobs_by_hand")  # a turn that began before is joined, and counts what was then


@pytest.fixture(autouse=True)
def _led(io_loop, marquee, monkeypatch):
    """Let `marquee` lead, and the stores answer as late as the machine lets them."""
    monkeypatch.setattr(health, "PING_SECONDS", PATIENCE)
    io_loop.run_sync(marquee.jobs.leader.start)


def screens_shown(marquee):
    """Return what a process's metrics say of screens."""
    families = {family.name: family for family in marquee.metrics.registry.collect()}
    return {sample.labels["status"]: sample.value for sample in families["marquee_screens"].samples}


async def test_each_process_reports_itself_and_the_leader_records_the_whole(api, editor, workspace, marquee, follower):
    display, _ = await pair(api, editor, workspace)
    await display.beat()
    await pair(api, editor, workspace, name="Hall")
    socket = await api.socket("/ws/dashboard", as_=editor)
    await socket.event("hello")

    for each in (follower, marquee):
        await each.jobs.run("record_system_health")

    recorded = (await marquee.ground.collection("health").find({}, sort=[("at", -1)]))[0]  # a minute may have turned
    assert recorded["screens"] == {"connecting": 1, "online": 1, "offline": 0, "error": 0}
    first, second = recorded["processes"]
    assert (first["leads"], second["leads"]) == (True, False)
    assert (first["connections"]["dashboard"], second["connections"].get("dashboard", 0)) == (1, 0)
    for process in (first, second):
        assert process["rssBytes"] > 10_000_000
        assert 0 < process["mongodbMs"] < PATIENCE * 1000
        assert 0 < process["redisMs"] < PATIENCE * 1000
        assert process["loopLagMs"] >= 0


async def test_only_the_leader_shows_how_many_screens_there_are(api, editor, workspace, marquee, follower):
    await pair(api, editor, workspace)
    for each in (marquee, follower):
        await each.jobs.run("record_system_health")
    assert (screens_shown(marquee)["connecting"], screens_shown(follower)) == (1, {})

    await marquee.jobs.leader.stop()
    await follower.jobs.leader.start()
    for each in (marquee, follower):
        await each.jobs.run("record_system_health")

    assert (screens_shown(marquee), screens_shown(follower)["connecting"]) == ({}, 1)


async def test_a_minute_has_one_record_however_many_write_it(marquee, follower, clock):
    now = clock.now()
    for each in (marquee, follower):
        await each.stores.health_log.record(now.replace(second=1))
        await each.stores.health_log.record(now.replace(second=59))

    minutes = {f"{now:%Y-%m-%dT%H:%MZ}"}
    assert {each["_id"] for each in await marquee.ground.collection("health").find({})} >= minutes
    assert await marquee.ground.collection("health").count({"_id": {"$in": list(minutes)}}) == 1


async def test_a_process_that_is_gone_is_in_no_later_record(marquee, follower, clock):
    await follower.jobs.run("record_system_health")
    await follower.jobs.stop()

    clock.advance(seconds=61)
    await marquee.jobs.leader.ask()
    await marquee.jobs.run("record_system_health")

    latest = (await marquee.ground.collection("health").find({}, sort=[("at", -1)]))[0]
    assert len(latest["processes"]) == 1
