"""Coming back to a room: what was missed comes once and in order, whichever process answers."""

import asyncio
from dataclasses import replace

import pytest

from core.permissions import Actor
from core.settings import Rate
from tests.api.rooms import history, make_room, say
from tests.realtime.chatting import enter, subscribed
from tests.realtime.held import Held
from tests.realtime.wire import Wire

MANY = Rate(1_000_000, 10)
AT_ONCE = 100  # messages: what waits for four seconds is refused, and a machine may be slow


@pytest.fixture
def settings(settings):
    return replace(settings, rate_messages=MANY, rate_frames=MANY)


async def write(marquee, person, count, room="general", content="Hello"):
    """Write many messages; return them."""
    by, send = Actor("user", person.id), marquee.stores.messages.send
    sent = []
    for start in range(0, count, AT_ONCE):
        some = (send(room, f"{content} {number}", by=by) for number in range(start, min(start + AT_ONCE, count)))
        sent += await asyncio.gather(*some)
    return [message for message, _ in sent]


async def room_of(api, person, room="general"):
    return (await api.get(f"/api/rooms/{room}", as_=person)).json


async def test_who_comes_back_gets_what_changed_as_it_is_now(api, marquee, other, ana, ben):
    kept, edited, deleted, liked = [await say(api, ana, name) for name in ("kept", "edited", "deleted", "liked")]
    held = await Held.fresh(api, ben, "general")

    await api.patch(f"/api/messages/{edited['id']}", {"content": "edited twice"}, as_=ana)
    await api.patch(f"/api/messages/{edited['id']}", {"content": "edited"}, as_=ana)
    await api.delete(f"/api/messages/{deleted['id']}", as_=ana)
    await api.put(f"/api/messages/{liked['id']}/reactions/%F0%9F%91%8D", as_=ben)
    new = await say(api, ana, "new")
    chat = await subscribed(other.port, ben, "general", after=held.offset, epoch=held.epoch)

    assert chat.entry["recovered"]
    assert not chat.entry["more"]
    assert [m["id"] for m in chat.entry["messages"]] == [edited["id"], deleted["id"], liked["id"], new["id"]]
    assert kept["id"] not in [m["id"] for m in chat.entry["messages"]]
    held.take_reply(chat.entry)
    assert held.shown() == (await Held.fresh(api, ben, "general")).shown()
    assert held.offset == (await room_of(api, ben))["offset"]
    chat.close()


async def test_who_missed_nothing_gets_nothing_and_is_live(api, marquee, ana):
    held = await Held.fresh(api, ana, "general")
    held.offset = (await room_of(api, ana))["offset"]

    chat = await subscribed(marquee.port, ana, "general", after=held.offset, epoch=held.epoch)
    await say(api, ana, "later")

    assert (chat.entry["recovered"], chat.entry["messages"], chat.entry["more"]) == (True, [], False)
    assert (await chat.event("message.created"))["data"]["content"] == "later"
    chat.close()


async def test_a_reply_brings_at_most_200_messages_and_the_rest_follows_before_anything_newer(api, marquee, ana, ben):
    await write(marquee, ana, 450)
    chat = await enter(marquee.port, ben)
    await chat.socket.send("room.subscribe", {"room": "general", "after": 0}, "come")
    await say(api, ana, "the newest")

    frames = await chat.until(lambda f: f.get("data", {}).get("content") == "the newest" or f.get("reply") == "come")
    reply = next(f for f in frames if f.get("reply") == "come")
    (entry,) = reply["data"]["rooms"]
    held = Held(entry)
    if frames[-1] is reply:
        frames += await chat.until(lambda f: f.get("data", {}).get("content") == "the newest")
    held.take_events(frames[frames.index(reply) :])

    assert (len(entry["messages"]), entry["recovered"], entry["more"]) == (200, True, True)
    assert entry["offset"] == entry["messages"][-1]["rev"]
    created = [f["data"]["seq"] for f in frames if f.get("event") == "message.created"]
    assert created == list(range(201, 452))
    assert held.shown() == (await Held.fresh(api, ben, "general")).shown()
    chat.close()


async def test_a_reply_stays_within_256_kib(marquee, api, ana, ben):
    await write(marquee, ana, 60, content="é" * 3900)  # 7.8 KB each
    wire = await Wire.open(marquee.port, "/ws/chat", ben.token)
    assert (await wire.read())["event"] == "hello"

    await wire.send({"id": 1, "type": "room.subscribe", "data": {"room": "general", "after": 0}})
    while (reply := await wire.read()).get("reply") != 1:
        pass
    (entry,) = reply["data"]["rooms"]

    assert entry["more"]
    assert 20 <= len(entry["messages"]) <= 33
    seqs = [m["seq"] for m in entry["messages"]]
    while len(seqs) < 60:
        frame = await wire.read()
        if frame.get("event") == "message.created":
            seqs.append(frame["data"]["seq"])
    assert seqs == list(range(1, 61))


async def test_many_rooms_share_what_a_reply_may_bring(marquee, api, ana):
    rooms = [await make_room(api, ana, f"room-{n}") for n in range(3)]
    for room in rooms:
        await write(marquee, ana, 90, room["id"])
    chat = await enter(marquee.port, ana)

    reply = await chat.ask("room.subscribe", {"rooms": [{"room": room["id"], "after": 0} for room in rooms]})
    entries = reply["data"]["rooms"]
    rest = await chat.messages(270 - 200)

    assert [len(entry["messages"]) for entry in entries] == [90, 90, 20]
    assert [entry["more"] for entry in entries] == [False, False, True]
    assert [m["data"]["seq"] for m in rest] == list(range(21, 91))
    chat.close()


async def test_who_missed_more_than_a_thousand_loads_the_room_anew(marquee, api, ana, ben):
    await say(api, ana)
    held = await Held.fresh(api, ben, "general")
    await write(marquee, ana, 1000)

    just = await subscribed(marquee.port, ben, "general", after=held.offset)
    await say(api, ana, "one too many")
    over = await subscribed(marquee.port, ben, "general", after=held.offset)
    await say(api, ana, "live")

    assert (just.entry["recovered"], just.entry["more"]) == (True, True)
    assert (over.entry["recovered"], over.entry["messages"], over.entry["more"]) == (False, [], False)
    assert over.entry["offset"] == (await room_of(api, ben))["offset"] - 1
    assert (await over.event("message.created"))["data"]["content"] == "live"
    seqs = [m["seq"] for m in just.entry["messages"]] + [m["data"]["seq"] for m in await just.messages(802)]
    assert seqs == list(range(2, 1004))
    just.close()
    over.close()


async def test_another_past_is_no_past(marquee, api, ana):
    await say(api, ana)

    chat = await subscribed(marquee.port, ana, "general", after=0, epoch="64f0c0ffee64f0c0ffee64f0")

    room = await room_of(api, ana)
    assert (chat.entry["recovered"], chat.entry["messages"]) == (False, [])
    assert (chat.entry["epoch"], chat.entry["offset"]) == (room["epoch"], room["offset"])
    chat.close()


async def test_who_claims_to_be_ahead_loads_the_room_anew(marquee, api, ana):
    ahead = (await room_of(api, ana))["offset"] + 1

    chat = await subscribed(marquee.port, ana, "general", after=ahead)

    assert (chat.entry["recovered"], chat.entry["offset"]) == (False, ahead - 1)
    chat.close()


async def test_coming_back_amid_writing_misses_nothing(marquee, other, api, ana, ben):
    enough = asyncio.Event()
    writing = asyncio.ensure_future(keep_writing(marquee, other, ana, enough))
    held = Held()
    for number in range(8):
        port = (marquee, other)[number % 2].port
        chat = await subscribed(port, ben, "general", after=held.offset)
        assert chat.entry["recovered"]
        held.take_reply(chat.entry)
        held.take_events(await chat.until(lambda f: f.get("event") == "message.created"))
        held.take_events(await chat.heard())
        chat.close()
    enough.set()
    await writing
    chat = await subscribed(marquee.port, ben, "general", after=held.offset)
    held.take_reply(chat.entry)

    assert held.shown() == (await Held.fresh(api, ben, "general")).shown()
    assert [m["seq"] for m in held.shown()] == list(range(1, len(held.messages) + 1))
    chat.close()


async def keep_writing(marquee, other, person, enough):
    """Write from both processes until it is enough."""
    while not enough.is_set():
        await asyncio.gather(*(write(one, person, 3) for one in (marquee, other)))
        await asyncio.sleep(0.01)


async def test_a_hundred_who_come_back_at_once_are_all_current(marquee, api, ana, ben):
    await write(marquee, ana, 100)
    chats = await asyncio.gather(*(enter(marquee.port, ben) for _ in range(100)))

    entries = await asyncio.gather(*(chat.subscribe("general", after=0) for chat in chats))

    expected = [m["id"] for m in (await history(api, ben, query="&limit=100"))["items"]]
    for entry in entries:
        assert [m["id"] for m in entry["messages"]] == expected
    for chat in chats:
        chat.close()


async def test_subscribing_again_goes_back_and_stays_single(marquee, api, ana):
    chat = await subscribed(marquee.port, ana, "general")
    first = await say(api, ana, "first")
    await chat.event("message.created")

    entry = await chat.subscribe("general", after=first["rev"] - 1)
    await say(api, ana, "second")
    await chat.event("message.created", content="second")

    assert [m["content"] for m in entry["messages"]] == ["first"]
    assert [f for f in await chat.heard() if f.get("event") == "message.created"] == []
    chat.close()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"rooms": []},
        {"rooms": [{"room": "general"}] * 101},
        {"rooms": [{"after": 1}]},
        {"rooms": [{"room": "general", "after": -1}]},
        {"room": "general", "after": "1"},
        {"room": "general", "rooms": []},
    ],
)
async def test_a_subscription_that_makes_no_sense_is_refused(marquee, ana, data):
    chat = await enter(marquee.port, ana)

    reply = await chat.ask("room.subscribe", data)

    assert (reply["ok"], reply["error"]["code"]) == (False, "invalid")
    chat.close()
