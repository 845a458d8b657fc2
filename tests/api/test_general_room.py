"""The room `general`: everybody's, one for the server, and looked after by its admins."""

import asyncio

import pytest

from tests.api.rooms import make_room, names, say


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
