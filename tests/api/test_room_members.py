"""Who is in a room, with which role, and what moderators and owners do with members."""

import asyncio
import time
from datetime import timedelta

import pytest

from core.clock import rfc3339
from tests.api.rooms import join, make_room, say, sent
from tests.api.stock import NOTHING, told


@pytest.fixture
def people(io_loop, api, admin):
    """Five people by name: an owner, a moderator, two members and a stranger."""

    async def come():
        return {name: await api.person(name) for name in ("olga", "mia", "ann", "bob", "stan")}

    return io_loop.run_sync(come)


@pytest.fixture
def lobby(io_loop, api, people):
    """A public room: olga owns it, mia moderates, ann and bob are members."""

    async def make():
        room = await make_room(api, people["olga"], members=[people[name] for name in ("mia", "ann", "bob")])
        path = f"/api/rooms/{room['id']}/members/{people['mia'].id}"
        assert (await api.put(path, {"role": "moderator"}, as_=people["olga"])).status == 200
        return room

    return io_loop.run_sync(make)


async def roles(api, room, person):
    """Return the members' names with their roles."""
    reply = await api.get(f"/api/rooms/{room['id']}/members", as_=person)
    return {member["username"]: member["role"] for member in reply.json["items"]}


async def test_members_are_listed_with_their_roles(api, people, lobby):
    reply = await api.get(f"/api/rooms/{lobby['id']}/members?limit=1", as_=people["stan"])

    assert reply.json["total"] == 4
    assert await roles(api, lobby, people["ann"]) == {
        "olga": "owner",
        "mia": "moderator",
        "ann": "member",
        "bob": "member",
    }


@pytest.mark.parametrize(
    ("who", "target", "change", "status"),
    [
        ("olga", "ann", {"role": "moderator"}, 200),
        ("olga", "ann", {"role": "owner"}, 200),
        ("olga", "mia", {"role": "member"}, 200),
        ("olga", "olga", {"role": "member"}, 409),
        ("mia", "ann", {"role": "moderator"}, 403),
        ("mia", "mia", {"role": "owner"}, 403),
        ("ann", "ann", {"role": "owner"}, 403),
        ("stan", "ann", {"role": "moderator"}, 403),
        ("olga", "mia", {"mutedUntil": "2100-01-01T00:00:00Z"}, 200),
        ("mia", "ann", {"mutedUntil": "2100-01-01T00:00:00Z"}, 200),
        ("mia", "olga", {"mutedUntil": "2100-01-01T00:00:00Z"}, 403),
        ("mia", "mia", {"mutedUntil": "2100-01-01T00:00:00Z"}, 403),
        ("ann", "bob", {"mutedUntil": "2100-01-01T00:00:00Z"}, 403),
        ("olga", "stan", {}, 200),
        ("olga", "stan", {"role": "moderator"}, 200),
        ("mia", "stan", {}, 200),
        ("mia", "stan", {"role": "owner"}, 403),
        ("ann", "stan", {}, 403),
        ("stan", "stan", {}, 403),
        ("olga", "nobody", {}, 404),
        ("olga", "ann", {"role": "king"}, 422),
        ("olga", "ann", {"mutedUntil": "soon"}, 422),
        ("olga", "ann", {"lastReadSeq": 5}, 422),
    ],
)
async def test_roles_decide_who_changes_whom(api, people, lobby, who, target, change, status):
    user_id = people[target].id if target in people else NOTHING
    reply = await api.put(f"/api/rooms/{lobby['id']}/members/{user_id}", change, as_=people[who])

    assert reply.status == status
    if status == 200:
        assert reply.json["userId"] == user_id
        assert {name: reply.json[name] for name in change} == {
            name: value.replace("00Z", "00.000Z") if name == "mutedUntil" else value for name, value in change.items()
        }


@pytest.mark.parametrize(
    ("who", "target", "status"),
    [
        ("olga", "mia", 204),
        ("olga", "ann", 204),
        ("mia", "ann", 204),
        ("mia", "olga", 403),
        ("ann", "bob", 403),
        ("ann", "ann", 204),
        ("stan", "ann", 403),
        ("olga", "stan", 404),
        ("olga", "nobody", 404),
    ],
)
async def test_roles_decide_who_removes_whom(api, people, lobby, who, target, status, heard):
    user_id = people[target].id if target in people else NOTHING
    reply = await api.delete(f"/api/rooms/{lobby['id']}/members/{user_id}", as_=people[who])

    assert reply.status == status
    left = [sent(data) for _, _, data in told(heard, "member.left")]
    removed = [channel for _, channel, _ in told(heard, "room.removed")]
    assert left == ([{"userId": user_id, "memberCount": 3}] if status == 204 else [])
    assert removed == ([f"user:{user_id}"] if status == 204 else [])


async def test_who_is_brought_in_is_told(api, people, lobby, heard):
    attic = await make_room(api, people["olga"], "attic", "private")
    path = f"/api/rooms/{attic['id']}"
    assert (await api.get(path, as_=people["ann"])).status == 404
    heard.clear()
    reply = await api.put(f"{path}/members/{people['ann'].id}", {"role": "moderator"}, as_=people["olga"])

    assert (reply.status, reply.json["role"]) == (200, "moderator")
    ((_, channel, joined),) = told(heard, "member.joined")
    assert channel == f"room:{attic['id']}"
    assert sent(joined) == {"userId": people["ann"].id, "role": "moderator", "mutedUntil": None, "memberCount": 2}
    ((_, channel, created),) = told(heard, "room.created")
    assert channel == f"user:{people['ann'].id}"
    assert sent(created)["room"] == (await api.get(path, as_=people["ann"])).json


async def test_who_leaves_is_a_stranger_then(api, people, lobby):
    attic = await make_room(api, people["olga"], "attic", "private", members=[people["ann"]])
    message = await say(api, people["ann"], room=attic)
    assert (await api.post(f"/api/rooms/{attic['id']}/leave", as_=people["ann"])).status == 204

    for path in (f"rooms/{attic['id']}", f"messages/{message['id']}", f"messages?room={attic['id']}"):
        assert (await api.get(f"/api/{path}", as_=people["ann"])).status == 404
    assert (await api.delete(f"/api/messages/{message['id']}", as_=people["ann"])).status == 404
    assert (await api.post(f"/api/rooms/{attic['id']}/join", as_=people["ann"])).status == 404
    assert (await api.get("/api/messages/search?q=Hello", as_=people["ann"])).json["items"] == []


async def test_a_moderator_inherits_a_room_or_the_longest_member(api, people, lobby, heard):
    path = f"/api/rooms/{lobby['id']}/leave"
    await join(api, lobby, people["stan"])
    heard.clear()
    assert (await api.post(path, as_=people["olga"])).status == 204

    assert await roles(api, lobby, people["ann"]) == {
        "mia": "owner",
        "ann": "member",
        "bob": "member",
        "stan": "member",
    }
    ((_, _, data),) = told(heard, "member.updated")
    assert sent(data) == {"userId": people["mia"].id, "role": "owner", "mutedUntil": None}
    assert (await api.post(path, as_=people["mia"])).status == 204
    found = await roles(api, lobby, people["ann"])
    assert sorted(found.values()) == ["member", "member", "owner"]
    assert found["stan"] == "member"


async def test_all_leave_at_once_and_the_room_still_has_an_owner(api, people, lobby):
    for name in ("mia", "ann"):
        path = f"/api/rooms/{lobby['id']}/members/{people[name].id}"
        assert (await api.put(path, {"role": "owner"}, as_=people["olga"])).status == 200
    leavers = [people[name] for name in ("olga", "mia", "ann")]
    replies = await asyncio.gather(*(api.post(f"/api/rooms/{lobby['id']}/leave", as_=one) for one in leavers))

    assert {reply.status for reply in replies} == {204}
    assert await roles(api, lobby, people["bob"]) == {"bob": "owner"}


async def test_a_private_room_ends_with_its_last_member(api, people, marquee):
    attic = await make_room(api, people["olga"], "attic", "private")
    assert (await api.post(f"/api/rooms/{attic['id']}/leave", as_=people["olga"])).status == 204

    stored = await marquee.ground.collection("rooms").get({"_id": attic["id"]})
    assert stored["deletedAt"] is not None


async def test_a_public_room_without_members_stays_open(api, people):
    room = await make_room(api, people["olga"], "hall")
    await api.post(f"/api/rooms/{room['id']}/leave", as_=people["olga"])

    await join(api, room, people["ann"])
    assert await roles(api, room, people["ann"]) == {"ann": "member"}


async def test_a_deleted_account_leaves_its_rooms_and_what_it_wrote_stays(api, admin, people, lobby):
    message = await say(api, people["olga"], room=lobby)
    direct = await make_room(api, people["olga"], kind="direct", members=[people["ann"]])
    assert (await api.delete(f"/api/users/{people['olga'].id}", as_=admin)).status == 204

    found = await roles(api, lobby, people["ann"])
    assert "olga" not in found
    assert sorted(found.values()).count("owner") == 1
    members = (await api.get("/api/rooms/general/members", as_=admin)).json["items"]
    assert people["olga"].id not in {member["userId"] for member in members}
    assert (await api.get(f"/api/rooms/{direct['id']}", as_=people["ann"])).json["memberCount"] == 2
    await asyncio.sleep(0)
    assert (await api.get(f"/api/messages/{message['id']}", as_=people["ann"])).json["content"] == "Hello"


# --- muting ---------------------------------------------------------------------------------------------------------


async def test_a_muted_member_is_told_how_long_it_lasts(api, people, lobby, clock):
    message = await say(api, people["ann"], room=lobby)
    path = f"/api/rooms/{lobby['id']}/members/{people['ann'].id}"
    until = rfc3339(clock.now() + timedelta(seconds=600))
    await api.put(path, {"mutedUntil": until}, as_=people["mia"])

    for method, address, body in (
        ("POST", "/api/messages", {"room": lobby["id"], "content": "x"}),
        ("PATCH", f"/api/messages/{message['id']}", {"content": "x"}),
        ("PUT", f"/api/messages/{message['id']}/pin", None),
        ("PUT", f"/api/messages/{message['id']}/reactions/%E2%9C%85", None),
    ):
        refused = await api.ask(method, address, body, people["ann"])
        assert (refused.status, refused.code) == (403, "muted")
        assert 0 < refused.json["retryAfterMs"] <= 600_000
    assert (await api.get(f"/api/messages?room={lobby['id']}", as_=people["ann"])).status == 200
    await say(api, people["ann"])  # elsewhere
    assert (await api.delete(f"/api/messages/{message['id']}", as_=people["ann"])).status == 204
    clock.advance(seconds=601)
    await say(api, people["ann"], room=lobby)


async def test_leaving_and_joining_again_does_not_unmute(api, people, lobby):
    path = f"/api/rooms/{lobby['id']}"
    member = f"{path}/members/{people['ann'].id}"
    await api.put(member, {"mutedUntil": "2100-01-01T00:00:00Z"}, as_=people["mia"])
    await api.post(f"{path}/leave", as_=people["ann"])
    await api.post(f"{path}/join", as_=people["ann"])
    refused = await api.post("/api/messages", {"room": lobby["id"], "content": "x"}, as_=people["ann"])

    assert (refused.status, refused.code) == (403, "muted")
    await api.put(member, {"mutedUntil": None}, as_=people["mia"])
    await say(api, people["ann"], room=lobby)


async def test_moderators_delete_what_others_wrote_and_members_do_not(api, people, lobby):
    message = await say(api, people["olga"], room=lobby)
    path = f"/api/messages/{message['id']}"

    assert (await api.delete(path, as_=people["ann"])).status == 403
    assert (await api.patch(path, {"content": "x"}, as_=people["mia"])).status == 403
    assert (await api.delete(path, as_=people["mia"])).status == 204


async def test_the_list_says_up_to_where_each_member_has_read(api, people, lobby):
    await say(api, people["ann"], "one", room=lobby["id"])
    await say(api, people["ann"], "two", room=lobby["id"])
    await api.post(f"/api/rooms/{lobby['id']}/read", {"seq": 1}, as_=people["bob"])

    listed = (await api.get(f"/api/rooms/{lobby['id']}/members", as_=people["mia"])).json["items"]

    assert {one["username"]: one["lastReadSeq"] for one in listed} == {"olga": 0, "mia": 0, "ann": 2, "bob": 1}


# --- the messages limit ---------------------------------------------------------------------------------------------


async def test_messages_are_limited_and_the_limit_is_told(api, people):
    async def write(content):
        return await api.post("/api/messages", {"room": "general", "content": content}, as_=people["ann"])

    while True:
        began = time.monotonic()
        taken = await asyncio.gather(*(write(str(n)) for n in range(30)))
        refused = await write("x")
        if time.monotonic() - began < 10:
            break
        await asyncio.sleep(10)  # the limit's ten seconds are real ones, and the machine took them: another ten

    assert [reply.status for reply in taken] == [201] * 30
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert refused.headers["RateLimit-Policy"] == '"messages";q=30;w=10'
    assert refused.headers["RateLimit"].startswith('"messages";r=0;t=')
    await say(api, people["bob"])
