"""What stays in rooms of an account that was deleted: what it wrote, by a deleted user, and nobody else."""

import pytest

from core.errors import Unauthenticated
from core.permissions import Actor
from models.paging import Listing
from tests.api.rooms import history, join, make_room, say

GONE = {"username": "deleted", "displayName": "Deleted user", "avatarUrl": None}


async def end(api, admin, person, clock):
    reply = await api.delete(f"/api/users/{person.id}", as_=admin)
    assert reply.status == 204, reply.body
    clock.advance(seconds=6)  # names are remembered for five


async def test_what_a_deleted_account_wrote_is_by_a_deleted_user(api, admin, ana, ben, clock):
    message = await say(api, ben, "I was here")
    answer = await say(api, ana, "You were", replyTo=message["id"])
    assert answer["replyTo"]["author"]["username"] == "ben"

    await end(api, admin, ben, clock)
    written, answered = (await history(api, ana))["items"]

    assert (written["content"], written["author"]) == ("I was here", {"id": ben.id, **GONE})
    assert answered["replyTo"] == {**answer["replyTo"], "author": {"id": ben.id, **GONE}}
    assert (await api.delete(f"/api/messages/{message['id']}", as_=admin)).status == 204


async def test_a_deleted_account_is_not_found_by_its_name(api, admin, ana, ben, clock):
    await say(api, ben, "apple")
    await end(api, admin, ben, clock)

    assert (await say(api, ana, "Hello @ben @deleted"))["mentions"] == []
    found = await api.get("/api/messages/search?q=apple&from=ben", as_=ana)
    assert found.json["items"] == []


async def test_a_deleted_account_is_not_brought_in_again(api, admin, ana, ben, clock):
    room = await make_room(api, ana)
    await join(api, room, ben)
    await end(api, admin, ben, clock)

    refused = await api.put(f"/api/rooms/{room['id']}/members/{ben.id}", {}, as_=ana)

    assert (refused.status, refused.code) == (404, "not_found")
    assert (await api.get(f"/api/rooms/{room['id']}", as_=ana)).json["memberCount"] == 1


async def test_the_last_request_of_a_deleted_account_does_not_bring_it_back(api, marquee, admin, ana, ben, clock):
    await end(api, admin, ben, clock)
    rooms, by = marquee.stores.rooms, Actor("user", ben.id)  # as a request that was let in before

    for look in (rooms.get("general", by=by), rooms.mine(Listing(), by=by)):
        with pytest.raises(Unauthenticated):
            await look

    members = (await api.get("/api/rooms/general/members", as_=ana)).json["items"]
    assert {member["userId"] for member in members} == {admin.id, ana.id}
