"""What is unread on all of somebody's devices: told anew whenever it has changed, and in large rooms too."""

import asyncio
import time

from core.errors import Unavailable
from core.events import announce, user_channel
from models import room_news
from models.base import Collection
from tests.api.rooms import make_room, say
from tests.realtime.chatting import enter, subscribed


async def test_what_is_unread_is_told_again_when_a_mention_comes_or_goes(api, marquee, ana, ben):
    chat = await enter(marquee.port, ben)
    message, other = await say(api, ana, "Hello"), await say(api, ana, "Hello @ben")
    await chat.event("room.unread", unread=2, mentions=1)

    await api.patch(f"/api/messages/{message['id']}", {"content": "Hello @ben"}, as_=ana)
    await chat.event("room.unread", unread=2, mentions=2)
    await api.patch(f"/api/messages/{message['id']}", {"content": "Hello all"}, as_=ana)
    await chat.event("room.unread", unread=2, mentions=1)
    await api.delete(f"/api/messages/{other['id']}", as_=ana)
    told = await chat.event("room.unread", mentions=0)

    seen = (await api.get("/api/rooms/general", as_=ben)).json
    assert told["data"] == {"roomId": seen["id"], "unread": 2, "mentions": 0, "lastReadSeq": 0}
    assert (seen["unread"], seen["mentions"], seen["lastReadSeq"]) == (2, 0, 0)
    chat.close()


async def test_counts_of_a_room_come_at_most_once_a_second_and_end_right(api, marquee, other, ana, ben):
    for number in range(8):
        await say(api, ana, f"{number}")
    reading, idle = await subscribed(marquee.port, ben, "general"), await enter(other.port, ben)
    began = time.monotonic()
    for seq in range(1, 9):
        await reading.ask("read", {"room": "general", "seq": seq})
        await say(api, ana, "more")

    def is_the_last(frame):  # eight are unread after each message, however far it was read by then
        return frame.get("event") == "room.unread" and (frame["data"]["lastReadSeq"], frame["data"]["unread"]) == (8, 8)

    frames = await idle.until(is_the_last)
    told = [frame["data"] for frame in frames if frame.get("event") == "room.unread"]
    assert len(told) <= 2 + time.monotonic() - began
    for chat in (reading, idle):
        chat.close()


async def test_counts_that_a_store_could_not_give_are_told_when_it_is_back(api, marquee, ana, ben, monkeypatch):
    chat = await enter(marquee.port, ben)
    find, failed = Collection.find, []

    async def away_once(self, query, **options):
        if self.raw.name == "messages" and not failed:
            failed.append(query)
            raise Unavailable
        return await find(self, query, **options)

    monkeypatch.setattr(Collection, "find", away_once)
    await say(api, ana, "Hello @ben")

    assert (await chat.event("room.unread"))["data"]["mentions"] == 1
    assert len(failed) == 1
    chat.close()


async def test_who_is_far_behind_makes_nobody_read_the_mentions_of_all(api, marquee, admin, ana, ben, monkeypatch):
    monkeypatch.setattr(room_news, "_NEAR", 3)
    behind, near = await enter(marquee.port, ben), await enter(marquee.port, ana)
    for number in range(6):
        await say(api, admin, f"{number} @ana" + " @ben" * (number == 0))
    await api.post("/api/rooms/general/read", {"seq": 5}, as_=ana)
    find, found = Collection.find, []

    async def counted(self, query, **options):
        documents = await find(self, query, **options)
        if self.raw.name == "messages":
            found.append(len(documents))
        return documents

    await near.event("room.unread", lastReadSeq=5)
    monkeypatch.setattr(Collection, "find", counted)
    await say(api, admin, "7 @ana")

    told = await near.event("room.unread", unread=2)
    assert (told["data"]["mentions"], told["data"]["lastReadSeq"]) == (2, 5)
    assert (await behind.event("room.unread", unread=7))["data"]["mentions"] == 1
    assert 0 < max(found, default=0) <= 3  # two of Ana's and one of Ben's: not Ana's seven
    for chat in (behind, near):
        chat.close()


async def test_of_many_who_are_far_behind_not_each_is_a_question(api, marquee, admin, ana, ben, viewer, monkeypatch):
    monkeypatch.setattr(room_news, "_NEAR", 1)
    monkeypatch.setattr(room_news, "_MOST_FAR", 2)
    find, asked = Collection.find, []

    async def counted(self, query, **options):
        if self.raw.name == "messages":
            asked.append(len(query["$or"]))
        return await find(self, query, **options)

    for number in range(8):
        await say(api, admin, f"{number} @ana @ben @viewer")
    for person, seq in ((ana, 1), (ben, 3), (viewer, 4)):
        await api.post("/api/rooms/general/read", {"seq": seq}, as_=person)
    monkeypatch.setattr(Collection, "find", counted)
    room = (await api.get("/api/rooms/general", as_=ana)).json["id"]
    events = await marquee.stores.room_news.counts(room, [ana.id, ben.id, viewer.id, admin.id])

    assert {event.channel: event.data["mentions"] for event in events} == {
        f"user:{ana.id}": 7,
        f"user:{ben.id}": 5,
        f"user:{viewer.id}": 4,
        f"user:{admin.id}": 0,
    }
    assert asked == [3]  # two of three far behind together, the third, and who is up to date


async def test_counts_that_were_overtaken_are_not_told(api, marquee, ben):
    chat = await enter(marquee.port, ben)

    def counts(seq, unread):
        data = {"roomId": "room", "unread": unread, "mentions": 0, "lastReadSeq": seq}
        return announce("room.unread", user_channel(ben.id), data)

    await marquee.node.publish([counts(5, 0)])
    assert (await chat.event("room.unread", roomId="room"))["data"]["lastReadSeq"] == 5
    await marquee.node.publish([counts(5, 2), counts(0, 5), counts(5, 1)])
    told = await chat.event("room.unread", roomId="room")
    await asyncio.sleep(1.2)

    assert (told["data"]["lastReadSeq"], told["data"]["unread"]) == (5, 2)
    assert [frame for frame in await chat.heard() if frame.get("event") == "room.unread"] == []
    chat.close()


async def test_in_a_large_room_reading_is_told_to_ones_own_devices_alone(api, marquee, other, ana, ben, monkeypatch):
    monkeypatch.setattr(room_news, "MOST_RECEIPTS", 2)
    message = await say(api, ana)
    hers, his = await subscribed(marquee.port, ana, "general"), await subscribed(other.port, ben, "general")
    elsewhere = await enter(other.port, ben)

    await api.post("/api/rooms/general/read", {"seq": 1}, as_=ben)
    receipt, counts = await his.event("read"), await elsewhere.event("room.unread", lastReadSeq=1)
    await say(api, ana, "the last")
    heard = await hers.until(lambda frame: frame.get("data", {}).get("content") == "the last")

    room = f"room:{message['roomId']}"
    assert receipt == {"event": "read", "channel": room, "data": {"userId": ben.id, "seq": 1}}
    assert (counts["data"]["unread"], counts["data"]["lastReadSeq"]) == (0, 1)
    assert [frame for frame in heard if frame.get("event") == "read"] == []
    assert [frame for frame in await elsewhere.heard() if frame.get("event") == "read"] == []
    for chat in (hers, his, elsewhere):
        chat.close()


async def test_of_two_rooms_with_one_name_the_public_one_is_left(api, marquee, ana):
    private, public = await make_room(api, ana, "plans", "private"), await make_room(api, ana, "plans")
    chat = await enter(marquee.port, ana)
    for room in (private, public):
        await chat.subscribe(room)

    await chat.ask("room.unsubscribe", {"room": "plans"})
    await say(api, ana, "not heard", room=public)
    await say(api, ana, "heard", room=private)
    frames = await chat.until(lambda frame: frame.get("event") == "message.created")

    assert frames[-1]["data"]["content"] == "heard"
    chat.close()
