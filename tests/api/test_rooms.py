"""`/api/rooms`: making, browsing, naming, editing and ending rooms."""

import asyncio

import pytest

from tests.api.rooms import join, make_room, names, say, sent
from tests.api.stock import NOTHING, forget_answers, told

# --- making ---------------------------------------------------------------------------------------------------------


async def test_a_room_is_made_by_its_owner(api, ana, ben, heard):
    body = {"name": "night-shift", "title": "Night shift", "topic": "After ten", "type": "public"}
    reply = await api.post("/api/rooms", body, as_=ana)

    assert reply.status == 201
    assert reply.headers["Location"] == f"/api/rooms/{reply.json['id']}"
    assert reply.headers["ETag"] == '"1"'
    assert reply.json == {
        "id": reply.json["id"],
        **body,
        "memberCount": 1,
        "epoch": reply.json["epoch"],
        "offset": 0,
        "lastSeq": 0,
        "archived": False,
        "createdAt": reply.json["createdAt"],
        "myRole": "owner",
        "unread": 0,
        "mentions": 0,
        "lastReadSeq": 0,
        "version": 1,
    }
    ((_, channel, data),) = told(heard, "room.created")
    assert (channel, sent(data)) == (f"user:{ana.id}", {"room": reply.json})
    seen = (await api.get("/api/rooms/night-shift", as_=ben)).json
    assert seen == reply.json | {"myRole": None}


async def test_a_room_is_named_by_its_id_or_its_name(api, ana, ben):
    public = await make_room(api, ana, "lobby")
    private = await make_room(api, ben, "lobby", "private")

    assert (await api.get("/api/rooms/lobby", as_=ben)).json["id"] == public["id"]
    assert (await api.get("/api/rooms/LOBBY", as_=ben)).json["id"] == public["id"]
    assert (await api.get(f"/api/rooms/{private['id']}", as_=ben)).json["name"] == "lobby"
    await make_room(api, ben, "attic", "private")
    assert (await api.get("/api/rooms/attic", as_=ben)).json["type"] == "private"
    assert (await api.get("/api/rooms/attic", as_=ana)).status == 404


async def test_a_public_name_is_taken_once(api, ana, ben):
    bodies = [{"name": "lobby", "type": "public"}] * 5
    replies = await asyncio.gather(*(api.post("/api/rooms", body, as_=ana) for body in bodies))
    other = await make_room(api, ben, "cellar")
    renamed = await api.patch(f"/api/rooms/{other['id']}", {"name": "lobby"}, as_=ben)

    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409, 409]
    assert (renamed.status, renamed.code) == (409, "conflict")
    assert (await api.get(f"/api/rooms/{other['id']}", as_=ben)).json["name"] == "cellar"


async def test_the_name_of_a_deleted_room_is_free(api, ana, ben):
    room = await make_room(api, ana, "lobby")
    assert (await api.delete("/api/rooms/lobby", as_=ana)).status == 204
    assert (await api.get(f"/api/rooms/{room['id']}", as_=ana)).status == 404
    assert (await api.get("/api/rooms/lobby", as_=ana)).status == 404
    assert (await make_room(api, ben, "lobby"))["id"] != room["id"]


async def test_an_idempotency_key_makes_one_room(api, ana, marquee):
    body, key = {"name": "lobby", "type": "public"}, {"Idempotency-Key": "k"}
    first = await api.post("/api/rooms", body, as_=ana, headers=key)
    await forget_answers(marquee)
    lost = await api.post("/api/rooms", body, as_=ana, headers=key)

    assert (lost.status, lost.json["id"]) == (201, first.json["id"])


async def test_people_are_brought_along(api, ana, ben, heard):
    room = await make_room(api, ana, "attic", "private", members=[ben, ana])

    assert room["memberCount"] == 2
    assert (await api.get(f"/api/rooms/{room['id']}", as_=ben)).json["myRole"] == "member"
    assert {channel for _, channel, _ in told(heard, "room.created")} == {f"user:{ana.id}", f"user:{ben.id}"}


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"name": "Lobby"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "-a"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "é"}, "name"),
        ({"name": "x" * 51}, "name"),
        ({"name": "0123456789abcdef01234567"}, "name"),
        ({"name": {"$ne": ""}}, "name"),
        ({"title": " "}, "title"),
        ({"title": "x" * 81}, "title"),
        ({"topic": "x" * 251}, "topic"),
        ({"type": "secret"}, "type"),
        ({"type": None}, "type"),
        ({"memberIds": [NOTHING]}, "memberIds"),
        ({"memberIds": [{"$ne": ""}]}, "memberIds.0"),
        ({"memberIds": [NOTHING] * 2}, "memberIds"),
        ({"memberIds": [f"{n:024}" for n in range(101)]}, "memberIds"),
        ({"type": "direct"}, "name"),
        ({"offset": 5}, "offset"),
    ],
)
async def test_a_wrong_field_is_named(api, ana, wrong, path):
    reply = await api.post("/api/rooms", {"name": "lobby", "type": "public"} | wrong, as_=ana)

    assert (reply.status, [error["path"] for error in reply.json["errors"]]) == (422, [path])
    assert await names(api, ana, "?type=public") == ["general"]


async def test_a_refused_name_is_told_what_names_are_made_of(api, ana):
    reply = await api.post("/api/rooms", {"name": "Night shift", "type": "public"}, as_=ana)

    assert "small letters (a to z), digits, hyphens and underscores" in reply.json["detail"]


async def test_a_room_needs_a_name_and_a_type(api, ana):
    for body, path in (({"type": "private"}, "name"), ({"name": "x"}, "type")):
        reply = await api.post("/api/rooms", body, as_=ana)
        assert (reply.status, [error["path"] for error in reply.json["errors"]]) == (422, [path])


# --- lists ----------------------------------------------------------------------------------------------------------


async def test_lists_have_one_s_own_rooms_or_the_public_ones(api, ana, ben):
    await make_room(api, ana, "zoo")
    await make_room(api, ana, "attic", "private")
    await make_room(api, ana, kind="direct", members=[ben])
    await make_room(api, ben, "bar", title="The Bar", topic="Drinks")

    assert await names(api, ana) == [None, "attic", "general", "zoo"]
    assert await names(api, ana, "?sort=-name") == ["zoo", "general", "attic", None]
    assert await names(api, ana, "?type=public") == ["bar", "general", "zoo"]
    assert await names(api, ana, "?type=private") == ["attic"]
    assert await names(api, ana, "?type=direct") == [None]
    assert await names(api, ana, "?type=public&search=DRINKS") == ["bar"]
    assert await names(api, ben) == [None, "bar", "general"]


async def test_a_list_is_paged(api, ana, ben):
    for n in range(4):
        await make_room(api, ben, f"room-{n}")
    seen, cursor = [], ""
    while cursor is not None:
        page = (await api.get(f"/api/rooms?type=public&limit=2{cursor and '&cursor=' + cursor}", as_=ana)).json
        seen += [room["name"] for room in page["items"]]
        cursor = page["next"]

    assert seen == ["general", "room-0", "room-1", "room-2", "room-3"]
    assert page["total"] == 5


# --- settings -------------------------------------------------------------------------------------------------------


async def test_settings_have_a_version_and_are_told(api, ana, ben, heard):
    room = await make_room(api, ana, "lobby")
    path = f"/api/rooms/{room['id']}"
    heard.clear()
    changed = await api.patch(path, {"name": "hall", "topic": "New"}, as_=ana, headers={"If-Match": '"1"'})
    late = await api.patch(path, {"topic": "Newer"}, as_=ana, headers={"If-Match": '"1"'})
    same = await api.patch(path, {"topic": "New"}, as_=ana)

    assert (changed.status, changed.json["version"], changed.json["offset"]) == (200, 2, 1)
    assert (late.status, late.code) == (412, "version_mismatch")
    assert same.json == changed.json
    ((_, channel, data),) = told(heard, "room.updated")
    assert channel == f"room:{room['id']}"
    own = {"myRole", "unread", "mentions", "lastReadSeq"}
    assert sent(data) == {name: value for name, value in changed.json.items() if name not in own}
    assert (await api.get("/api/rooms/hall", as_=ben)).json["topic"] == "New"


async def test_a_room_that_was_changed_meanwhile_is_not_deleted(api, ana):
    room = await make_room(api, ana, "lobby")
    path = f"/api/rooms/{room['id']}"
    await api.patch(path, {"topic": "We need this"}, as_=ana)

    late = await api.delete(path, as_=ana, headers={"If-Match": '"1"'})
    now = await api.delete(path, as_=ana, headers={"If-Match": '"2"'})

    assert (late.status, late.code, now.status) == (412, "version_mismatch", 204)


async def test_a_deleted_room_is_gone_for_everybody(api, ana, ben, heard):
    room = await make_room(api, ana)
    await join(api, room, ben)
    message = await say(api, ben, room=room)
    heard.clear()
    assert (await api.delete(f"/api/rooms/{room['id']}", as_=ben)).status == 403
    assert (await api.delete(f"/api/rooms/{room['id']}", as_=ana)).status == 204

    assert told(heard, "room.deleted") == [("room.deleted", f"room:{room['id']}", {"roomId": room["id"]})]
    assert {channel for _, channel, _ in told(heard, "room.removed")} == {f"user:{ana.id}", f"user:{ben.id}"}
    for path in (f"rooms/{room['id']}", f"messages/{message['id']}", f"messages?room={room['id']}"):
        assert (await api.get(f"/api/{path}", as_=ana)).status == 404
    assert await names(api, ben) == ["general"]
    assert (await api.get("/api/messages/search?q=Hello", as_=ben)).json["items"] == []
