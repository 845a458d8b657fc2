"""Heartbeats: what a screen says reaches whoever looks, and what it should show reaches the screen."""

import asyncio
import time

import pytest

from core.errors import Unauthenticated, Unavailable
from models import beats
from tests.api.displays import pair, screen
from tests.api.stock import NOTHING, Stock, told
from tests.promptness import PATIENCE, eventually

pytestmark = pytest.mark.usefixtures("jobs_by_hand")

BEAT = "/api/display/heartbeat"
PLAYING = {"itemId": "i1", "mediaId": "m1", "startedAt": "2026-01-01T00:00:00.000Z"}
SCREEN_EVENTS = ("screen.status", "screen.sync", "screen.playing")


async def stored(marquee, made):
    """Return the screen as MongoDB has it."""
    return await marquee.ground.collection("screens").get({"_id": made["id"]})


async def history(api, person, made):
    found = (await api.get(f"/api/screens/{made['id']}/history", as_=person)).json["items"]
    return [(change["status"], change["reason"]) for change in found]


async def test_the_first_beat_makes_a_screen_online_and_brings_the_revision(api, editor, workspace, heard):
    display, made = await pair(api, editor, workspace)
    heard.clear()
    answer = await display.beat()
    assert answer == {"revision": made["revision"], "serverTime": answer["serverTime"], "commands": []}
    shown = await screen(api, editor, made["id"])
    assert (shown["status"], shown["statusReason"], shown["inSync"]) == ("online", None, False)
    assert made["createdAt"] < shown["lastSeenAt"] <= answer["serverTime"]
    (event,) = told(heard, *SCREEN_EVENTS)
    assert event[:2] == ("screen.status", f"workspace:{workspace}")
    assert {**event[2], "lastSeenAt": None} == {
        "screenId": made["id"],
        "status": "online",
        "reason": None,
        "lastSeenAt": None,
    }
    assert await history(api, editor, made) == [("online", None)]


async def test_status_and_reason_are_kept_with_their_history(api, editor, workspace, heard):
    display, made = await pair(api, editor, workspace)
    for said in (
        {},
        {"status": "online"},
        {"status": "error", "reason": "$hot"},
        {"status": "error", "reason": "$hot"},
        {"status": "error", "reason": "dark"},
        {},
    ):
        await display.beat(**said)
        shown = await screen(api, editor, made["id"])
        expected = (said.get("status", "online"), said.get("reason"))
        assert (shown["status"], shown["statusReason"]) == expected
    expected = [("online", None), ("error", "dark"), ("error", "$hot"), ("online", None)]
    assert await history(api, editor, made) == expected
    assert [(data["status"], data["reason"]) for _, _, data in told(heard, "screen.status")] == expected[::-1]
    paged = (await api.get(f"/api/screens/{made['id']}/history?limit=3", as_=editor)).json
    assert (len(paged["items"]), paged["total"]) == (3, 4)
    rest = (await api.get(f"/api/screens/{made['id']}/history?cursor={paged['next']}", as_=editor)).json
    assert [change["status"] for change in rest["items"]] == ["online"]


async def test_what_is_applied_decides_about_in_sync(api, editor, workspace, heard):
    display, made = await pair(api, editor, workspace)
    await display.beat()
    heard.clear()
    for applied, in_sync in (("old", False), (made["revision"], True), ("$revision", False)):
        await display.beat(appliedRevision=applied)
        shown = await screen(api, editor, made["id"])
        assert (shown["appliedRevision"], shown["inSync"]) == (applied, in_sync)
        listed = (await api.get(f"/api/screens?inSync={str(in_sync).lower()}", as_=editor)).json
        assert [each["id"] for each in listed["items"]] == [made["id"]]
    await display.beat()
    assert (await screen(api, editor, made["id"]))["appliedRevision"] == "$revision"
    assert [(data["appliedRevision"], data["inSync"]) for _, _, data in told(heard, "screen.sync")] == [
        ("old", False),
        (made["revision"], True),
        ("$revision", False),
    ]
    assert {type_ for type_, _, _ in told(heard, *SCREEN_EVENTS)} == {"screen.sync"}


async def test_what_is_playing_is_told_at_once_and_written_once_a_minute(api, editor, marquee, workspace, heard):
    display, made = await pair(api, editor, workspace)
    await display.beat()
    heard.clear()
    other = {**PLAYING, "itemId": "i2"}
    for playing in (PLAYING, PLAYING, other, None, None, PLAYING):
        await display.beat(nowPlaying=playing)
        assert (await screen(api, editor, made["id"]))["nowPlaying"] == playing
        listed = (await api.get("/api/screens", as_=editor)).json["items"][0]
        assert listed == await screen(api, editor, made["id"])
    await display.beat()  # says nothing of it, so it stays
    assert (await screen(api, editor, made["id"]))["nowPlaying"] == PLAYING
    played = [data["nowPlaying"] for _, _, data in told(heard, "screen.playing")]
    assert [each and each["itemId"] for each in played] == ["i1", "i2", None, "i1"]

    before = await stored(marquee, made)
    seen = (await screen(api, editor, made["id"]))["lastSeenAt"]
    if marquee.redis._closed_again_at == 0.0:  # Redis was never slow: on a busy machine it may have been
        assert before["nowPlaying"] is None
    assert await marquee.stores.beats.flush(marquee.clock.now()) == 1
    after = await stored(marquee, made)
    assert (after["nowPlaying"]["itemId"], after["version"]) == ("i1", made["version"])
    assert after["lastSeenAt"].isoformat(timespec="milliseconds")[:23] == seen[:23]


async def test_the_emergency_that_is_shown_is_kept_for_the_counts(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    for said, kept in (({"emergencyId": "e1"}, "e1"), ({}, "e1"), ({"emergencyId": None}, None)):
        await display.beat(**said)
        assert (await stored(marquee, made))["emergencyId"] == kept


async def test_a_beat_heals_a_stored_revision_that_is_behind(api, editor, marquee, workspace, heard):
    display, made = await pair(api, editor, workspace)
    await display.beat(appliedRevision=made["revision"])
    # As a process leaves it that died between an edit and the refresh of what it changes.
    await marquee.ground.collection("screens").update({"_id": made["id"]}, {"$set": {"volume": 1}})
    heard.clear()
    revision = (await display.beat())["revision"]
    shown = await screen(api, editor, made["id"])
    assert revision != made["revision"]
    assert (shown["revision"], shown["inSync"]) == (revision, False)
    assert [type_ for type_, _, _ in told(heard, "manifest.changed", "screen.sync")] == [
        "manifest.changed",
        "screen.sync",
    ]


async def test_bad_beats_are_refused(api, editor, workspace):
    display, made = await pair(api, editor, workspace)
    for wrong in (
        {"status": "offline"},
        {"status": None},
        {"reason": "x" * 501},
        {"appliedRevision": 7},
        {"appliedRevision": {"$ne": 1}},
        {"emergencyId": ""},
        {"nowPlaying": {}},
        {"nowPlaying": {**PLAYING, "startedAt": "noon"}},
        {"nowPlaying": {**PLAYING, "extra": 1}},
        {"metrics": {"cpu": "hot"}},
        {"metrics": {"cpu": True}},
        {"metrics": {f"m{n}": n for n in range(51)}},
        {"volume": 3},
    ):
        assert (await api.post(BEAT, wrong, as_=display.screen)).status == 422, wrong
    assert (await screen(api, editor, made["id"]))["status"] == "connecting"
    good = {"metrics": {"cpu": 0.5, "$disk.free": 12}, "nowPlaying": PLAYING, "emergencyId": None, "reason": None}
    await display.beat(**good)


async def test_only_screens_beat(api, editor, workspace):
    assert (await api.post(BEAT, {}, as_=editor)).status == 401
    assert (await api.post(BEAT, {})).status == 401


async def test_sockets_and_beats_by_rest_are_one(api, editor, workspace):
    display, made = await pair(api, editor, workspace)
    socket = await api.socket("/ws/screen", as_=display.screen, headers={"User-Agent": "Wall/1"})
    reply = await socket.request("heartbeat", {"nowPlaying": PLAYING, "appliedRevision": "r"})
    assert reply["ok"]
    assert reply["data"]["revision"] == made["revision"]
    shown = await screen(api, editor, made["id"])
    assert (shown["nowPlaying"], shown["appliedRevision"], shown["status"]) == (PLAYING, "r", "online")
    assert (shown["player"]["userAgent"], shown["version"]) == ("Wall/1", made["version"])
    socket.close()


async def test_connecting_alone_makes_nobody_online(api, editor, workspace):
    display, made = await pair(api, editor, workspace)
    socket = await api.socket("/ws/screen", as_=display.screen)
    assert (await socket.event("manifest.changed"))["data"] == {"revision": made["revision"]}
    assert (await screen(api, editor, made["id"]))["status"] == "connecting"
    socket.close()


# --- batches --------------------------------------------------------------------------------------------------------


@pytest.fixture
def stock(marquee, workspace):
    return Stock(marquee, workspace)


async def test_beats_at_once_cost_one_query_of_each_kind(marquee, stock):
    screens = [await stock.screen(f"{n}") for n in range(100)]
    asked = counted(marquee)
    revisions = await asyncio.gather(*(marquee.stores.beats.beat(one, {"nowPlaying": None}) for one in screens))
    assert len(set(revisions)) == 1
    assert {name: count() - asked[name] for name, count in counters(marquee).items()} == {
        "screens find": 1,
        "emergencies find": 1,
        "screens bulk": 0,
    }


def counters(marquee):
    """Return functions that say how often MongoDB was asked."""

    def of(collection, operation):
        labels = {"collection": collection, "operation": operation}
        registry = marquee.metrics.registry
        return lambda: registry.get_sample_value("marquee_store_seconds_count", labels) or 0

    return {f"{c} {o}": of(c, o) for c, o in (("screens", "find"), ("emergencies", "find"), ("screens", "bulk"))}


def counted(marquee):
    return {name: count() for name, count in counters(marquee).items()}


async def test_under_load_batches_start_a_quarter_of_a_second_apart(marquee, stock):
    one = await stock.screen()
    asked, began = counted(marquee), time.perf_counter()

    async def beat(pause):
        await asyncio.sleep(pause)
        return await marquee.stores.beats.beat(one, {})

    await asyncio.gather(*(beat(n / 100) for n in range(100)))
    took = time.perf_counter() - began
    assert counted(marquee)["screens find"] - asked["screens find"] <= took / 0.25 + 1


async def test_a_beat_that_comes_after_a_while_does_not_wait_for_others(marquee, stock, clock, monkeypatch):
    one = await stock.screen()
    await marquee.stores.beats.beat(one, {})
    monkeypatch.setattr(beats, "APART_SECONDS", 3600)
    clock.advance(hours=1)
    async with asyncio.timeout(PATIENCE):
        await marquee.stores.beats.beat(one, {})


async def test_two_beats_of_one_screen_in_a_batch_become_one(marquee, stock, heard):
    one = await stock.screen()
    beat = marquee.stores.beats.beat
    await asyncio.gather(beat(one, {"status": "error", "appliedRevision": "a"}), beat(one, {"emergencyId": "e"}))
    kept = await stock.stored(one)
    assert (kept["status"], kept["appliedRevision"], kept["emergencyId"]) == ("online", "a", "e")
    assert told(heard, "screen.status") == []


async def test_a_screen_that_is_gone_is_refused_and_others_in_its_batch_are_not(marquee, stock):
    one = await stock.screen()
    answers = await asyncio.gather(
        marquee.stores.beats.beat(one, {}),
        marquee.stores.beats.beat(NOTHING, {}),
        return_exceptions=True,
    )
    assert isinstance(answers[0], str)
    assert isinstance(answers[1], Unauthenticated)
    assert await marquee.stores.absences._leases.held([one, NOTHING], marquee.clock.now()) == {one}


async def test_a_batch_that_fails_says_so_to_each_and_the_next_one_goes_on(marquee, stock, monkeypatch):
    screens = [await stock.screen(name) for name in "ab"]
    beat, collection = marquee.stores.beats.beat, marquee.stores.beats._screens

    async def away(*_args, **_options):
        raise Unavailable

    monkeypatch.setattr(collection, "find", away)
    answers = await asyncio.gather(*(beat(one, {}) for one in screens), return_exceptions=True)
    assert {type(answer) for answer in answers} == {Unavailable}
    monkeypatch.undo()
    assert await beat(screens[0], {})


async def test_beats_are_counted(api, editor, marquee, workspace):
    display, _ = await pair(api, editor, workspace)
    await display.beat()
    await display.beat()
    assert marquee.metrics.registry.get_sample_value("marquee_screen_beats_total") == 2


async def test_beats_of_two_processes_meet(api, editor, workspace, second):
    display, made = await pair(api, editor, workspace)
    api.base = f"http://127.0.0.1:{second.port}"
    await display.beat(nowPlaying=PLAYING)
    api.base = f"http://127.0.0.1:{api.port}"
    shown = await screen(api, editor, made["id"])
    assert (shown["status"], shown["nowPlaying"]) == ("online", PLAYING)
    assert await second.stores.absences._leases.held([made["id"]], second.clock.now()) == {made["id"]}


@pytest.fixture
def second(marquee, servers):
    """Another process's worth of the server on the same stores."""
    return servers()


async def test_the_time_of_the_last_beat_is_fresh_in_lists(api, editor, workspace):
    display, _ = await pair(api, editor, workspace)
    before = (await display.beat())["serverTime"]

    async def later():
        await display.beat()
        return (await api.get("/api/screens", as_=editor)).json["items"][0]["lastSeenAt"] > before

    assert await eventually(later)
