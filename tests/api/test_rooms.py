"""`/api/rooms`: making, browsing, naming, editing and ending rooms, and what is unread in them."""

import asyncio

import pytest

from tests.api.rooms import contents, history, join, make_room, say, sent
from tests.api.stock import NOTHING, forget_answers, told


async def names(api, person, query=""):
    """Return the names of the rooms that a list has."""
    reply = await api.get(f"/api/rooms{query}", as_=person)
    assert reply.status == 200, reply.body
    return [room["name"] for room in reply.json["items"]]


# --- general --------------------------------------------------------------------------------------------------------


async def test_everybody_is_in_general(api, admin, ana, ben):
    reply = await api.get("/api/rooms/general", as_=ana)

    assert reply.status == 200
    assert reply.json["myRole"] == "member"
    assert reply.json["memberCount"] == 3
    assert (reply.json["type"], reply.json["archived"]) == ("public", False)
    assert await names(api, ana) == ["general"]


async def test_an_admin_of_the_server_is_shown_as_the_owner_of_general_and_of_nothing_else(api, admin, ana):
    room = await make_room(api, ana, name="kitchen", members=[admin])

    async def roles(name):
        listed = (await api.get(f"/api/rooms/{name}/members", as_=ana)).json["items"]
        return {one["username"]: one["role"] for one in listed}

    shown = {one["name"]: one["myRole"] for one in (await api.get("/api/rooms", as_=admin)).json["items"]}
    assert shown == {"general": "owner", "kitchen": "member"}
    assert (await api.get("/api/rooms/general", as_=admin)).json["myRole"] == "owner"
    assert (await api.post("/api/rooms/general/read", {"seq": 0}, as_=admin)).json["myRole"] == "owner"
    assert await roles("general") == {admin.username: "owner", "ana": "member"}
    assert (await roles(room["id"]))[admin.username] == "member"
    changed = await api.put(f"/api/rooms/general/members/{admin.id}", {"role": "moderator"}, as_=admin)
    assert changed.json["role"] == "owner"


async def test_who_had_no_part_in_general_is_in_it_from_the_first_look_on(api, ana, marquee):
    members = marquee.ground.collection("room_members")
    for look in ("/api/rooms", "/api/rooms/general"):
        await members.delete({"userId": ana.id})
        assert (await api.get(look, as_=ana)).status == 200
        assert await members.count({"userId": ana.id, "left": False}) == 1
    await members.delete({"userId": ana.id})
    await say(api, ana)


async def test_general_is_one_however_many_processes_start(marquee):
    rooms = marquee.ground.collection("rooms")
    await rooms.delete_all({})
    await asyncio.gather(*(marquee.stores.general.ensure() for _ in range(5)))

    assert await marquee.ground.collection("rooms").count({"name": "general"}) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/leave", None),
        ("DELETE", "", None),
        ("PATCH", "", {"name": "other"}),
        ("PATCH", "", {"archived": True}),
    ],
)
async def test_general_stays_as_it_is_even_for_admins(api, admin, method, path, body):
    reply = await api.ask(method, f"/api/rooms/general{path}", body, admin)

    assert (reply.status, reply.code) == (409, "conflict")


async def test_an_admin_looks_after_general_as_its_owner(api, admin, ana):
    message = await say(api, ana)

    assert (await api.patch("/api/rooms/general", {"topic": "News"}, as_=ana)).status == 403
    assert (await api.patch("/api/rooms/general", {"topic": "News"}, as_=admin)).json["topic"] == "News"
    assert (await api.delete(f"/api/messages/{message['id']}", as_=admin)).status == 204
    assert (await api.delete(f"/api/rooms/general/members/{ana.id}", as_=admin)).status == 409


async def test_an_admin_is_nobody_special_elsewhere(api, admin, ana):
    hidden = await make_room(api, ana, "hidden", "private")
    open_room = await make_room(api, ana, "open")
    private_general = await make_room(api, ana, "general", "private", members=[admin])

    assert (await api.get(f"/api/rooms/{hidden['id']}", as_=admin)).status == 404
    assert (await api.patch(f"/api/rooms/{open_room['id']}", {"topic": "x"}, as_=admin)).status == 403
    assert (await api.patch(f"/api/rooms/{private_general['id']}", {"topic": "x"}, as_=admin)).status == 403
    assert (await api.delete(f"/api/rooms/{private_general['id']}", as_=ana)).status == 204


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


# --- direct rooms ---------------------------------------------------------------------------------------------------


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


async def test_an_archived_room_is_read_only(api, ana, ben):
    room = await make_room(api, ana)
    message = await say(api, ana, room=room)
    path = f"/api/rooms/{room['id']}"
    assert (await api.patch(path, {"archived": True}, as_=ana)).json["archived"] is True

    for method, address, body in (
        ("POST", "/api/messages", {"room": room["id"], "content": "x"}),
        ("PATCH", f"/api/messages/{message['id']}", {"content": "x"}),
        ("PUT", f"/api/messages/{message['id']}/pin", None),
        ("PUT", f"/api/messages/{message['id']}/reactions/%E2%9C%85", None),
    ):
        assert (await api.ask(method, address, body, ana)).status == 409
    assert (await api.post(f"{path}/join", as_=ben)).status == 409
    assert contents(await history(api, ben, room)) == ["Hello"]
    await api.patch(path, {"archived": False}, as_=ana)
    await say(api, ana, room=room)


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


# --- unread ---------------------------------------------------------------------------------------------------------


async def test_unread_is_counted_from_what_was_read(api, ana, ben, heard):
    async def counts(person):
        room = (await api.get("/api/rooms/general", as_=person)).json
        return room["unread"], room["mentions"], room["lastReadSeq"]

    for content in ("one", "two @ben", "three @ben"):
        await say(api, ana, content)

    assert await counts(ana) == (0, 0, 3)  # nobody has to read what they wrote
    assert await counts(ben) == (3, 2, 0)
    heard.clear()
    reply = await api.post("/api/rooms/general/read", {"seq": 2}, as_=ben)
    assert (reply.status, reply.json["unread"], reply.json["mentions"]) == (200, 1, 1)
    assert await counts(ben) == (1, 1, 2)
    room_id = reply.json["id"]
    assert told(heard, "read") == [("read", f"room:{room_id}", {"userId": ben.id, "seq": 2})]
    unread = {"roomId": room_id, "unread": 1, "mentions": 1, "lastReadSeq": 2}
    assert told(heard, "room.unread") == [("room.unread", f"user:{ben.id}", unread)]
    heard.clear()
    assert (await api.post("/api/rooms/general/read", {"seq": 1}, as_=ben)).json["lastReadSeq"] == 2
    assert heard == []
    assert (await api.post("/api/rooms/general/read", {"seq": 99}, as_=ben)).json["lastReadSeq"] == 3


async def test_who_has_not_read_everything_has_their_own_unread_too(api, ana, ben):
    await say(api, ana)
    await say(api, ben)

    assert (await api.get("/api/rooms/general", as_=ben)).json["unread"] == 2


async def test_who_comes_in_has_read_what_was_before(api, ana, ben):
    room = await make_room(api, ana)
    await say(api, ana, room=room)
    reply = await api.post(f"/api/rooms/{room['id']}/join", as_=ben)

    assert (reply.json["myRole"], reply.json["unread"], reply.json["lastReadSeq"]) == ("member", 0, 1)
    assert (await api.post(f"/api/rooms/{room['id']}/join", as_=ben)).json == reply.json


async def test_who_comes_in_is_told_on_all_their_devices_once(api, ana, ben, heard):
    room = await make_room(api, ana)
    heard.clear()
    for _ in range(2):
        joined = await api.post(f"/api/rooms/{room['id']}/join", as_=ben)

    ((_, channel, data),) = told(heard, "room.created")
    assert (channel, sent(data)) == (f"user:{ben.id}", {"room": joined.json})


async def test_outsiders_have_nothing_unread_and_read_nothing(api, ana, ben):
    room = await make_room(api, ana)
    await say(api, ana, "@ben", room=room)

    seen = (await api.get(f"/api/rooms/{room['id']}", as_=ben)).json
    assert (seen["unread"], seen["mentions"], seen["lastReadSeq"]) == (0, 0, 0)
    assert (await api.post(f"/api/rooms/{room['id']}/read", {"seq": 1}, as_=ben)).status == 403


async def test_a_busy_room_is_told_of_once_however_many_are_in_it(api, ana, ben, heard):
    socket = await api.socket("/ws/chat", as_=ben)
    await socket.event("hello")
    for n in range(5):
        await say(api, ana, f"{n} @ben")
    unread = await socket.until(lambda frame: frame.get("data", {}).get("unread") == 5)

    assert unread["channel"] == f"user:{ben.id}"
    assert unread["data"]["mentions"] == 5
    assert told(heard, "room.unread") == []
    assert {(event.channel, tuple(event.data)) for event in heard if event.type == "room.moved"} == {
        ("control", ("roomId",))
    }
