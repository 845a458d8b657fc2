"""What is done for rooms by nobody's request."""

import pytest

from models import room_sweep
from tests.api.rooms import history, join, make_room, say

pytestmark = pytest.mark.usefixtures("jobs_by_hand")  # a turn that began before is joined, and knows nothing of later


async def test_a_deleted_room_is_swept_away_with_all_that_was_in_it(api, admin, ana, marquee, clock, monkeypatch):
    monkeypatch.setattr(room_sweep, "AT_ONCE", 3)
    room, kept = await make_room(api, ana), await make_room(api, ana, "kept")
    await join(api, room, admin)
    for n in range(10):
        await say(api, ana, str(n), room=room)
    await say(api, ana, "kept", room=kept)
    await api.delete(f"/api/rooms/{room['id']}", as_=ana)
    await marquee.jobs.run("sweep_rooms")
    collections = {name: marquee.ground.collection(name) for name in ("rooms", "room_members", "messages")}
    assert await collections["messages"].count({"roomId": room["id"]}) == 10
    clock.advance(seconds=61)
    await marquee.jobs.run("sweep_rooms")

    assert await collections["rooms"].count({"_id": room["id"]}) == 0
    assert await collections["messages"].count({"roomId": room["id"]}) == 0
    assert await collections["room_members"].count({"roomId": room["id"]}) == 0
    assert len((await history(api, ana, kept))["items"]) == 1


async def test_a_job_brings_into_general_whoever_was_missed(api, admin, ana, marquee):
    await marquee.ground.collection("room_members").delete_all({"userId": {"$ne": admin.id}})
    await marquee.jobs.run("fill_general")

    found = (await api.get("/api/rooms/general/members", as_=admin)).json["items"]
    assert {member["userId"] for member in found} == {admin.id, ana.id}
