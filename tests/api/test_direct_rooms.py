"""Direct rooms: one for the same people, closed to others, and outliving accounts."""

import asyncio

import pytest

from models.new_rooms import MOST_IN_DIRECT
from tests.api.rooms import contents, history, make_room, say
from tests.api.stock import NOTHING


@pytest.fixture
def cleo(io_loop, api, admin):
    return io_loop.run_sync(lambda: api.person("cleo"))


async def direct(api, person, *others):
    return await api.post("/api/rooms", {"type": "direct", "memberIds": list(others)}, as_=person)


async def test_the_same_several_people_have_one_room_whoever_asks_in_whatever_order(api, ana, ben, cleo):
    pair = await direct(api, ana, ben.id)
    first = await direct(api, ana, ben.id, cleo.id)
    again = [await direct(api, cleo, ben.id, ana.id), await direct(api, ben, ben.id, cleo.id, ana.id)]

    assert (first.status, first.json["memberCount"]) == (201, 3)
    assert {member["id"] for member in first.json["members"]} == {ana.id, ben.id, cleo.id}
    assert [(reply.status, reply.json["id"]) for reply in again] == [(200, first.json["id"])] * 2
    assert pair.json["id"] != first.json["id"]
    await say(api, cleo, "Hello @ana", room=first.json)
    seen = (await api.get(f"/api/rooms/{first.json['id']}", as_=ana)).json
    assert (seen["unread"], seen["mentions"]) == (1, 1)
    assert contents(await history(api, ben, first.json)) == ["Hello @ana"]


async def test_a_direct_room_is_of_people_who_are_there_and_of_not_too_many(api, ana, ben):
    too_many = [f"{n:024}" for n in range(MOST_IN_DIRECT)]
    for others in ([NOTHING], [ben.id, NOTHING], too_many):
        reply = await direct(api, ana, *others)
        assert (reply.status, reply.json["errors"][0]["path"]) == (422, "memberIds")
    assert f"1 to {MOST_IN_DIRECT - 1} other" in reply.json["detail"]


@pytest.mark.parametrize("end", ["disabled", "deleted"])
async def test_a_direct_room_is_found_again_when_the_other_account_has_ended(api, admin, ana, ben, end):
    room = await make_room(api, ana, kind="direct", members=[ben])
    path = f"/api/users/{ben.id}"
    ended = await (api.delete(path, admin) if end == "deleted" else api.patch(path, {"disabled": True}, admin))
    assert ended.status < 300, ended.body

    found = await direct(api, ana, ben.id)

    assert (found.status, found.json["id"]) == (200, room["id"])
    await say(api, ana, "Are you there?", room=room)


async def test_the_same_people_have_one_direct_room(api, ana, ben):
    first = await api.post("/api/rooms", {"type": "direct", "memberIds": [ben.id]}, as_=ana)
    again = await api.post("/api/rooms", {"type": "direct", "memberIds": [ana.id]}, as_=ben)

    assert (first.status, again.status) == (201, 200)
    assert first.json["id"] == again.json["id"]
    assert (first.json["name"], first.json["memberCount"], first.json["myRole"]) == (None, 2, "member")
    assert {member["id"] for member in first.json["members"]} == {ana.id, ben.id}
    message = await say(api, ben, room=first.json)
    assert (message["room"], message["roomId"]) == (None, first.json["id"])


async def test_a_direct_room_is_made_once_by_both_at_once(api, ana, ben):
    asks = [(ana, ben), (ben, ana)] * 3
    replies = await asyncio.gather(
        *(api.post("/api/rooms", {"type": "direct", "memberIds": [b.id]}, as_=a) for a, b in asks)
    )

    assert sorted(reply.status for reply in replies) == [200] * 5 + [201]
    assert len({reply.json["id"] for reply in replies}) == 1


async def test_nobody_joins_leaves_or_changes_a_direct_room(api, admin, ana, ben):
    room = await make_room(api, ana, kind="direct", members=[ben])
    path = f"/api/rooms/{room['id']}"

    assert (await api.get(path, as_=admin)).status == 404
    assert (await api.post(f"{path}/join", as_=admin)).status == 404
    assert (await api.post(f"{path}/leave", as_=ana)).status == 409
    assert (await api.put(f"{path}/members/{admin.id}", {}, as_=ana)).status == 409
    assert (await api.delete(f"{path}/members/{ben.id}", as_=ana)).status in {403, 409}
    assert (await api.patch(path, {"title": "x"}, as_=ana)).status == 409
    assert (await api.delete(path, as_=ana)).status == 409


async def test_a_direct_room_is_between_two_people_or_more(api, ana):
    for members in ([], [ana.id]):
        reply = await api.post("/api/rooms", {"type": "direct", "memberIds": members}, as_=ana)
        assert (reply.status, reply.json["errors"][0]["path"]) == (422, "memberIds")
