"""Many screens at once: assignment and commands, with a result for each."""

import pytest

from tests.api.displays import pair, screen
from tests.api.stock import NOTHING, Stock, make_playlist, told

ASSIGN, COMMANDS = "/api/screens/assign", "/api/screens/commands"
UNKNOWN = {"status": 404, "code": "not_found", "detail": "There is no such screen in this workspace."}


@pytest.fixture
def stock(marquee, workspace):
    return Stock(marquee, workspace)


async def test_a_playlist_goes_to_many_and_one_failure_stops_no_other(
    api, owner, editor, marquee, workspace, stock, heard
):
    other = (await api.post("/api/workspaces", {"name": "Other"}, as_=owner)).json["id"]
    foreign = await Stock(marquee, other).screen()
    playlist = await make_playlist(api, editor, workspace, await stock.media())
    a, b, c = [await stock.screen(name) for name in "abc"]
    heard.clear()
    body = {"workspaceId": workspace, "screenIds": [b, NOTHING, a, foreign], "playlistId": playlist["id"]}
    reply = await api.post(ASSIGN, body, as_=editor)

    assert reply.status == 200
    assert reply.json == {
        "results": [
            {"screenId": b, "ok": True},
            {"screenId": NOTHING, "ok": False, "error": UNKNOWN},
            {"screenId": a, "ok": True},
            {"screenId": foreign, "ok": False, "error": UNKNOWN},
        ]
    }
    shown = {one: (await screen(api, owner, one)) for one in (a, b, c, foreign)}
    assert {one: each["playlistId"] for one, each in shown.items()} == {
        a: playlist["id"],
        b: playlist["id"],
        c: None,
        foreign: None,
    }
    assert shown[a]["version"] == 2
    assert shown[a]["revision"] == shown[b]["revision"] != shown[c]["revision"]
    assert {data["id"] for _, _, data in told(heard, "screen.updated")} == {a, b}
    assert {channel for _, channel, _ in told(heard, "manifest.changed")} == {f"screen:{a}", f"screen:{b}"}

    cleared = await api.post(ASSIGN, body | {"playlistId": None, "screenIds": [a]}, as_=editor)
    assert cleared.json == {"results": [{"screenId": a, "ok": True}]}
    assert (await screen(api, owner, a))["playlistId"] is None


async def test_a_tag_names_many(api, editor, workspace, stock):
    playlist = await make_playlist(api, editor, workspace, await stock.media())
    tagged = {await stock.screen(name, tags=["roof", name]) for name in "ab"}
    await stock.screen("c", tags=["Roof", "roof2"])
    body = {"workspaceId": workspace, "tag": "roof"}
    assigned = await api.post(ASSIGN, body | {"playlistId": playlist["id"]}, as_=editor)
    assert {result["screenId"] for result in assigned.json["results"] if result["ok"]} == tagged
    commanded = await api.post(COMMANDS, body | {"name": "reload"}, as_=editor)
    assert {result["screenId"] for result in commanded.json["results"] if result["ok"]} == tagged
    nobody = await api.post(COMMANDS, body | {"tag": "cellar", "name": "reload"}, as_=editor)
    assert (nobody.status, nobody.json) == (202, {"results": []})


async def test_a_command_goes_to_many_of_one_workspace(api, owner, editor, marquee, workspace, stock, heard):
    a, b = [await stock.screen(name, tags=["roof"]) for name in "ab"]
    other = (await api.post("/api/workspaces", {"name": "Other"}, as_=owner)).json["id"]
    foreign = await Stock(marquee, other).screen(tags=["roof"])
    body = {"workspaceId": workspace, "screenIds": [a, foreign, b], "name": "volume", "args": {"volume": 3}}
    reply = await api.post(COMMANDS, body | {"expiresIn": 60}, as_=editor)
    assert reply.status == 202
    first, unknown, second = reply.json["results"]
    assert unknown == {"screenId": foreign, "ok": False, "error": UNKNOWN}
    for result, one in ((first, a), (second, b)):
        assert (result["ok"], result["screenId"]) == (True, one)
        command = (await api.get(f"{COMMANDS}/{result['commandId']}", as_=editor)).json
        assert (command["screenId"], command["args"], command["state"]) == (one, {"volume": 3}, "queued")
    assert {channel for _, channel, _ in told(heard, "command")} == {f"screen:{a}", f"screen:{b}"}

    tagged = await api.post(COMMANDS, {"workspaceId": workspace, "tag": "roof", "name": "reload"}, as_=owner)
    assert {result["screenId"] for result in tagged.json["results"]} == {a, b}


async def test_a_repeated_request_with_one_key_commands_once(api, editor, marquee, workspace, stock):
    screens = [await stock.screen(name) for name in "abc"]
    body = {"workspaceId": workspace, "screenIds": screens, "name": "reload"}
    key = {"Idempotency-Key": "k"}
    first = await api.post(COMMANDS, body, as_=editor, headers=key)
    # As a process leaves it that died between its write and its answer.
    lost = {"$set": {"answer": None, "busyUntil": marquee.clock.now()}}
    await marquee.ground.collection("idempotency").update_all({}, lost)
    second = await api.post(COMMANDS, body, as_=editor, headers=key)
    assert first.json == second.json
    assert await marquee.ground.collection("commands").count({}) == 3


async def test_five_hundred_at_once_are_taken_and_no_more(api, editor, workspace, stock):
    screens = [await stock.screen(f"{n}") for n in range(3)] + [f"{n:024x}" for n in range(497)]
    body = {"workspaceId": workspace, "screenIds": screens, "playlistId": None}
    reply = await api.post(ASSIGN, body, as_=editor)
    assert [result["screenId"] for result in reply.json["results"]] == screens
    assert sum(result["ok"] for result in reply.json["results"]) == 3
    assert (await api.post(ASSIGN, body | {"screenIds": [*screens, NOTHING]}, as_=editor)).status == 422


async def test_exactly_one_way_of_naming_is_taken(api, editor, workspace, stock):
    one = await stock.screen()
    for path, what in ((ASSIGN, {"playlistId": None}), (COMMANDS, {"name": "reload"})):
        body = {"workspaceId": workspace, **what}
        for wrong in (
            {},
            {"screenIds": [one], "tag": "a"},
            {"screenIds": []},
            {"screenIds": [one, one]},
            {"screenIds": one},
            {"tag": ""},
            {"tag": None},
            {"screenIds": [one], "workspaceId": None},
        ):
            assert (await api.post(path, body | wrong, as_=editor)).status == 422, (path, wrong)
        no_workspace = {"screenIds": [one], **what}
        assert (await api.post(path, no_workspace, as_=editor)).status == 422


async def test_a_wrong_playlist_or_command_stops_all(api, editor, workspace, stock):
    one = await stock.screen()
    named = {"workspaceId": workspace, "screenIds": [one]}
    reply = await api.post(ASSIGN, named | {"playlistId": NOTHING}, as_=editor)
    assert (reply.status, reply.json["errors"][0]["path"]) == (422, "playlistId")
    assert (await api.post(ASSIGN, named, as_=editor)).status == 422
    assert (await api.post(COMMANDS, named | {"name": "explode"}, as_=editor)).status == 422
    assert (await api.post(COMMANDS, named | {"name": "volume"}, as_=editor)).status == 422


async def test_rights_are_looked_at_before_anything_else(api, viewer, stranger, workspace, stock):
    one = await stock.screen()
    for path, what in ((ASSIGN, {"playlistId": None}), (COMMANDS, {"name": "reload"})):
        body = {"workspaceId": workspace, "screenIds": [one], **what}
        assert (await api.post(path, body)).status == 401
        assert (await api.post(path, body, as_=viewer)).status == 403
        assert (await api.post(path, body, as_=stranger)).status == 404


async def test_a_real_screen_gets_what_was_sent_to_many(api, editor, workspace):
    display, _ = await pair(api, editor, workspace, tags=["roof"])
    body = {"workspaceId": workspace, "tag": "roof", "name": "identify", "args": {"durationMs": 5000}}
    sent = (await api.post(COMMANDS, body, as_=editor)).json["results"]
    assert [each["id"] for each in (await display.beat())["commands"]] == [sent[0]["commandId"]]
