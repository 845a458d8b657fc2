"""What emergencies do to screens: targets, counts, rank, their end, and the events on the way."""

import asyncio
from datetime import timedelta

import pytest

from core.validation import parse_moment
from tests.api.stock import Stock, item, make_playlist, move_clock, raise_emergency, told

pytestmark = pytest.mark.usefixtures("jobs_by_hand")

EMERGENCIES = "/api/emergencies"
COUNTS = ("targets", "showing", "pending", "offline")


@pytest.fixture
def stock(marquee, workspace):
    return Stock(marquee, workspace)


@pytest.fixture
def later_server(marquee, servers):
    """Another process's worth of the server on the same stores."""
    return servers()


async def counts(api, person, emergency):
    reply = await api.get(f"{EMERGENCIES}/{emergency['id']}", as_=person)
    return tuple(reply.json[name] for name in COUNTS)


# --- targets --------------------------------------------------------------------------------------------------------


async def test_it_reaches_its_targets_and_no_other_screen(api, editor, workspace, stock, heard):
    a, b, c = [await stock.screen(name, tags=tags) for name, tags in (("A", ["x"]), ("B", ["x", "y"]), ("C", []))]
    for named, targets in (({"screenIds": [a, c]}, {a, c}), ({"tag": "x"}, {a, b}), ({}, {a, b, c})):
        before = {screen: (await stock.stored(screen))["revision"] for screen in (a, b, c)}
        heard.clear()
        made = await raise_emergency(api, editor, workspace, **named)
        after = {screen: (await stock.stored(screen))["revision"] for screen in (a, b, c)}

        assert made["targets"] == len(targets)
        assert {screen for screen in after if after[screen] != before[screen]} == targets
        pushed = {channel: data["revision"] for _, channel, data in told(heard, "manifest.changed")}
        assert pushed == {f"screen:{screen}": after[screen] for screen in targets}
        assert {data["screenId"] for _, _, data in told(heard, "screen.sync")} == targets
        assert [event.type for event in heard][-1] == "emergency.started"
        await api.delete(f"{EMERGENCIES}/{made['id']}", as_=editor)


async def test_a_screen_that_gets_the_tag_later_is_a_target_too(api, editor, workspace, stock):
    screen = await stock.screen()
    made = await raise_emergency(api, editor, workspace, tag="roof")
    assert await counts(api, editor, made) == (0, 0, 0, 0)
    before = await stock.stored(screen)

    await stock.set(screen, tags=["roof"])
    await stock.marquee.stores.revisions.refresh({"_id": screen})

    assert await counts(api, editor, made) == (1, 0, 1, 0)
    assert (await stock.stored(screen))["revision"] != before["revision"]


async def test_screens_of_another_workspace_are_left_alone(api, owner, workspace, stock, marquee):
    other = Stock(marquee, (await api.post("/api/workspaces", {"name": "Other"}, as_=owner)).json["id"])
    screen = await other.screen(tags=["x"])
    before = await other.stored(screen)
    made = [await raise_emergency(api, owner, workspace, **named) for named in ({}, {"tag": "x"})]

    assert [each["targets"] for each in made] == [0, 0]
    assert await other.stored(screen) == before


# --- counts ---------------------------------------------------------------------------------------------------------


async def test_counts_are_what_screens_report(api, editor, workspace, stock):
    online, broken, offline, fresh = [
        await stock.screen(status=status) for status in ("online", "error", "offline", "connecting")
    ]
    made = await raise_emergency(api, editor, workspace)
    assert await counts(api, editor, made) == (4, 0, 2, 2)

    for screen in (online, broken, offline):  # the offline one said so before it was cut off
        await stock.set(screen, emergencyId=made["id"])
    assert await counts(api, editor, made) == (4, 2, 0, 2)

    await stock.set(online, emergencyId=None)
    await stock.set(fresh, status="online", emergencyId="another")
    assert await counts(api, editor, made) == (4, 1, 2, 1)


async def test_progress_is_told_when_the_counts_have_changed_and_not_again(api, editor, workspace, stock, heard):
    first, second = await stock.screen(), await stock.screen()
    made = await raise_emergency(api, editor, workspace)
    emergencies = stock.marquee.stores.emergencies
    heard.clear()

    assert await emergencies.report_progress() == 0
    await stock.set(first, emergencyId=made["id"])
    assert await emergencies.report_progress() == 1
    assert await emergencies.report_progress() == 0
    await stock.set(first, status="offline")
    await stock.set(second, emergencyId=made["id"])
    assert await emergencies.report_progress() == 1

    progress = told(heard, "emergency.progress")
    assert [channel for _, channel, _ in progress] == [f"workspace:{workspace}"] * 2
    assert [tuple(data[name] for name in COUNTS) for _, _, data in progress] == [(2, 1, 1, 0), (2, 1, 0, 1)]


async def test_two_reports_at_once_tell_once(api, editor, workspace, stock, heard):
    screen = await stock.screen()
    made = await raise_emergency(api, editor, workspace)
    await stock.set(screen, emergencyId=made["id"])
    told_by = await asyncio.gather(*(stock.marquee.stores.emergencies.report_progress() for _ in range(4)))

    assert sum(told_by) == 1
    assert len(told(heard, "emergency.progress")) == 1


# --- rank -----------------------------------------------------------------------------------------------------------


async def test_the_highest_level_is_shown_then_the_newest_and_then_the_next(api, editor, workspace, stock):
    media = await stock.media()
    playlist = await make_playlist(api, editor, workspace, media)
    screen = await stock.screen(playlistId=playlist["id"])

    async def shown():
        manifest = await stock.manifest(screen)
        assert manifest["playlist"]["items"][0]["mediaId"] == media  # to go back to, offline too
        assert manifest["revision"] == (await stock.stored(screen))["revision"]
        return manifest["emergency"] and manifest["emergency"]["title"]

    assert await shown() is None
    made = {}
    for title, level, expected in (
        ("first", "warning", "first"),
        ("lower", "info", "first"),
        ("newer", "warning", "newer"),
        ("top", "critical", "top"),
        ("after", "warning", "top"),
    ):
        await asyncio.sleep(0.002)  # startedAt has milliseconds
        made[title] = await raise_emergency(api, editor, workspace, title=title, level=level)
        assert await shown() == expected
    for title, expected in (
        ("top", "after"),
        ("newer", "after"),
        ("after", "first"),
        ("first", "lower"),
        ("lower", None),
    ):
        assert (await api.delete(f"{EMERGENCIES}/{made[title]['id']}", as_=editor)).status == 204
        assert await shown() == expected


# --- the end --------------------------------------------------------------------------------------------------------


async def test_ending_gives_the_playlist_back_and_the_emergency_stays_readable(api, editor, workspace, stock, heard):
    screen = await stock.screen()
    before = await stock.stored(screen)
    made = await raise_emergency(api, editor, workspace)
    path = f"{EMERGENCIES}/{made['id']}"
    await stock.set(screen, emergencyId=made["id"])
    heard.clear()
    reply = await api.delete(path, as_=editor)
    await stock.set(screen, emergencyId=None)
    read = (await api.get(path, as_=editor)).json

    assert (reply.status, reply.body) == (204, b"")
    assert made["startedAt"] <= read["endedAt"] < made["expiresAt"]
    assert [read[name] for name in COUNTS] == [1, 1, 0, 0]  # as it was when it ended
    stored = await stock.stored(screen)
    assert (stored["revision"], stored["inSync"]) == (before["revision"], True)
    assert [event.type for event in heard] == ["manifest.changed", "screen.sync", "emergency.ended"]
    assert heard[-1].data == read | {name: parse_moment(read[name]) for name in ("startedAt", "expiresAt", "endedAt")}


async def test_ending_twice_is_ending_once(api, editor, workspace, heard):
    made = await raise_emergency(api, editor, workspace)
    path = f"{EMERGENCIES}/{made['id']}"
    replies = await asyncio.gather(*(api.delete(path, as_=editor) for _ in range(3)))
    ended = (await api.get(path, as_=editor)).json
    assert (await api.delete(path, as_=editor)).status == 204

    assert [reply.status for reply in replies] == [204] * 3
    assert (await api.get(path, as_=editor)).json == ended
    assert len(told(heard, "emergency.ended")) == 1


async def test_it_ends_by_itself(api, editor, workspace, stock, marquee, heard):
    screen = await stock.screen()
    before = await stock.stored(screen)
    short, long = [await raise_emergency(api, editor, workspace, expiresIn=seconds) for seconds in (60, 3600)]
    expires = parse_moment(short["expiresAt"])
    emergencies = marquee.stores.emergencies
    heard.clear()

    assert await emergencies.end_expired(expires - timedelta(milliseconds=1)) == 0
    assert sorted(await asyncio.gather(*(emergencies.end_expired(expires) for _ in range(3)))) == [0, 0, 1]
    assert await emergencies.end_expired(expires) == 0
    assert (await api.get(f"{EMERGENCIES}/{short['id']}", as_=editor)).json["endedAt"] == short["expiresAt"]
    assert (await api.get(f"{EMERGENCIES}/{long['id']}", as_=editor)).json["endedAt"] is None
    assert [data["id"] for _, _, data in told(heard, "emergency.ended")] == [short["id"]]

    assert await emergencies.end_expired(expires + timedelta(days=1)) == 1
    assert (await stock.stored(screen))["revision"] == before["revision"]


async def test_one_that_has_run_out_reads_as_ended_before_the_job_says_so(api, editor, workspace, marquee):
    made = await raise_emergency(api, editor, workspace, expiresIn=60)
    path = f"{EMERGENCIES}/{made['id']}"
    move_clock(marquee, 61)

    assert (await api.get(path, as_=editor)).json["endedAt"] == made["expiresAt"]
    assert (await api.delete(path, as_=editor)).status == 204
    assert (await api.get(path, as_=editor)).json["endedAt"] == made["expiresAt"]


async def test_it_survives_a_restart_and_is_found_by_a_screen_that_was_away(
    api, editor, workspace, stock, later_server
):
    screen = await stock.screen(status="offline")
    made = await raise_emergency(api, editor, workspace)
    another = Stock(later_server, workspace)

    assert (await another.manifest(screen))["emergency"]["id"] == made["id"]
    assert await another.marquee.stores.emergencies.end_expired(parse_moment(made["expiresAt"])) == 1


async def test_a_deleted_workspace_takes_its_emergencies_along(api, owner, workspace, marquee):
    made = await raise_emergency(api, owner, workspace)

    assert (await api.delete(f"/api/workspaces/{workspace}", as_=owner)).status == 204
    assert await marquee.ground.collection("emergencies").get({"_id": made["id"]}) is None


# --- preview --------------------------------------------------------------------------------------------------------


async def test_a_preview_looks_back_and_ahead(api, editor, workspace, stock):
    media = await stock.media()
    playlist = await make_playlist(api, editor, workspace, items=[item(media, validTo="2999-01-01T00:00:00Z")])
    screen = await stock.screen(playlistId=playlist["id"])
    made = await raise_emergency(api, editor, workspace, expiresIn=60)
    started, expires = (parse_moment(made[name]) for name in ("startedAt", "expiresAt"))
    await api.delete(f"{EMERGENCIES}/{made['id']}", as_=editor)
    running = await raise_emergency(api, editor, workspace, level="critical", expiresIn=60)

    async def at(moment=None):
        preview = await stock.preview(screen, moment)
        return preview["emergency"] and preview["emergency"]["id"], preview["item"] and preview["item"]["mediaId"]

    assert await at() == (running["id"], None)
    assert await at(started) == (made["id"], None)
    assert await at(started - timedelta(seconds=1)) == (None, media)
    assert await at(expires + timedelta(seconds=60)) == (None, media)
    assert await at(parse_moment("2999-01-01T00:00:00Z")) == (None, None)
