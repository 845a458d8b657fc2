"""What people hear of each other: writing, reading, presence, mentions, and counts of what is unread."""

import asyncio
import time
from dataclasses import replace

import pytest

from core.clock import new_id
from core.events import Event, room_channel
from core.settings import Rate
from realtime import presence_news, typing
from tests.api.rooms import join, make_room, say
from tests.promptness import within
from tests.realtime.chatting import enter, subscribed

pytestmark = pytest.mark.usefixtures("patient")
MANY = Rate(1_000_000, 10)
WRITING_LASTS = 6  # seconds, by the contract


@pytest.fixture
def settings(settings):
    return replace(settings, rate_messages=MANY, rate_frames=MANY)


# --- writing --------------------------------------------------------------------------------------------------------


async def test_writing_is_told_and_ends_by_itself(marquee, other, ana, ben):
    hers, his = await subscribed(marquee.port, ana, "general"), await subscribed(other.port, ben, "general")

    began = time.monotonic()
    with within(WRITING_LASTS + 2):
        assert (await hers.ask("typing", {"room": "general", "on": True}))["ok"]
        first = await his.event("typing")
        second = await his.event("typing")

    assert time.monotonic() - began > WRITING_LASTS - 0.1  # a loop's own clock may be a little behind
    assert first["data"] == {"userId": ana.id, "on": True}
    assert "offset" not in first
    assert second["data"] == {"userId": ana.id, "on": False}
    hers.close()
    his.close()


async def test_writing_ends_with_the_message(marquee, ana, ben):
    hers, his = await subscribed(marquee.port, ana, "general"), await subscribed(marquee.port, ben, "general")

    await hers.ask("typing", {"room": "general", "on": True})
    await hers.ask("message.send", {"room": "general", "content": "Hi", "clientId": "1"})
    frames = await his.until(lambda f: f.get("event") == "typing" and not f["data"]["on"])

    assert "message.created" in [f["event"] for f in frames]
    hers.close()
    his.close()


async def test_writing_ends_with_the_connection(marquee, ana, ben):
    hers, his = await subscribed(marquee.port, ana, "general"), await subscribed(marquee.port, ben, "general")
    await hers.ask("typing", {"room": "general", "on": True})
    await his.event("typing", on=True)

    with within(3):
        hers.close()
        await his.event("typing", on=False)

    his.close()


async def test_who_repeats_that_they_write_is_told_once(marquee, ana, ben, monkeypatch):
    monkeypatch.setattr(typing, "AGAIN_SECONDS", 60)  # ten frames may take a busy machine longer than its three
    monkeypatch.setattr(typing, "LASTS_SECONDS", 60)
    hers, his = await subscribed(marquee.port, ana, "general"), await subscribed(marquee.port, ben, "general")

    for _ in range(10):
        await hers.ask("typing", {"room": "general", "on": True})
    await hers.ask("typing", {"room": "general", "on": False})
    frames = await his.until(lambda f: f.get("event") == "typing" and not f["data"]["on"])

    assert [f["data"]["on"] for f in frames if f.get("event") == "typing"] == [True, False]
    hers.close()
    his.close()


async def test_only_members_write(api, marquee, ana, ben):
    await make_room(api, ana)
    chat = await enter(marquee.port, ben)

    reply = await chat.ask("typing", {"room": "lobby", "on": True})

    assert reply["error"]["code"] == "forbidden"
    chat.close()


# --- reading and what is unread ---------------------------------------------------------------------------------


async def test_what_is_unread_is_counted_where_a_room_is_not_heard(api, marquee, other, ana, ben):
    chat = await enter(other.port, ben)

    await say(api, ana, "Hello @ben")
    first = await chat.event("room.unread")
    for _ in range(3):
        await say(api, ana)
    second = await chat.event("room.unread", unread=4)

    room = (await api.get("/api/rooms/general", as_=ben)).json
    assert first["channel"] == f"user:{ben.id}"
    assert first["data"] == {"roomId": room["id"], "unread": 1, "mentions": 1, "lastReadSeq": 0}
    assert second["data"] == {"roomId": room["id"], "unread": 4, "mentions": 1, "lastReadSeq": 0}
    assert (room["unread"], room["mentions"]) == (4, 1)
    chat.close()


async def test_who_hears_a_room_is_not_told_its_counts(api, marquee, ana, ben):
    hearing, elsewhere = await subscribed(marquee.port, ben, "general"), await enter(marquee.port, ben)

    await say(api, ana)
    await elsewhere.event("room.unread")

    assert [f for f in await hearing.heard() if f.get("event") == "room.unread"] == []
    hearing.close()
    elsewhere.close()


async def test_reading_on_one_device_counts_on_the_other(api, marquee, other, ana, ben):
    await say(api, ana)
    message = await say(api, ana)
    hers = await subscribed(marquee.port, ana, "general")
    one, two = await subscribed(marquee.port, ben, "general"), await enter(other.port, ben)

    reply = await one.ask("read", {"room": "general", "seq": message["seq"]})
    told = await two.event("room.unread", lastReadSeq=message["seq"])  # the count of before may come first
    receipt = await hers.event("read")

    assert (reply["data"]["unread"], reply["data"]["lastReadSeq"]) == (0, message["seq"])
    assert reply["data"] == (await api.get("/api/rooms/general", as_=ben)).json
    assert told["data"] == {"roomId": message["roomId"], "unread": 0, "mentions": 0, "lastReadSeq": message["seq"]}
    assert receipt["data"] == {"userId": ben.id, "seq": message["seq"]}
    assert receipt["channel"] == f"room:{message['roomId']}"
    for chat in (hers, one, two):
        chat.close()


async def test_a_mention_reaches_all_devices_whatever_they_hear(api, marquee, other, ana, ben):
    chats = [await enter(marquee.port, ben), await subscribed(other.port, ben, "general")]

    message = await say(api, ana, "Hello @ben")

    for chat in chats:
        mention = await chat.event("mention")
        assert (mention["channel"], mention["data"]) == (f"user:{ben.id}", {"message": message})
        chat.close()


async def test_rooms_that_come_and_go_are_told(api, marquee, ana, ben):
    chat = await enter(marquee.port, ben)

    room = await make_room(api, ana, "secret", "private", [ben])
    created = await chat.event("room.created")
    await api.delete(f"/api/rooms/{room['id']}/members/{ben.id}", as_=ana)
    removed = await chat.event("room.removed")

    assert created["data"]["room"]["id"] == room["id"]
    assert created["data"]["room"]["myRole"] == "member"
    assert removed["data"] == {"room": {"id": room["id"], "name": "secret"}}
    chat.close()


async def test_what_one_does_is_told_to_oneself_like_to_everybody(api, marquee, ana, ben):
    message = await say(api, ben)
    chat = await subscribed(marquee.port, ana, "general")

    for type_, data, event in (
        ("typing", {"room": "general", "on": True}, "typing"),
        ("message.send", {"room": "general", "content": "Hi", "clientId": "1"}, "message.created"),
        ("read", {"room": "general", "seq": message["seq"]}, "read"),
        ("presence.set", {"status": "busy"}, "presence.changed"),
    ):
        await chat.socket.send(type_, data)
        told = (await chat.event(event))["data"]
        assert ana.id in {told.get("userId"), told.get("author", {}).get("id")}, told
    chat.close()


@pytest.fixture
def lonely(servers, marquee, own_redis):
    """A process whose Redis is gone, on the stores of `marquee`."""
    process = servers(redis_url=own_redis.url)
    own_redis.kill()
    return process


# --- presence -------------------------------------------------------------------------------------------------------


async def changes_of(chat, person, count):
    """Return the next changes of somebody's presence."""
    return [(await chat.event("presence.changed", userId=person.id))["data"]["status"] for _ in range(count)]


async def test_who_comes_and_goes_is_told_once_for_all_devices(api, marquee, other, ana, ben):
    chat = await subscribed(marquee.port, ana, "general")

    first = await enter(marquee.port, ben)
    came = await chat.event("presence.changed", userId=ben.id)
    second = await enter(other.port, ben)
    await asyncio.sleep(1.3)
    first.close()
    await asyncio.sleep(1.3)
    still = [f for f in await chat.heard() if f.get("data", {}).get("userId") == ben.id]
    second.close()
    went = await chat.event("presence.changed", userId=ben.id)

    assert (came["channel"], came["data"]["status"]) == (f"user:{ana.id}", "online")
    assert still == []
    assert went["data"]["status"] == "offline"
    assert went["data"]["lastSeenAt"] is not None
    chat.close()


async def test_who_has_gone_was_seen_just_now_though_that_is_not_stored_yet(marquee, ana, ben):
    chat = await subscribed(marquee.port, ana, "general")
    his = await enter(marquee.port, ben)
    assert await changes_of(chat, ben, 1) == ["online"]
    users = marquee.mongo[marquee.settings.mongodb_database].users

    async with await marquee.mongo.start_session() as session, session.start_transaction():
        await users.update_one({"_id": ben.id}, {"$set": {"touched": True}}, session=session)  # others' writes wait
        his.close()
        went = await chat.event("presence.changed", userId=ben.id)
        await session.abort_transaction()

    assert (went["data"]["status"], type(went["data"]["lastSeenAt"])) == ("offline", str)
    chat.close()


async def test_the_most_available_device_counts(api, marquee, other, ana, ben):
    chat = await subscribed(marquee.port, ana, "general")
    phone, desk = await enter(marquee.port, ben), await enter(other.port, ben)
    assert await changes_of(chat, ben, 1) == ["online"]

    await phone.ask("presence.set", {"status": "busy"})
    await desk.ask("presence.set", {"status": "away"})
    assert await changes_of(chat, ben, 1) == ["away"]
    desk.close()
    assert await changes_of(chat, ben, 1) == ["busy"]
    online = (await api.get("/api/users/online", as_=ana)).json["items"]

    assert [card["status"] for card in online if card["id"] == ben.id] == ["busy"]
    phone.close()
    chat.close()


async def test_presence_is_told_to_those_who_share_a_subscribed_room(api, marquee, ana, ben):
    room = await make_room(api, ana, "secret", "private")
    elsewhere = await subscribed(marquee.port, ana, room)
    nowhere = await enter(marquee.port, ana)

    came = await enter(marquee.port, ben)
    await asyncio.sleep(1.5)

    for chat in (elsewhere, nowhere):
        assert [f for f in await chat.heard() if f.get("data", {}).get("userId") == ben.id] == []
        chat.close()
    came.close()


async def test_presence_over_several_shared_rooms_is_told_once(api, marquee, ana, ben):
    rooms = [await make_room(api, ana, f"room-{n}") for n in range(3)]
    for room in rooms:
        await join(api, room, ben)
    chat = await enter(marquee.port, ana)
    await chat.ask("room.subscribe", {"rooms": [{"room": room["id"]} for room in rooms]})

    came = await enter(marquee.port, ben)
    assert await changes_of(chat, ben, 1) == ["online"]
    await asyncio.sleep(1.5)

    assert [f for f in await chat.heard() if f.get("data", {}).get("userId") == ben.id] == []
    came.close()
    chat.close()


async def test_who_reads_is_told_of_thousands_who_come_at_once(marquee, ana):
    chat = await subscribed(marquee.port, ana, "general")
    coming = [{"userId": new_id(), "status": "online", "lastSeenAt": None} for _ in range(4000)]

    news = Event(presence_news.NEWS, room_channel(chat.entry["roomId"]), {"changes": coming}, ephemeral=True)
    await marquee.node.publish([news])

    told, wanted = set(), {each["userId"] for each in coming}
    while not told >= wanted:
        told.add((await chat.event("presence.changed"))["data"]["userId"])
    chat.close()


async def test_in_a_crowded_room_presence_is_asked_for_and_not_told(api, marquee, ana, ben, monkeypatch):
    monkeypatch.setattr(presence_news, "MOST_CONNECTED", 2)
    monkeypatch.setattr(presence_news, "_REMEMBER_SECONDS", 0)  # that it was not crowded when the first came
    room = await make_room(api, ana, "small", "private", [ben])
    crowded, small = await subscribed(marquee.port, ana, "general"), await subscribed(marquee.port, ana, room)
    carl = await enter(marquee.port, await api.person("carl"))

    came = await enter(marquee.port, ben)
    assert await changes_of(small, ben, 1) == ["online"]
    await asyncio.sleep(1.5)

    for chat in (crowded, small):
        heard = [f["data"] for f in await chat.heard() if f.get("event") == "presence.changed"]
        assert [change for change in heard if change["userId"] == ben.id] == []
        chat.close()
    came.close()
    carl.close()


async def test_without_redis_presence_is_told_within_a_process(lonely, ana, ben):
    chat = await subscribed(lonely.port, ana, "general")

    came = await enter(lonely.port, ben)
    first = await changes_of(chat, ben, 1)
    came.close()

    assert first + await changes_of(chat, ben, 1) == ["online", "offline"]
    chat.close()


async def test_a_ghost_goes_when_its_lease_runs_out(marquee, ana, ben, clients, settings):
    chat = await subscribed(marquee.port, ana, "general")
    came = await enter(marquee.port, ben)
    assert await changes_of(chat, ben, 1) == ["online"]
    redis = clients(settings.redis_url)

    # As a process that was killed: its connection is gone here without a word, and the lease runs out.
    (held,) = [c for c in marquee.node.hub if c.actor.id == ben.id]
    await marquee.node.presence._mine.drop(ben.id, held.id)
    await redis.delete(f"{settings.redis_prefix}:{{user:{ben.id}}}:presence")

    with within(15):
        assert await changes_of(chat, ben, 1) == ["offline"]
    came.close()
    chat.close()


@pytest.mark.parametrize("status", ["offline", "", 1, None])
async def test_a_status_that_nobody_knows_is_refused(marquee, ana, status):
    chat = await enter(marquee.port, ana)

    reply = await chat.ask("presence.set", {"status": status})

    assert reply["error"]["code"] == "invalid"
    chat.close()
