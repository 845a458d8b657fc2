"""Screens as operators look after them: lists, edits, assignment, deletion, and what the screens hear of it."""

import asyncio

import pytest

from tests.api.displays import Display, pair, screen
from tests.api.stock import NOTHING, Stock, make_playlist, raise_emergency, told
from tests.promptness import PATIENCE, within

SCREENS = "/api/screens"


@pytest.fixture
def stock(marquee, workspace):
    return Stock(marquee, workspace)


async def names(api, person, workspace, query=""):
    """Return the names of the screens that a query lists."""
    reply = await api.get(f"{SCREENS}?workspaceId={workspace}{query}", as_=person)
    assert reply.status == 200, reply.body
    return [each["name"] for each in reply.json["items"]]


# --- lists ----------------------------------------------------------------------------------------------------------


async def test_lists_filter_by_status_tag_playlist_and_sync(api, viewer, workspace, stock):
    await stock.screen("A", tags=["roof", "Hall"], playlistId=NOTHING)
    await stock.screen("B", status="offline", tags=["roof2"])
    lagging = await stock.screen("C", status="error")
    await stock.set(lagging, inSync=False)
    for query, expected in (
        ("", ["A", "B", "C"]),
        ("&status=online", ["A"]),
        ("&status=offline", ["B"]),
        ("&status=error", ["C"]),
        ("&status=connecting", []),
        ("&tag=roof", ["A"]),
        ("&tag=hall", []),
        ("&tag=hall&sort=-createdAt", []),
        (f"&playlistId={NOTHING}", ["A"]),
        ("&inSync=true", ["A", "B"]),
        ("&inSync=false", ["C"]),
        ("&inSync=true&status=offline", ["B"]),
    ):
        assert await names(api, viewer, workspace, query) == expected, query


async def test_search_looks_at_name_location_and_tags(api, viewer, workspace, stock):
    await stock.screen("Window", location="Main hall", tags=["glass"])
    await stock.screen("Desk", location="Roof (.*)", tags=["wood"])
    for search, expected in (
        ("WIND", ["Window"]),
        ("hall", ["Window"]),
        ("gla", ["Window"]),
        ("(.*)", ["Desk"]),
        ("%2e%2a", ["Desk"]),
        ("o", ["Desk", "Window"]),
        ("nowhere", []),
    ):
        assert await names(api, viewer, workspace, f"&search={search}") == expected, search


async def test_lists_sort_both_ways_and_page_through(api, viewer, workspace, stock):
    for name, status in (("b", "online"), ("A", "offline"), ("c", "error"), ("a", "connecting"), ("D", "error")):
        await stock.screen(name, status=status)
        await asyncio.sleep(0.002)  # lists by time need times that differ
    for sort, expected in (
        ("name", ["Aa", "b", "c", "D"]),
        ("createdAt", ["b", "A", "c", "a", "D"]),
        ("lastSeenAt", ["b", "A", "c", "a", "D"]),
        ("status", ["a", "Dc", "A", "b"]),
    ):
        up, down = [await all_pages(api, viewer, workspace, way) for way in (sort, f"-{sort}")]
        assert up == down[::-1]
        # Screens that the sort does not tell apart stand together, in an order that stays.
        places = iter(up)
        assert ["".join(sorted(next(places) for _ in group)) for group in expected] == expected, sort


async def all_pages(api, person, workspace, sort):
    """Return the names of all screens, two a page."""
    found, cursor = [], ""
    while cursor is not None:
        path = f"{SCREENS}?workspaceId={workspace}&limit=2&sort={sort}{cursor and '&cursor=' + cursor}"
        page = (await api.get(path, as_=person)).json
        assert page["total"] == 5
        found += [each["name"] for each in page["items"]]
        cursor = page["next"]
    return found


async def test_without_a_workspace_the_list_covers_all_of_ones_own(api, owner, stranger, marquee, workspace, stock):
    other = (await api.post("/api/workspaces", {"name": "Other"}, as_=owner)).json["id"]
    await stock.screen("A")
    await Stock(marquee, other).screen("B")
    assert [each["name"] for each in (await api.get(SCREENS, as_=owner)).json["items"]] == ["A", "B"]
    assert (await api.get(SCREENS, as_=stranger)).json == {"items": [], "next": None, "total": 0}
    assert (await api.get(f"{SCREENS}?workspaceId={workspace}", as_=stranger)).status == 404
    assert (await api.get(SCREENS)).status == 401


async def test_unknown_repeated_and_malformed_parameters_are_refused(api, viewer):
    for query in (
        "status=gone",
        "inSync=yes",
        "sort=volume",
        "limit=0",
        "limit=101",
        "cursor=x",
        "tags=a",
        "tag=",
        "status=online&status=offline",
        "search=",
    ):
        assert (await api.get(f"{SCREENS}?{query}", as_=viewer)).status == 422, query


# --- one screen -----------------------------------------------------------------------------------------------------


async def test_a_screen_is_edited_field_by_field(api, editor, workspace, heard):
    _, made = await pair(api, editor, workspace)
    path = f"{SCREENS}/{made['id']}"
    version = 1
    for change in (
        {"name": "Window"},
        {"location": "Hall"},
        {"location": ""},
        {"tags": ["a", "b"]},
        {"orientation": "portrait"},
        {"timezone": "Asia/Kathmandu"},
        {"volume": 0},
        {"name": "$set", "tags": ["$where"], "volume": 7},
    ):
        version += 1
        reply = await api.patch(path, change, as_=editor)
        assert reply.status == 200
        assert {name: reply.json[name] for name in change} == change
        assert (reply.json["version"], reply.headers["ETag"]) == (version, f'"{version}"')
        assert await screen(api, editor, made["id"]) == reply.json
        _, channel, event = told(heard, "screen.updated")[-1]
        assert (channel, event["version"]) == (f"workspace:{workspace}", version)


async def test_bad_edits_are_refused(api, editor, workspace):
    _, made = await pair(api, editor, workspace)
    for wrong in (
        {"name": ""},
        {"name": None},
        {"tags": [""]},
        {"tags": ["a", "a"]},
        {"tags": ["x"] * 21},
        {"orientation": "upside down"},
        {"timezone": "CET+1"},
        {"volume": 101},
        {"volume": -1},
        {"volume": 50.5},
        {"volume": True},
        {"status": "online"},
        {"playlistId": None},
        {"version": 3},
        {"workspaceId": NOTHING},
    ):
        assert (await api.patch(f"{SCREENS}/{made['id']}", wrong, as_=editor)).status == 422, wrong
    assert await screen(api, editor, made["id"]) == made


async def test_an_edit_of_another_version_is_refused(api, editor, workspace):
    _, made = await pair(api, editor, workspace)
    path = f"{SCREENS}/{made['id']}"
    calls = (
        ("PATCH", path, {"name": "X"}),
        ("PUT", f"{path}/playlist", {"playlistId": None}),
        ("DELETE", path, None),
    )
    for method, where, body in calls:
        refused = await api.ask(method, where, body, editor, headers={"If-Match": '"9"'})
        assert (refused.status, refused.code) == (412, "version_mismatch")
    assert await screen(api, editor, made["id"]) == made
    for version, (method, where, body) in enumerate(calls, 1):
        reply = await api.ask(method, where, body, editor, headers={"If-Match": f'"{version}"'})
        assert reply.status in {200, 204}, reply.body


async def test_heartbeats_do_not_raise_the_version(api, editor, workspace):
    display, made = await pair(api, editor, workspace)
    await display.beat(status="error", reason="hot", appliedRevision="x", nowPlaying=None)
    assert (await screen(api, editor, made["id"]))["version"] == made["version"]


async def test_rights_follow_the_role_and_strangers_see_nothing(api, editor, viewer, stranger, workspace):
    _, made = await pair(api, editor, workspace)
    one = f"{SCREENS}/{made['id']}"
    reads = ("", "/commands", "/history", "/preview")
    writes = (
        ("PATCH", "", {"name": "X"}),
        ("PUT", "/playlist", {"playlistId": None}),
        ("POST", "/commands", {"name": "reload"}),
        ("DELETE", "", None),
    )
    for path in reads:
        assert (await api.get(one + path, as_=viewer)).status == 200
        for person, where in ((stranger, one), (viewer, f"{SCREENS}/{NOTHING}")):
            reply = await api.get(where + path, as_=person)
            assert (reply.status, reply.code) == (404, "not_found"), path
    for method, path, body in writes:
        assert (await api.ask(method, one + path, body, viewer)).status == 403
        assert (await api.ask(method, one + path, body, stranger)).status == 404
        assert (await api.ask(method, f"{SCREENS}/{NOTHING}{path}", body, editor)).status == 404
        assert (await api.ask(method, one + path, body)).status == 401
    assert await screen(api, editor, made["id"]) == made


async def test_a_deleted_screen_takes_its_credential_commands_and_history_along(api, editor, marquee, workspace, heard):
    display, made = await pair(api, editor, workspace)
    await display.beat()
    await api.post(f"{SCREENS}/{made['id']}/commands", {"name": "reload"}, as_=editor)
    socket = await api.socket("/ws/screen", as_=display.screen)
    await socket.event("command")

    assert (await api.delete(f"{SCREENS}/{made['id']}", as_=editor)).status == 204
    assert await socket.closed() == 4401
    socket.close()
    assert (await api.post("/api/display/heartbeat", {}, as_=display.screen)).status == 401
    assert (await api.get(f"{SCREENS}/{made['id']}", as_=editor)).status == 404
    assert (await api.delete(f"{SCREENS}/{made['id']}", as_=editor)).status == 404
    assert told(heard, "screen.deleted") == [
        ("screen.deleted", f"workspace:{workspace}", {"screenId": made["id"]}),
    ]
    for name in ("screens", "commands", "statuses"):
        assert await marquee.ground.collection(name).count({}) == 0, name
    keys = [key async for key in marquee.redis.client.scan_iter(f"{marquee.settings.redis_prefix}:*beats*")]
    assert keys == []


async def test_the_other_process_hears_of_the_deletion_too(api, editor, workspace, other_process):
    display, made = await pair(api, editor, workspace)
    api.port = other_process.port
    socket = await api.socket("/ws/screen", as_=display.screen)
    await socket.event("manifest.changed")
    with within(2):
        await api.delete(f"{SCREENS}/{made['id']}", as_=editor)
        assert await asyncio.wait_for(socket.closed(), PATIENCE) == 4401
    socket.close()
    api.base = f"http://127.0.0.1:{other_process.port}"
    assert (await api.get("/api/display/manifest", as_=display.screen)).status == 401


@pytest.fixture
def other_process(marquee, servers):
    """Another process's worth of the server on the same stores."""
    return servers()


async def test_a_workspace_goes_with_its_screens_only_by_force(api, owner, marquee, workspace):
    display, made = await pair(api, owner, workspace)
    path = f"/api/workspaces/{workspace}"
    refused = await api.delete(path, as_=owner)
    assert (refused.status, refused.code) == (409, "in_use")
    assert refused.json["usedBy"] == [{"type": "screen", "id": made["id"], "name": "Lobby"}]
    assert (await api.delete(f"{path}?force=true", as_=owner)).status == 204
    assert (await api.get("/api/display/manifest", as_=display.screen)).status == 401
    assert await marquee.ground.collection("screens").count({}) == 0


# --- what it shows --------------------------------------------------------------------------------------------------


async def test_a_playlist_is_assigned_and_cleared(api, editor, workspace, stock, heard):
    display, made = await pair(api, editor, workspace)
    playlist = await make_playlist(api, editor, workspace, await stock.media())
    path = f"{SCREENS}/{made['id']}/playlist"
    heard.clear()
    shown = (await api.put(path, {"playlistId": playlist["id"]}, as_=editor)).json

    assert (shown["playlistId"], shown["version"]) == (playlist["id"], 2)
    assert shown["revision"] != made["revision"]
    assert [(type_, channel) for type_, channel, _ in told(heard, "manifest.changed", "screen.sync")] == [
        ("manifest.changed", f"screen:{made['id']}"),
        ("screen.sync", f"workspace:{workspace}"),
    ]
    assert told(heard, "manifest.changed")[0][2] == {"revision": shown["revision"]}
    assert told(heard, "screen.updated")[-1][2]["revision"] == shown["revision"]
    manifest = (await api.get("/api/display/manifest", as_=display.screen)).json
    assert (manifest["revision"], manifest["playlist"]["id"]) == (shown["revision"], playlist["id"])

    cleared = (await api.put(path, {"playlistId": None}, as_=editor)).json
    assert (cleared["playlistId"], cleared["revision"]) == (None, made["revision"])


async def test_only_a_playlist_of_the_same_workspace_is_taken(api, owner, marquee, workspace):
    _, made = await pair(api, owner, workspace)
    other = (await api.post("/api/workspaces", {"name": "Other"}, as_=owner)).json["id"]
    foreign = await make_playlist(api, owner, other, await Stock(marquee, other).media())
    for wrong in (foreign["id"], NOTHING):
        reply = await api.put(f"{SCREENS}/{made['id']}/playlist", {"playlistId": wrong}, as_=owner)
        assert (reply.status, reply.json["errors"][0]["path"]) == (422, "playlistId")
    for body in ({}, {"playlistId": 7}, {"playlistId": ""}):
        assert (await api.put(f"{SCREENS}/{made['id']}/playlist", body, as_=owner)).status == 422
    assert await screen(api, owner, made["id"]) == made


async def test_a_playlist_deleted_while_it_is_assigned_never_dangles(api, editor, workspace, stock):
    _, made = await pair(api, editor, workspace)
    media = await stock.media()
    for _ in range(5):
        playlist = await make_playlist(api, editor, workspace, media)
        await asyncio.gather(
            api.put(f"{SCREENS}/{made['id']}/playlist", {"playlistId": playlist["id"]}, as_=editor),
            api.delete(f"/api/playlists/{playlist['id']}?force=true", as_=editor),
        )
        held = (await screen(api, editor, made["id"]))["playlistId"]
        assert held is None or (await api.get(f"/api/playlists/{held}", as_=editor)).status == 200


async def test_what_is_shown_changes_the_revision_and_names_do_not(api, editor, workspace, heard):
    _, made = await pair(api, editor, workspace)
    path, known = f"{SCREENS}/{made['id']}", {made["revision"]}
    for change in ({"volume": 3}, {"orientation": "portrait"}, {"timezone": "Asia/Tokyo"}):
        revision = (await api.patch(path, change, as_=editor)).json["revision"]
        assert revision not in known, change
        known.add(revision)
    heard.clear()
    for change in ({"name": "X"}, {"location": "Y"}, {"tags": ["z"]}):
        assert (await api.patch(path, change, as_=editor)).json["revision"] == revision
    assert told(heard, "manifest.changed") == []


async def test_a_tag_brings_an_emergency_and_takes_it_away(api, editor, workspace):
    _, made = await pair(api, editor, workspace)
    await raise_emergency(api, editor, workspace, tag="roof")
    path = f"{SCREENS}/{made['id']}"
    alarmed = (await api.patch(path, {"tags": ["roof"]}, as_=editor)).json
    assert alarmed["revision"] != made["revision"]
    assert (await api.patch(path, {"tags": []}, as_=editor)).json["revision"] == made["revision"]


async def test_a_screen_paired_into_an_emergency_wants_it_at_once(api, editor, workspace):
    _, before = await pair(api, editor, workspace)
    emergency = await raise_emergency(api, editor, workspace)
    display, made = await pair(api, editor, workspace, name="Second")
    assert made["revision"] != before["revision"]
    manifest = (await api.get("/api/display/manifest", as_=display.screen)).json
    assert (manifest["revision"], manifest["emergency"]["id"]) == (made["revision"], emergency["id"])


# --- preview --------------------------------------------------------------------------------------------------------


async def test_the_preview_says_what_should_be_on_and_why(api, viewer, editor, workspace, stock):
    _, made = await pair(api, editor, workspace)
    media = await stock.media()
    late = {"mediaId": media, "validFrom": "2030-01-01T00:00:00Z"}
    playlist = await make_playlist(api, editor, workspace, items=[{"mediaId": media}, late])
    await api.put(f"{SCREENS}/{made['id']}/playlist", {"playlistId": playlist["id"]}, as_=editor)
    path = f"{SCREENS}/{made['id']}/preview"

    now = (await api.get(path, as_=viewer)).json
    assert now["playlist"] == {"id": playlist["id"], "name": "Day", "version": 1}
    assert now["item"]["id"] == playlist["items"][0]["id"]
    assert now["item"]["url"].startswith("/media/")
    assert now["emergency"] is None
    assert now["why"]
    assert len(now["rejected"]) == 1

    then = (await api.get(f"{path}?at=2031-01-01T00:00:00%2B01:00", as_=viewer)).json
    assert then["at"] == "2030-12-31T23:00:00.000Z"
    assert then["rejected"] == []

    emergency = await raise_emergency(api, editor, workspace)
    alarmed = (await api.get(path, as_=viewer)).json
    assert (alarmed["emergency"]["id"], alarmed["item"]) == (emergency["id"], None)
    assert (await api.get(f"{path}?at=tomorrow", as_=viewer)).status == 422


async def test_the_preview_knows_what_the_screen_said_just_now(api, editor, workspace, stock):
    display, made = await pair(api, editor, workspace)
    media = [await stock.media(name) for name in ("a", "b")]
    playlist = await make_playlist(api, editor, workspace, *media)
    await api.put(f"{SCREENS}/{made['id']}/playlist", {"playlistId": playlist["id"]}, as_=editor)
    second = playlist["items"][1]
    started = (await display.beat())["serverTime"]
    await display.beat(nowPlaying={"itemId": second["id"], "mediaId": second["mediaId"], "startedAt": started})
    shown = (await api.get(f"{SCREENS}/{made['id']}/preview", as_=editor)).json
    assert shown["item"]["id"] == second["id"]


async def test_two_displays_make_two_screens(api, editor, workspace):
    first, second = Display(api), Display(api)
    codes = [await first.show_code(), await second.show_code()]
    assert codes[0] != codes[1]
    made = [
        await api.post(f"{SCREENS}/pair", {"code": c, "name": "S", "workspaceId": workspace}, editor) for c in codes
    ]
    assert (await first.collect()).id == made[0].json["id"]
    assert (await second.collect()).id == made[1].json["id"]
