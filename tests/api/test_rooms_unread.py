"""What is unread in rooms: counted from what was read, by each for themselves."""

from core.events import ROOM_MOVED
from tests.api.rooms import make_room, say, sent
from tests.api.stock import told


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
    assert [event for event in heard if event.type != ROOM_MOVED] == []  # which tells of the three, after a pause
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
