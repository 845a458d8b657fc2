"""The jobs that look after screens, running by themselves in a real server: each test fails without its job."""

import asyncio
from datetime import timedelta

import pytest

from tests.api.displays import pair, screen
from tests.api.stock import Stock, raise_emergency, told


async def test_a_silent_screen_is_marked_offline(api, editor, workspace, clock, heard, eventually):
    display, made = await pair(api, editor, workspace)
    await display.beat()
    assert (await screen(api, editor, made["id"]))["status"] == "online"

    clock.advance(minutes=2)
    await eventually(lambda: told(heard, "screen.status")[1:])

    assert (await screen(api, editor, made["id"]))["status"] == "offline"
    assert [data["status"] for _, _, data in told(heard, "screen.status")] == ["online", "offline"]


async def test_an_emergency_ends_by_itself(api, editor, workspace, marquee, clock, heard, eventually):
    stock = Stock(marquee, workspace)
    lobby = await stock.screen()
    quiet = (await stock.stored(lobby))["revision"]
    raised = await raise_emergency(api, editor, workspace, expiresIn=60)
    assert (await stock.stored(lobby))["revision"] != quiet

    clock.advance(seconds=61)
    await eventually(lambda: told(heard, "emergency.ended"))

    ended = (await api.get(f"/api/emergencies/{raised['id']}", as_=editor)).json
    assert ended["endedAt"] == raised["expiresAt"]
    assert (await stock.stored(lobby))["revision"] == quiet


async def test_dashboards_hear_how_many_show_an_emergency(api, editor, workspace, heard, eventually):
    display, _ = await pair(api, editor, workspace)
    raised = await raise_emergency(api, editor, workspace)

    await display.beat(emergencyId=raised["id"])

    def is_told():
        return [data for _, _, data in told(heard, "emergency.progress") if data["showing"] == 1]

    assert await eventually(is_told)


async def test_a_command_that_no_screen_takes_expires(api, editor, workspace, clock, heard, eventually):
    _, made = await pair(api, editor, workspace)
    ordered = await api.post(f"/api/screens/{made['id']}/commands", {"name": "reload"}, as_=editor)
    assert ordered.status == 202

    clock.advance(seconds=301)
    await eventually(lambda: any(data["state"] == "expired" for _, _, data in told(heard, "command.changed")))


@pytest.mark.usefixtures("jobs_by_hand")  # a turn of its own just now would be taken for a write of the beat's
async def test_heartbeats_reach_mongodb_once_a_minute(api, editor, workspace, marquee, clock):
    display, made = await pair(api, editor, workspace)
    screens = marquee.ground.collection("screens")
    await display.beat()
    first = (await screens.get({"_id": made["id"]}))["lastSeenAt"]

    clock.advance(seconds=20)
    await display.beat()
    assert (await screens.get({"_id": made["id"]}))["lastSeenAt"] == first
    await marquee.jobs.run("flush_heartbeats")

    assert (await screens.get({"_id": made["id"]}))["lastSeenAt"] - first >= timedelta(seconds=20)


@pytest.mark.usefixtures("jobs_by_hand")
async def test_a_revision_that_a_dead_process_left_behind_is_brought_up_to_date(marquee, editor, workspace, heard):
    stock = Stock(marquee, workspace)
    lobby = await stock.screen()
    stale = (await stock.stored(lobby))["revision"]
    await stock.set(lobby, volume=11)  # what an edit writes first; then its process died

    await marquee.jobs.run("reconcile_revisions")

    current = await stock.stored(lobby)
    assert (current["revision"] != stale, current["inSync"]) == (True, False)
    assert told(heard, "manifest.changed")[-1][1:] == (f"screen:{lobby}", {"revision": current["revision"]})


async def test_two_detectors_of_different_processes_tell_of_each_screen_once(
    marquee, follower, editor, workspace, clock
):
    stock = Stock(marquee, workspace)
    screens = [await stock.screen(name=f"Hall {number}") for number in range(60)]
    for each in (marquee, follower):
        await each.jobs.stop()
    await asyncio.gather(*(marquee.stores.beats.beat(one, {}) for one in screens))

    clock.advance(minutes=2)
    marked = await asyncio.gather(
        *(each.stores.absences.mark_offline(clock.now()) for each in (marquee, follower, marquee, follower))
    )

    history = await marquee.ground.collection("statuses").find({"status": "offline"})
    assert (sum(marked), len(history)) == (60, 60)


async def test_two_leaders_at_once_do_no_harm(api, editor, workspace, marquee, follower, clock, heard, lines):
    """For as long as two processes both believe to lead, each thing is still done, and told, once."""
    display, made = await pair(api, editor, workspace)
    await display.beat()
    raised = await raise_emergency(api, editor, workspace, expiresIn=60)
    await api.post(f"/api/screens/{made['id']}/commands", {"name": "reload"}, as_=editor)
    follower.node.publish = marquee.node.publish  # so that `heard` hears both
    await marquee.jobs.stop()
    await follower.jobs.stop()
    heard.clear()

    clock.advance(minutes=10)
    for name in marquee.jobs.jobs:
        await asyncio.gather(*(each.jobs.run(name) for each in (marquee, follower) for _ in range(2)))

    assert [data["status"] for _, _, data in told(heard, "screen.status")] == ["offline"]
    assert [data["id"] for _, _, data in told(heard, "emergency.ended")] == [raised["id"]]
    states = [data["state"] for _, _, data in told(heard, "command.changed")]
    assert states.count("expired") >= 1  # the same state told twice says nothing new
    history = (await api.get(f"/api/screens/{made['id']}/history", as_=editor)).json["items"]
    assert [entry["status"] for entry in history] == ["offline", "online"]
    assert [line for line in lines if line["event"] == "job.failed"] == []
