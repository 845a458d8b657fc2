"""Commands: from queued to their end, over disconnects, once."""

import asyncio

import pytest

from tests.api.commands import ONE, PNG, accept, finish, order, put_picture, read
from tests.api.displays import pair
from tests.api.stock import NOTHING, told
from tests.promptness import eventually

pytestmark = pytest.mark.usefixtures("jobs_by_hand")


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

    async def sent():  # told, not only written: one that was accepted in between is told as accepted alone
        return "sent" in [data["state"] for _, _, data in told(heard, "command.changed")]

    await eventually(sent)
    assert (await read(api, editor, command))["sentAt"] >= command["createdAt"]
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
