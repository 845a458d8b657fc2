"""Commands: from queued to their end, over disconnects, once."""

import asyncio
import hashlib

import pytest

from tests.api.displays import eventually, pair
from tests.api.stock import NOTHING, move_clock, told

pytestmark = pytest.mark.usefixtures("jobs_by_hand")

ONE = "/api/screens/commands"


async def order(api, person, screen_id, name="reload", **more):
    """Send a command; return it."""
    reply = await api.post(f"/api/screens/{screen_id}/commands", {"name": name, **more}, as_=person)
    assert reply.status == 202, reply.body
    return reply.json


async def read(api, person, command):
    return (await api.get(f"{ONE}/{command['id']}", as_=person)).json


async def accept(api, display, command):
    return await api.post(f"/api/display/commands/{command['id']}/accept", as_=display.screen)


async def finish(api, display, command, **body):
    return await api.post(f"/api/display/commands/{command['id']}/result", body, as_=display.screen)


# --- ordering -------------------------------------------------------------------------------------------------------


async def test_a_command_is_answered_at_once_and_waits(api, editor, workspace, heard):
    _, made = await pair(api, editor, workspace)
    reply = await api.post(f"/api/screens/{made['id']}/commands", {"name": "reload"}, as_=editor)
    command = reply.json
    assert reply.status == 202
    assert reply.headers["Location"] == f"{ONE}/{command['id']}"
    times = {name: command.pop(name) for name in ("createdAt", "expiresAt")}
    assert command == {
        "id": command["id"],
        "screenId": made["id"],
        "name": "reload",
        "args": {},
        "state": "queued",
        "sentAt": None,
        "acceptedAt": None,
        "finishedAt": None,
        "result": None,
        "createdBy": editor.id,
    }
    assert await read(api, editor, command) == command | times
    (_, channel, data) = told(heard, "command")[0]
    assert channel == f"screen:{made['id']}"
    assert set(data) == {"id", "name", "args", "expiresAt"}
    (_, channel, data) = told(heard, "command.changed")[0]
    assert (channel, data["state"]) == (f"workspace:{workspace}", "queued")


async def test_each_name_takes_its_own_arguments(api, editor, workspace):
    _, made = await pair(api, editor, workspace)
    path = f"/api/screens/{made['id']}/commands"
    good = (
        {"name": "reload"},
        {"name": "identify"},
        {"name": "identify", "args": {"durationMs": 5000}},
        {"name": "screenshot", "args": {}},
        {"name": "volume", "args": {"volume": 0}},
        {"name": "clearCache", "expiresIn": 1},
        {"name": "reboot", "expiresIn": 86_400},
    )
    for body in good:
        assert (await api.post(path, body, as_=editor)).status == 202, body
    wrong = (
        ({}, "name"),
        ({"name": "explode"}, "name"),
        ({"name": "reload", "args": {"x": 1}}, "args.x"),
        ({"name": "reload", "args": []}, "args"),
        ({"name": "identify", "args": {"durationMs": 1}}, "args.durationMs"),
        ({"name": "volume"}, "args.volume"),
        ({"name": "volume", "args": {"volume": 101}}, "args.volume"),
        ({"name": "volume", "args": {"volume": "5"}}, "args.volume"),
        ({"name": "reload", "expiresIn": 0}, "expiresIn"),
        ({"name": "reload", "expiresIn": 86_401}, "expiresIn"),
    )
    for body, field in wrong:
        reply = await api.post(path, body, as_=editor)
        assert (reply.status, reply.json["errors"][0]["path"]) == (422, field), body


async def test_a_screens_commands_are_listed_newest_first(api, editor, viewer, workspace):
    _, made = await pair(api, editor, workspace)
    sent = []
    for _ in range(5):
        sent.insert(0, (await order(api, editor, made["id"]))["id"])
        await asyncio.sleep(0.002)
    path = f"/api/screens/{made['id']}/commands?limit=3"
    first = (await api.get(path, as_=viewer)).json
    rest = (await api.get(f"{path}&cursor={first['next']}", as_=viewer)).json
    assert [each["id"] for each in first["items"] + rest["items"]] == sent
    assert (first["total"], rest["next"]) == (5, None)


async def test_a_command_is_seen_by_members_only(api, editor, viewer, stranger, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"])
    assert (await api.get(f"{ONE}/{command['id']}", as_=viewer)).status == 200
    assert (await api.get(f"{ONE}/{command['id']}", as_=stranger)).status == 404
    assert (await api.get(f"{ONE}/{NOTHING}", as_=viewer)).status == 404
    assert (await api.get(f"{ONE}/{command['id']}", as_=display.screen)).status == 401


# --- delivery and states --------------------------------------------------------------------------------------------


async def test_a_connected_screen_gets_it_at_once_and_takes_it_from_sent_to_done(api, editor, workspace, heard):
    display, made = await pair(api, editor, workspace)
    socket = await api.socket("/ws/screen", as_=display.screen)
    await socket.event("manifest.changed")
    command = await order(api, editor, made["id"], "volume", args={"volume": 5})
    got = (await socket.event("command"))["data"]
    assert got == {name: command[name] for name in ("id", "name", "args", "expiresAt")}

    async def sent():
        found = await read(api, editor, command)
        return found["state"] == "sent" and found

    assert (await eventually(sent))["sentAt"] >= command["createdAt"]
    accepted = (await socket.request("command.accept", {"commandId": command["id"]}))["data"]
    assert (accepted["state"], accepted["finishedAt"]) == ("accepted", None)
    result = {"commandId": command["id"], "ok": True, "result": {"volume": 5}}
    done = (await socket.request("command.result", result))["data"]
    assert (done["state"], done["result"]) == ("done", {"volume": 5})
    assert done["createdAt"] <= done["sentAt"] <= done["acceptedAt"] <= done["finishedAt"]
    assert await read(api, editor, command) == done
    states = [data["state"] for _, _, data in told(heard, "command.changed")]
    assert states == ["queued", "sent", "accepted", "done"]
    socket.close()


async def test_a_command_survives_a_disconnect_and_comes_with_the_next_connect(api, editor, workspace):
    display, made = await pair(api, editor, workspace)
    first, second = [await order(api, editor, made["id"], name) for name in ("reload", "clearCache")]
    socket = await api.socket("/ws/screen", as_=display.screen)
    got = [(await socket.event("command"))["data"]["id"] for _ in range(2)]
    assert got == [first["id"], second["id"]]
    await socket.request("command.accept", {"commandId": first["id"]})
    await socket.request("command.result", {"commandId": second["id"], "ok": True})
    socket.close()

    again = await api.socket("/ws/screen", as_=display.screen)
    assert (await again.event("command"))["data"]["id"] == first["id"]
    assert (await again.request("ping"))["reply"] == 1  # and no other command before this
    again.close()


async def test_beats_bring_what_is_not_finished_where_sockets_do_not_pass(api, editor, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "identify", args={"durationMs": 1000})
    wanted = {name: command[name] for name in ("id", "name", "args", "expiresAt")}
    assert (await display.beat())["commands"] == [wanted]
    assert (await read(api, editor, command))["state"] == "sent"
    assert (await display.beat())["commands"] == [wanted]
    assert (await accept(api, display, command)).json["state"] == "accepted"
    assert (await display.beat())["commands"] == [wanted]
    assert (await finish(api, display, command, ok=True)).json["state"] == "done"
    assert (await display.beat())["commands"] == []


async def test_a_failure_is_told_with_its_result(api, editor, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"])
    reply = await finish(api, display, command, ok=False, result={"$why": "no.thing", "code": 2**53, "list": [1]})
    assert (reply.status, reply.json["state"]) == (200, "failed")
    assert reply.json["result"] == {"$why": "no.thing", "code": 2**53, "list": [1]}
    assert await read(api, editor, command) == reply.json


async def test_repeated_reports_are_fine_and_change_nothing(api, editor, workspace, heard):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"])
    once = [(await accept(api, display, command)).json for _ in range(2)]
    assert once[0] == once[1]
    assert once[0]["sentAt"] == once[0]["acceptedAt"]  # it has it, so it was sent
    done = (await finish(api, display, command, ok=True, result={"n": 1})).json
    for body in ({"ok": True, "result": {"n": 1}}, {"ok": False, "result": {"n": 2}}, {"ok": True}):
        assert (await finish(api, display, command, **body)).json == done
    late = await accept(api, display, command)
    assert (late.status, late.json) == (200, done)
    assert [data["state"] for _, _, data in told(heard, "command.changed")] == ["queued", "accepted", "done"]


async def test_reports_at_once_have_one_winner(api, editor, workspace, heard):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"])
    replies = await asyncio.gather(*(finish(api, display, command, ok=True, result={"n": n}) for n in range(8)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.json["result"]["n"] for reply in replies}) == 1
    assert [data["state"] for _, _, data in told(heard, "command.changed")] == ["queued", "done"]


async def test_results_are_objects_of_four_kibibytes(api, editor, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"])
    for body in (
        {},
        {"ok": "yes"},
        {"ok": True, "result": "text"},
        {"ok": True, "result": [1]},
        {"ok": True, "extra": 1},
        {"ok": True, "result": {"text": "x" * 4096}},
    ):
        assert (await finish(api, display, command, **body)).status == 422, str(body)[:40]
    assert (await finish(api, display, command, ok=True, result={"text": "x" * (4096 - 11)})).status == 200


async def test_the_commands_of_another_screen_are_not_there(api, editor, workspace):
    mine, _ = await pair(api, editor, workspace)
    other, made = await pair(api, editor, workspace, name="Other")
    command = await order(api, editor, made["id"], "screenshot")
    assert (await accept(api, mine, command)).status == 404
    assert (await finish(api, mine, command, ok=True)).status == 404
    assert (await put_picture(api, mine, command, PNG)).status == 404
    assert (await accept(api, mine, {"id": NOTHING})).status == 404
    assert (await mine.beat())["commands"] == []
    assert (await read(api, editor, command))["state"] == "queued"
    assert (await accept(api, other, command)).status == 200


# --- the end --------------------------------------------------------------------------------------------------------


async def test_an_expired_command_is_not_delivered_and_its_result_comes_too_late(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    queued, accepted = [await order(api, editor, made["id"]) for _ in range(2)]
    await accept(api, display, accepted)
    finished = await order(api, editor, made["id"])
    done = (await finish(api, display, finished, ok=True)).json
    kept = await order(api, editor, made["id"], expiresIn=3600)
    move_clock(marquee, 301)

    assert [each["id"] for each in (await display.beat())["commands"]] == [kept["id"]]
    for command in (queued, accepted):
        shown = await read(api, editor, command)
        assert (shown["state"], shown["finishedAt"]) == ("expired", command["expiresAt"])
        for reply in (await finish(api, display, command, ok=True), await accept(api, display, command)):
            assert (reply.status, reply.code) == (409, "conflict")
    repeated = await finish(api, display, finished, ok=True)
    assert (repeated.status, repeated.json) == (200, done)


async def test_the_job_writes_what_has_expired_and_tells_of_it_once(api, editor, marquee, workspace, heard):
    display, made = await pair(api, editor, workspace)
    commands = [await order(api, editor, made["id"]) for _ in range(3)]
    await finish(api, display, commands[0], ok=True)
    later = await order(api, editor, made["id"], expiresIn=900)
    heard.clear()
    move_clock(marquee, 301)
    counts = await asyncio.gather(*(marquee.stores.commands.expire(marquee.clock.now()) for _ in range(3)))
    assert sum(counts) == 2
    assert await marquee.stores.commands.expire(marquee.clock.now()) == 0
    assert {(data["id"], data["state"]) for _, _, data in told(heard, "command.changed")} == {
        (command["id"], "expired") for command in commands[1:]
    }
    states = [(await read(api, editor, command))["state"] for command in [*commands, later]]
    assert states == ["done", "expired", "expired", "queued"]


async def test_old_commands_are_swept_with_their_pictures(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    await put_picture(api, display, command, PNG)
    await order(api, editor, made["id"])
    sweep = marquee.stores.commands.sweep
    assert await sweep(marquee.clock.now()) == 0
    assert stored_files(marquee) == 1
    move_clock(marquee, 31 * 86_400)
    assert await sweep(marquee.clock.now()) == 2
    assert stored_files(marquee) == 0


# --- screenshots ----------------------------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100
PICTURES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + b"y" * 100,
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8 " + b"z" * 100,
}
MOST = 5 << 20


async def put_picture(api, display, command, content, **headers):
    path = f"/api/display/commands/{command['id']}/screenshot"
    return await api.put(path, raw=content, as_=display.screen, headers=headers)


def stored_files(marquee):
    return sum(1 for path in (marquee.settings.data_dir / "media").rglob("*") if path.is_file())


def half_files(marquee):
    return list((marquee.settings.data_dir / "incoming").iterdir())


@pytest.mark.parametrize("kind", PICTURES)
async def test_a_screenshot_is_handed_in_and_seen_under_a_signed_address(api, editor, marquee, workspace, kind):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    await accept(api, display, command)
    content = PICTURES[kind]
    handed = await put_picture(api, display, command, content, **{"Content-Type": "application/octet-stream"})
    assert handed.status == 200
    done = (await finish(api, display, command, ok=True, result={"width": 10})).json
    assert done["result"]["width"] == 10
    url = done["result"]["url"]
    assert url.startswith(f"/media/{hashlib.sha256(content).hexdigest()}.")
    picture = await api.get(url)
    assert (picture.status, picture.headers["Content-Type"], picture.body) == (200, kind, content)
    assert (await api.get(url.partition("?")[0])).status == 403
    assert (await read(api, editor, command))["result"] == done["result"]
    assert half_files(marquee) == []


async def test_a_screenshot_may_have_five_mebibytes(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    largest = PNG + b"\0" * (MOST - len(PNG))
    refused = await put_picture(api, display, command, largest + b"\0")
    assert (refused.status, refused.code) == (413, "too_large")
    assert (await put_picture(api, display, command, largest)).status == 200
    assert half_files(marquee) == []


async def test_a_chunked_screenshot_that_grows_too_large_is_refused(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")

    async def pieces(write):
        for _ in range(MOST // 65_536 + 2):
            await write(b"\x89PNG\r\n\x1a\n" + b"\0" * 65_528)

    path = f"/api/display/commands/{command['id']}/screenshot"
    refused = await api.put(path, as_=display.screen, body_producer=pieces)
    assert (refused.status, refused.code) == (413, "too_large")

    async def gone():
        return not half_files(marquee)

    await eventually(gone)


async def test_what_is_no_picture_is_refused(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    for content in (b"", b"hello", b"<svg/>", b"GIF89a" + b"x" * 99, b"\0\0\0\x18ftypisom\0\0\0\0isom"):
        refused = await put_picture(api, display, command, content, **{"Content-Type": "image/png"})
        assert (refused.status, refused.code) == (415, "unsupported_type"), content
    encoded = await put_picture(api, display, command, PNG, **{"Content-Encoding": "gzip"})
    assert encoded.status == 415
    assert (await read(api, editor, command))["result"] is None
    assert half_files(marquee) == []
    assert stored_files(marquee) == 0


async def test_a_screenshot_is_taken_again_but_not_after_the_end(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    for content in (PNG, PNG, PNG + b"2"):
        assert (await put_picture(api, display, command, content)).status == 200
    assert stored_files(marquee) == 1  # the first one went when nobody needed it any more
    await finish(api, display, command, ok=True)
    assert (await put_picture(api, display, command, PNG + b"2")).status == 200
    assert (await put_picture(api, display, command, PNG)).status == 409

    reload = await order(api, editor, made["id"], "reload")
    assert (await put_picture(api, display, reload, PNG)).status == 409
    late = await order(api, editor, made["id"], "screenshot")
    move_clock(marquee, 301)
    assert (await put_picture(api, display, late, PNG)).status == 409


async def test_two_screens_with_one_picture_share_the_file(api, editor, marquee, workspace):
    paired = [await pair(api, editor, workspace, name=name) for name in "ab"]
    for display, made in paired:
        await put_picture(api, display, await order(api, editor, made["id"], "screenshot"), PNG)
    assert stored_files(marquee) == 1
    await api.delete(f"/api/screens/{paired[0][1]['id']}", as_=editor)
    assert stored_files(marquee) == 1
    await api.delete(f"/api/screens/{paired[1][1]['id']}", as_=editor)
    assert stored_files(marquee) == 0


async def test_only_the_screen_itself_hands_in(api, editor, workspace):
    _, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    path = f"/api/display/commands/{command['id']}/screenshot"
    assert (await api.put(path, raw=PNG, as_=editor)).status == 401
    assert (await api.put(path, raw=PNG)).status == 401
