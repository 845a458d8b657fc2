"""`/ws/dashboard`: who may watch what, for how long, and revocation with and without Redis."""

import asyncio
from datetime import datetime

import pytest

from tests.api.displays import pair
from tests.clients import Api
from tests.promptness import within
from tests.realtime.wire import Wire


async def watch(api, person, workspace):
    """Open a dashboard's socket and watch `workspace`; return socket and reply."""
    socket = await api.socket("/ws/dashboard", as_=person)
    return socket, await socket.request("subscribe", {"workspaceId": workspace})


@pytest.fixture
def other(servers, marquee):
    """A second process on the same stores."""
    return servers()


async def test_a_viewer_watches_a_workspace_and_hears_what_happens_in_it(api, editor, viewer, workspace):
    socket, reply = await watch(api, viewer, workspace)

    _, screen = await pair(api, editor, workspace)
    heard = await socket.event("screen.paired")

    assert reply == {"reply": 1, "ok": True, "data": {}}
    assert heard["channel"] == f"workspace:{workspace}"
    assert heard["data"]["id"] == screen["id"]
    assert "offset" not in heard
    socket.close()


@pytest.mark.parametrize("who", ["stranger", "admin"])
async def test_who_is_no_member_is_told_that_there_is_nothing(request, api, workspace, who, stranger, admin):
    person = {"stranger": stranger, "admin": admin}[who]

    socket, reply = await watch(api, person, workspace)
    unknown = await socket.request("subscribe", {"workspaceId": "64f0c0ffee64f0c0ffee64f0"}, 2)

    assert (reply["ok"], reply["error"]["status"], reply["error"]["code"]) == (False, 404, "not_found")
    assert unknown["error"] == reply["error"]
    socket.close()


async def test_after_unsubscribing_nothing_comes(api, editor, viewer, workspace):
    socket, _ = await watch(api, viewer, workspace)

    await socket.request("unsubscribe", {"workspaceId": workspace}, 2)
    await pair(api, editor, workspace)
    await socket.send("ping", id_="after")

    assert (await socket.read())["reply"] == "after"
    socket.close()


async def test_what_happens_elsewhere_is_not_heard(api, owner, viewer, workspace):
    elsewhere = (await api.post("/api/workspaces", {"name": "Else"}, as_=owner)).json["id"]
    socket, _ = await watch(api, viewer, workspace)

    await pair(api, owner, elsewhere)
    await socket.send("ping", id_="after")

    assert (await socket.read())["reply"] == "after"
    socket.close()


async def test_a_membership_that_ends_ends_the_subscription_in_another_process(
    api, other, owner, editor, viewer, workspace
):
    there = Api(other.port)
    socket, _ = await watch(there, viewer, workspace)

    await api.delete(f"/api/workspaces/{workspace}/members/{viewer.id}", as_=owner)
    ended = await socket.event("unsubscribed")
    await pair(api, editor, workspace)
    await socket.send("ping", id_="after")

    assert ended["channel"] == f"workspace:{workspace}"
    assert ended["data"] == {"code": "forbidden"}
    assert (await socket.read())["reply"] == "after"
    refused = await socket.request("subscribe", {"workspaceId": workspace}, 3)
    assert refused["error"]["status"] == 404
    socket.close()
    there.close()


async def test_a_membership_that_begins_counts_on_an_open_socket(api, owner, stranger, workspace):
    socket, refused = await watch(api, stranger, workspace)

    joined = {"email": stranger.email, "role": "viewer"}
    await api.post(f"/api/workspaces/{workspace}/members", joined, as_=owner)
    reply = await socket.request("subscribe", {"workspaceId": workspace}, 2)

    assert (refused["ok"], reply["ok"]) == (False, True)
    socket.close()


async def test_watching_twice_is_hearing_once(api, editor, viewer, workspace):
    socket, _ = await watch(api, viewer, workspace)
    again = await socket.request("subscribe", {"workspaceId": workspace}, 2)

    await pair(api, editor, workspace)
    await socket.event("screen.paired")
    await socket.send("ping", id_="after")

    assert again["ok"]
    assert (await socket.until(lambda f: f.get("reply") == "after" or f.get("event") == "screen.paired"))[
        "reply"
    ] == "after"
    socket.close()


@pytest.fixture
def lonely(servers, marquee, own_redis):
    """Two processes whose Redis is gone, on the stores of `marquee`."""
    pair_of = [servers(redis_url=own_redis.url), servers(redis_url=own_redis.url)]
    own_redis.kill()
    return pair_of


async def test_without_redis_a_logout_closes_another_process_sockets_within_two_seconds(lonely, owner):
    here, there = (Api(one.port) for one in lonely)
    wire = await Wire.open(there.port, "/ws/dashboard", owner.token)
    assert (await wire.read())["event"] == "hello"

    assert (await here.post("/api/auth/logout", as_=owner)).status == 204
    with within(2.5):
        assert await wire.closed_with() == 4401

    assert (await there.get("/api/users/profile", as_=owner)).status == 401
    here.close()
    there.close()


async def test_without_redis_a_dashboard_hears_what_happens_in_its_own_process(lonely, editor, workspace):
    here = Api(lonely[0].port)
    socket, reply = await watch(here, editor, workspace)

    _, screen = await pair(here, editor, workspace)
    heard = await socket.event("screen.paired")

    assert reply["ok"]
    assert heard["data"]["id"] == screen["id"]
    socket.close()
    here.close()


async def test_when_somebody_leaves_it_is_kept_when_they_were_last_seen(api, owner, viewer, workspace, marquee):
    before = marquee.clock.now()
    socket, _ = await watch(api, viewer, workspace)
    async with asyncio.timeout(30):
        while viewer.id not in [u["id"] for u in (await api.get("/api/users/online", as_=owner)).json["items"]]:
            await asyncio.sleep(0.02)

    socket.close()
    async with asyncio.timeout(30):
        while (card := (await api.get(f"/api/users/{viewer.id}", as_=owner)).json)["status"] != "offline":
            await asyncio.sleep(0.02)
        while card["lastSeenAt"] is None:
            card = (await api.get(f"/api/users/{viewer.id}", as_=owner)).json
            await asyncio.sleep(0.02)

    assert datetime.fromisoformat(card["lastSeenAt"]) >= before
