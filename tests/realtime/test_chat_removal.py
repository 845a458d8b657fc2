"""Who may hear a room, and for how long: nothing of it reaches anybody after their removal."""

import asyncio
from dataclasses import replace

import pytest

from core.settings import Rate
from tests.api.rooms import join, make_room, say
from tests.clients import Api
from tests.promptness import eventually
from tests.realtime.chatting import enter, subscribed

MANY = Rate(1_000_000, 10)


@pytest.fixture
def settings(settings):
    return replace(settings, rate_messages=MANY, rate_frames=MANY)


@pytest.fixture
def secret(io_loop, api, ana, ben):
    """A private room of ana's and ben's."""
    return io_loop.run_sync(lambda: make_room(api, ana, "secret", "private", [ben]))


async def remove(api, ana, ben, room):
    reply = await api.delete(f"/api/rooms/{room['id']}/members/{ben.id}", as_=ana)
    assert reply.status == 204, reply.body


def of_room(frames, room):
    return [f for f in frames if f.get("channel") == f"room:{room['id']}"]


@pytest.mark.gen_test(timeout=60)
async def test_removal_under_load_leaks_nothing_in_any_process(api, marquee, other, ana, ben, secret):
    there = Api(other.port)
    chats = [await subscribed(one.port, ben, secret) for one in (marquee, other, other)]
    watching = await subscribed(marquee.port, ana, secret)
    removed = asyncio.Event()
    writing = asyncio.ensure_future(load(api, there, ana, secret, removed))

    await asyncio.sleep(0.3)
    await remove(there, ana, ben, secret)
    removed.set()
    await writing

    everything = await watching.until(lambda f: f.get("data", {}).get("content") == "the last")
    removal = next(f["offset"] for f in everything if f.get("event") == "member.left")
    after = [f for f in everything if f.get("offset", 0) > removal]
    assert len(after) > 10
    for chat in chats:
        heard = of_room(await chat.until(lambda f: f.get("event") == "unsubscribed") + await chat.heard(), secret)
        assert heard[-1] == {
            "event": "unsubscribed",
            "channel": f"room:{secret['id']}",
            "data": {"code": "forbidden"},
        }
        assert [f["offset"] for f in heard[:-1]] == [
            f["offset"] for f in of_room(everything, secret) if f.get("offset", removal + 1) <= removal
        ]
        chat.close()
    watching.close()
    there.close()


async def load(api, there, person, room, removed):
    """Write until somebody was removed, and a good while after that."""
    left = 10
    while left > 0:
        left -= removed.is_set()
        await asyncio.gather(*(say(one, person, "x", room=room) for one in (api, there, api)))
        await asyncio.sleep(0.01)
    await say(api, person, "the last", room=room)


async def test_who_was_removed_cannot_come_back(api, marquee, ana, ben, secret):
    chat = await subscribed(marquee.port, ben, secret)
    await remove(api, ana, ben, secret)
    await chat.event("unsubscribed")

    entry = await chat.subscribe(secret, after=0)

    assert entry["error"]["code"] == "not_found"
    chat.close()


async def test_removal_amid_catching_up_ends_it(api, marquee, ana, ben, secret):
    for _ in range(20):
        await asyncio.gather(*(say(api, ana, "x" * 3000, room=secret) for _ in range(30)))
    chat = await enter(marquee.port, ben)
    await chat.socket.send("room.subscribe", {"room": secret["id"], "after": 0}, "come")

    await remove(api, ana, ben, secret)
    later = await say(api, ana, "later", room=secret)
    frames = await chat.heard()
    await asyncio.sleep(0.3)
    frames += await chat.heard()

    assert all(f["offset"] < later["rev"] for f in of_room(frames, secret) if "offset" in f)
    contents = [
        m.get("content") for f in frames if "reply" in f for r in f["data"]["rooms"] for m in r.get("messages", [])
    ]
    assert "later" not in contents
    chat.close()


async def test_what_is_read_to_catch_up_is_read_only_for_members(api, marquee, ana, ben, secret):
    await say(api, ana, room=secret)
    feed = marquee.stores.room_feed
    before = await feed.rest(secret["id"], 0, reader=ben.id)

    await remove(api, ana, ben, secret)
    after = await feed.rest(secret["id"], 0, reader=ben.id)

    assert (before.may_read, len(before.events)) == (True, 1)
    assert (after.may_read, after.events) == (False, [])


async def test_a_public_room_is_heard_by_everybody_and_written_by_members(api, marquee, ana, ben):
    room = await make_room(api, ana)
    chat = await subscribed(marquee.port, ben, "lobby")

    await say(api, ana, "Hello", room=room)
    heard = await chat.event("message.created")
    refused = await chat.ask("message.send", {"room": "lobby", "content": "Hi", "clientId": "1"})

    assert heard["data"]["content"] == "Hello"
    assert (refused["error"]["status"], refused["error"]["code"]) == (403, "forbidden")
    chat.close()


async def test_who_leaves_a_public_room_hears_it_no_longer_and_may_ask_again(api, marquee, ana, ben):
    room = await make_room(api, ana)
    await join(api, room, ben)
    chat = await subscribed(marquee.port, ben, room)

    await api.post(f"/api/rooms/{room['id']}/leave", as_=ben)
    ended = await chat.event("unsubscribed")
    entry = await chat.subscribe(room)
    await say(api, ana, "Hello", room=room)

    assert ended["data"] == {"code": "forbidden"}
    assert "error" not in entry
    assert (await chat.event("message.created"))["data"]["content"] == "Hello"
    chat.close()


@pytest.mark.parametrize("who", ["admin", "carl"])
async def test_a_private_room_does_not_exist_for_others(api, marquee, admin, ana, ben, secret, who):
    person = admin if who == "admin" else await api.person("carl")
    message = await say(api, ana, room=secret)
    chat = await enter(marquee.port, person)

    asked = [
        ("message.send", {"room": secret["id"], "content": "Hi", "clientId": "1"}),
        ("message.edit", {"messageId": message["id"], "content": "Hi"}),
        ("message.delete", {"messageId": message["id"]}),
        ("reaction.add", {"messageId": message["id"], "emoji": "👍"}),
        ("reaction.remove", {"messageId": message["id"], "emoji": "👍"}),
        ("typing", {"room": secret["id"], "on": True}),
        ("read", {"room": secret["id"], "seq": 1}),
    ]
    replies = [await chat.ask(type_, data) for type_, data in asked]
    entry = await chat.subscribe(secret["id"], after=0)

    assert [(r["error"]["status"], r["error"]["code"]) for r in replies] == [(404, "not_found")] * len(asked)
    assert entry["error"]["code"] == "not_found"
    chat.close()


async def test_a_deleted_room_ends_for_all(api, marquee, other, ana, ben, secret):
    chats = [await subscribed(one.port, person, secret) for one in (marquee, other) for person in (ana, ben)]

    await api.delete(f"/api/rooms/{secret['id']}", as_=ana)

    for chat in chats:
        frames = of_room(await chat.until(lambda f: f.get("event") == "unsubscribed"), secret)
        assert [f["event"] for f in frames] == ["room.deleted", "unsubscribed"]
        assert frames[-1]["data"] == {"code": "gone"}
        chat.close()


async def test_two_private_rooms_of_one_name_are_not_mixed_up(api, marquee, ana, ben):
    hers, his = [await make_room(api, person, "plans", "private") for person in (ana, ben)]
    chats = [await subscribed(marquee.port, person, "plans") for person in (ana, ben)]

    assert [chat.entry["roomId"] for chat in chats] == [hers["id"], his["id"]]
    for chat in chats:
        chat.close()


async def test_a_name_that_went_to_another_room_means_that_one(api, marquee, ana, ben):
    old = await make_room(api, ana, "news")
    first = await subscribed(marquee.port, ben, "news")
    await api.patch(f"/api/rooms/{old['id']}", {"name": "old-news"}, as_=ana)
    new = await make_room(api, ana, "news")

    second = await subscribed(marquee.port, ben, "news")

    assert (first.entry["roomId"], second.entry["roomId"]) == (old["id"], new["id"])
    first.close()
    second.close()


async def test_a_room_that_lost_its_name_to_another_is_heard_on(api, marquee, ana, ben):
    old = await make_room(api, ana, "news")
    chat = await subscribed(marquee.port, ben, "news")
    await api.patch(f"/api/rooms/{old['id']}", {"name": "old-news"}, as_=ana)
    new = await make_room(api, ana, "news")

    entry = await chat.subscribe("news")
    await say(api, ana, "in the new room", room=new)
    await chat.event("message.created", roomId=new["id"])
    await say(api, ana, "in the old room", room=old)

    assert entry["roomId"] == new["id"]
    assert (await chat.event("message.created"))["data"]["content"] == "in the old room"
    chat.close()


async def test_a_closed_connection_leaves_no_room_behind(api, marquee, ana):
    rooms = [await make_room(api, ana, f"room-{n}") for n in range(3)]
    chat = await enter(marquee.port, ana)
    await chat.ask("room.subscribe", {"rooms": [{"room": room["id"]} for room in rooms]})
    channels = marquee.node.broker._channels

    held = {name for name in channels if name.startswith("room:")}
    chat.close()
    await eventually(lambda: not any(name.startswith("room:") for name in channels))

    assert held == {f"room:{room['id']}" for room in rooms}
