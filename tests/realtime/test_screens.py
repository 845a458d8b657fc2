"""`/ws/screen` on the real stores: what a display hears, what it says, and that it has one connection."""

import asyncio
import json

import pytest

from core.events import screen_channel
from tests.api.displays import Display, pair
from tests.api.displays import screen as shown
from tests.clients import Api
from tests.promptness import eventually, within
from tests.realtime.proxy import Proxy
from tests.realtime.wire import Wire, masked


@pytest.fixture
def display(io_loop, api, editor, workspace):
    """A display that is paired as a screen of `workspace`."""

    async def make():
        made, _ = await pair(api, editor, workspace)
        return made

    return io_loop.run_sync(make)


async def connected(port, display):
    """Open the screen's socket; return it with the hello's and the first manifest.changed's data."""
    wire = await Wire.open(port, "/ws/screen", display.screen.token)
    hello, manifest = await wire.read(), await wire.read()
    assert (hello["event"], manifest["event"]) == ("hello", "manifest.changed")
    return wire, hello["data"], manifest["data"]


async def event(wire, name):
    """Return the next event called `name`."""
    while (frame := await wire.read()).get("event") != name:
        pass
    return frame


async def asked(wire, type_, **data):
    """Send a frame and return its reply."""
    await wire.send({"id": "q", "type": type_, "data": data})
    while (frame := await wire.read()).get("reply") != "q":
        pass
    return frame


async def command(api, person, display, name="identify", **more):
    """Order a command; return it."""
    reply = await api.post(f"/api/screens/{display.screen.id}/commands", {"name": name, **more}, as_=person)
    assert reply.status == 202, reply.body
    return reply.json


async def state_of(api, person, ordered):
    reply = await api.get(f"/api/screens/commands/{ordered['id']}", as_=person)
    return reply.json["state"]


async def test_a_screen_is_greeted_and_told_its_revision(marquee, api, display):
    _, hello, manifest = await connected(marquee.port, display)
    held = (await api.get("/api/display/manifest", as_=display.screen)).json

    assert hello["screen"] == {"id": display.screen.id}
    assert hello["limits"]["screenHeartbeatSeconds"] == 15
    assert manifest == {"revision": held["revision"]}


async def test_a_persons_token_is_4401_on_a_screens_socket(marquee, owner):
    wire = await Wire.open(marquee.port, "/ws/screen", owner.token)

    assert await wire.closed_with() == 4401


async def test_a_heartbeat_answers_the_revision_and_brings_the_screen_online(marquee, api, editor, display):
    wire, _, manifest = await connected(marquee.port, display)

    reply = await asked(wire, "heartbeat", appliedRevision=manifest["revision"], metrics={"cpu": 0.5, "freeMb": 100})
    now = await shown(api, editor, display.screen.id)

    assert reply["ok"] is True
    assert reply["data"]["revision"] == manifest["revision"]
    assert reply["data"]["serverTime"].endswith("Z")
    assert (now["status"], now["inSync"]) == ("online", True)


@pytest.mark.parametrize(
    "beat",
    [
        {"status": "offline"},
        {"status": None},
        {"appliedRevision": {"$ne": None}},
        {"metrics": {"a": "b"}},
        {"metrics": {"a": True}},
        {"metrics": {str(n): n for n in range(51)}},
        {"nowPlaying": {}},
        {"nowPlaying": {"itemId": "i", "mediaId": "m", "startedAt": "yesterday"}},
        {"unknown": 1},
        {"reason": "a\x00b"},
    ],
    ids=lambda beat: json.dumps(beat)[:40],
)
async def test_a_wrong_heartbeat_is_422(marquee, display, beat):
    wire, _, _ = await connected(marquee.port, display)

    reply = await asked(wire, "heartbeat", **beat)

    assert (reply["ok"], reply["error"]["status"]) == (False, 422)


async def test_a_change_of_what_is_shown_reaches_the_screen_in_another_process(
    marquee, servers_two, api, editor, display
):
    wire, _, before = await connected(servers_two.port, display)

    await api.patch(f"/api/screens/{display.screen.id}", {"volume": 7}, as_=editor)
    changed = await event(wire, "manifest.changed")

    assert changed["data"]["revision"] != before["revision"]
    assert changed["channel"] == screen_channel(display.screen.id)


@pytest.fixture
def servers_two(servers, marquee):
    """A second process on the same stores."""
    return servers()


async def test_a_command_goes_to_the_live_screen_and_its_state_is_followed(marquee, api, editor, display):
    wire, _, _ = await connected(marquee.port, display)

    ordered = await command(api, editor, display, args={"durationMs": 1000})
    heard = await event(wire, "command")
    await eventually(lambda: _is(api, editor, ordered, "sent"))
    accepted = await asked(wire, "command.accept", commandId=ordered["id"])
    result = {"ok": True, "result": {"shown": 1}}
    done = await asked(wire, "command.result", commandId=ordered["id"], **result)
    again = await asked(wire, "command.result", commandId=ordered["id"], **result)

    assert heard["data"].keys() == {"id", "name", "args", "expiresAt"}
    assert (heard["data"]["id"], heard["data"]["name"]) == (ordered["id"], "identify")
    assert accepted["data"]["state"] == "accepted"
    assert (done["data"]["state"], again["ok"]) == ("done", True)
    assert await state_of(api, editor, ordered) == "done"


async def test_a_command_of_another_screen_is_404(marquee, api, editor, workspace, display):
    other, _ = await pair(api, editor, workspace, "Other")
    wire, _, _ = await connected(marquee.port, display)
    ordered = await command(api, editor, other)

    reply = await asked(wire, "command.accept", commandId=ordered["id"])

    assert reply["error"]["status"] == 404


async def test_commands_survive_a_disconnect_and_come_after_the_manifest(marquee, api, editor, display):
    ordered = [await command(api, editor, display), await command(api, editor, display, "reload")]

    wire, _, _ = await connected(marquee.port, display)
    heard = [await wire.read(), await wire.read()]
    await asked(wire, "command.result", commandId=ordered[0]["id"], ok=False)
    wire.hang_up()
    again, _, _ = await connected(marquee.port, display)

    assert [frame["data"]["id"] for frame in heard] == [each["id"] for each in ordered]
    assert (await event(again, "command"))["data"]["id"] == ordered[1]["id"]
    assert await state_of(api, editor, ordered[0]) == "failed"
    await eventually(lambda: _is(api, editor, ordered[1], "sent"))


async def test_a_newer_connection_replaces_the_older_in_the_same_process(marquee, display):
    older, _, _ = await connected(marquee.port, display)
    newer, _, _ = await connected(marquee.port, display)

    assert await older.closed_with() == 4409
    assert (await asked(newer, "ping"))["ok"]


async def test_a_newer_connection_replaces_the_older_in_another_process(marquee, servers_two, display):
    older, _, _ = await connected(marquee.port, display)
    newer, _, _ = await connected(servers_two.port, display)

    assert await older.closed_with() == 4409
    assert (await asked(newer, "ping"))["ok"]


async def test_of_many_connections_at_the_same_moment_exactly_one_stays(marquee, servers_two, display):
    ports = [marquee.port, servers_two.port] * 5
    opened = await asyncio.gather(*(Wire.open(port, "/ws/screen", display.screen.token) for port in ports))

    ends = {asyncio.ensure_future(wire.closed_with()): wire for wire in opened}
    ended, left = set(), set(ends)
    while len(left) > 1:
        done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        ended |= done
    _, left = await asyncio.wait(left, timeout=0.5)

    assert [end.result() for end in ended] == [4409] * 9
    assert len(left) == 1, "the last one stays"
    left.pop().cancel()


async def test_deleting_a_screen_closes_its_socket_in_another_process(marquee, servers_two, api, editor, display):
    wire, _, _ = await connected(servers_two.port, display)

    assert (await api.delete(f"/api/screens/{display.screen.id}", as_=editor)).status == 204
    with within(2):
        assert await wire.closed_with() == 4401


async def test_new_hardware_ends_the_old_credential_and_its_own_connection_stays(
    marquee, api, editor, workspace, display
):
    old, _, _ = await connected(marquee.port, display)
    hardware = Display(api)
    code = await hardware.show_code()
    reply = await api.post("/api/screens/pair", {"code": code, "screenId": display.screen.id}, as_=editor)
    assert reply.status == 201, reply.body
    await hardware.collect()
    new, _, _ = await connected(marquee.port, hardware)

    assert await old.closed_with() in {4401, 4409}
    for _ in range(12):  # the poll of MongoDB names the revocation for seconds
        await asyncio.sleep(0.25)
        assert (await asked(new, "ping"))["ok"]
    refused = await Wire.open(marquee.port, "/ws/screen", display.screen.token)
    assert await refused.closed_with() == 4401


async def test_a_silent_heartbeat_without_an_id_gets_no_reply(marquee, display):
    wire, _, _ = await connected(marquee.port, display)

    await wire.send({"type": "heartbeat", "data": {}})
    await wire.send({"id": "after", "type": "ping"})

    assert (await wire.read())["reply"] == "after"


async def test_a_dashboard_on_another_process_sees_a_screen_come_online(
    marquee, servers_two, api, editor, workspace, display
):
    watcher = Api(servers_two.port)
    dashboard = await watcher.socket("/ws/dashboard", as_=editor)
    await dashboard.request("subscribe", {"workspaceId": workspace})
    wire, _, manifest = await connected(marquee.port, display)

    await asked(wire, "heartbeat", appliedRevision=manifest["revision"])
    status = await dashboard.event("screen.status")
    sync = await dashboard.event("screen.sync")

    assert (status["data"]["screenId"], status["data"]["status"]) == (display.screen.id, "online")
    assert status["channel"] == f"workspace:{workspace}"
    assert sync["data"]["inSync"] is True
    dashboard.close()
    watcher.close()


async def test_a_screen_that_hangs_up_politely_is_not_offline_before_its_lease_ends(marquee, api, editor, display):
    wire, _, _ = await connected(marquee.port, display)
    await asked(wire, "heartbeat")
    wire.writer.write(masked((1000).to_bytes(2), 0x8))
    await wire.reader.read()

    assert (await shown(api, editor, display.screen.id))["status"] == "online"


async def _is(api, person, ordered, state):
    return await state_of(api, person, ordered) == state


@pytest.fixture
def shaky(io_loop, servers, marquee, own_redis):
    """Two processes, of which the second's way to their Redis can be cut."""
    proxy = Proxy(own_redis.port)
    io_loop.run_sync(proxy.start)
    yield servers(redis_url=own_redis.url), servers(redis_url=f"redis://127.0.0.1:{proxy.port}/0"), proxy
    io_loop.run_sync(proxy.cut)


async def test_a_command_that_was_lost_between_the_processes_comes_when_the_way_is_free(shaky, editor, display):
    here, there, proxy = shaky
    wire, _, _ = await connected(there.port, display)
    await asked(wire, "ping")  # who has just come looks for commands; that is over now
    ordering = Api(here.port)
    await proxy.cut()

    ordered = await command(ordering, editor, display)
    await asyncio.sleep(0.2)
    assert await state_of(ordering, editor, ordered) == "queued"
    await proxy.mend()

    assert (await event(wire, "command"))["data"]["id"] == ordered["id"]
    ordering.close()
