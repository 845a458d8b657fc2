"""What the way between processes loses, doubles or turns around: the rooms notice, and nobody misses anything.

A process on another Redis is one that is cut off: what it writes is committed, and told to nobody else.
"""

import asyncio
from dataclasses import replace

import pytest

from core.events import announce, room_channel
from core.settings import Rate
from realtime import rooms
from tests.api.rooms import make_room, say
from tests.clients import Api
from tests.promptness import within
from tests.realtime.chatting import subscribed
from tests.realtime.held import Held

pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture
def settings(settings):
    return replace(settings, rate_messages=Rate(1_000_000, 10))


@pytest.fixture
def cut_off(servers, marquee, own_redis):
    """Speaks to a process that shares the database with `marquee` and nothing else."""
    client = Api(servers(redis_url=own_redis.url).port)
    yield client
    client.close()


def repairs(marquee):
    return marquee.metrics.room_repairs._value.get()


async def unpublished(cut_off, person, *contents):
    """Write messages that no publication tells of, and return their events as they should have been."""
    messages = [await say(cut_off, person, content) for content in contents]
    return [announce("message.created", room_channel(m["roomId"]), m, offset=m["rev"]) for m in messages]


async def test_a_lost_tail_is_looked_for_within_two_seconds(marquee, cut_off, ana, ben, monkeypatch):
    chat = await subscribed(marquee.port, ben, "general")
    feed, looked, compared = marquee.stores.room_feed, asyncio.Event(), asyncio.Event()
    heads = feed.heads

    async def look(room_ids):
        looked.set()
        found = await heads(room_ids)
        compared.set()
        return found

    monkeypatch.setattr(feed, "heads", look)
    (lost,) = await unpublished(cut_off, ana, "lost")
    looked.clear()
    compared.clear()
    with within(2):  # to the question, and from its answer on: MongoDB may be held up, which only itself sees
        await looked.wait()
    await compared.wait()
    with within(2):
        event = await chat.event("message.created")

    assert (event["data"], event["offset"]) == (dict(lost.data), lost.offset)
    assert repairs(marquee) == 1
    chat.close()


async def test_a_gap_is_repaired_as_soon_as_it_shows(marquee, api, cut_off, ana, ben, monkeypatch):
    monkeypatch.setattr(rooms, "CHECK_SECONDS", 3600)  # the look that would find it after a while
    chat = await subscribed(marquee.port, ben, "general")

    await unpublished(cut_off, ana, "lost", "lost too")
    await say(api, ana, "told")
    with within(4):  # most of it for stores that are held up
        heard = await chat.messages(3)

    assert [m["data"]["content"] for m in heard] == ["lost", "lost too", "told"]
    assert [m["event"] for m in heard] == ["message.created"] * 3
    chat.close()


async def test_a_repair_tells_what_a_message_has_come_to(marquee, api, cut_off, ana, ben):
    first, second, third = [await say(api, ana, name) for name in ("first", "second", "third")]
    chat = await subscribed(marquee.port, ben, "general")
    held = await Held.fresh(api, ben, "general")

    await cut_off.patch(f"/api/messages/{first['id']}", {"content": "changed"}, as_=ana)
    await cut_off.delete(f"/api/messages/{second['id']}", as_=ana)
    await cut_off.patch(f"/api/messages/{third['id']}", {"content": "overtaken"}, as_=ana)
    await cut_off.patch(f"/api/messages/{third['id']}", {"content": "latest"}, as_=ana)
    await say(cut_off, ana, "new")
    heard = await chat.messages(4)
    if heard[2]["data"].get("content") == "overtaken":  # the look every 2 s came just between the two
        heard = [*heard[:2], *heard[3:], *await chat.messages(1)]

    assert [(m["event"], m["data"].get("content")) for m in heard] == [
        ("message.updated", "changed"),
        ("message.deleted", None),
        ("message.updated", "latest"),
        ("message.created", "new"),
    ]
    held.take_events(heard)
    assert held.shown() == (await Held.fresh(api, ben, "general")).shown()
    chat.close()


async def test_publications_that_overtook_each_other_are_put_in_order_without_a_repair(
    marquee, cut_off, ana, ben, monkeypatch
):
    monkeypatch.setattr(rooms, "CHECK_SECONDS", 3600)  # the look that would find them before they are published
    monkeypatch.setattr("realtime.room.OVERTAKEN_SECONDS", 30)  # a busy machine may let more pass between two reads
    chat = await subscribed(marquee.port, ben, "general")
    events = await unpublished(cut_off, ana, "one", "two", "three")

    await marquee.node.publish([events[2], events[1], events[0]])
    heard = await chat.messages(3)

    assert [m["data"]["content"] for m in heard] == ["one", "two", "three"]
    assert repairs(marquee) == 0
    chat.close()


async def test_what_is_published_twice_is_heard_once(marquee, cut_off, ana, ben):
    chat = await subscribed(marquee.port, ben, "general")
    events = await unpublished(cut_off, ana, "one", "two")

    await marquee.node.publish([*events, *events, events[0]])
    await chat.messages(2)

    assert [f for f in await chat.heard() if f.get("event") == "message.created"] == []
    chat.close()


async def test_lost_news_of_members_and_settings_are_told(marquee, api, cut_off, ana, ben):
    room = await make_room(api, ana)
    chat = await subscribed(marquee.port, ana, room)

    await cut_off.post(f"/api/rooms/{room['id']}/join", as_=ben)
    await cut_off.patch(f"/api/rooms/{room['id']}", {"topic": "News"}, as_=ana)
    await say(cut_off, ben, "hello", room=room)
    frames = await chat.until(lambda f: f.get("event") == "message.created")

    told = {f["event"]: f["data"] for f in frames if f.get("channel") == f"room:{room['id']}"}
    assert told["member.joined"] == {"userId": ben.id, "role": "member", "mutedUntil": None, "memberCount": 2}
    assert told["room.updated"]["topic"] == "News"
    chat.close()


async def test_a_removal_that_was_not_told_still_comes_before_what_was_written_after_it(
    marquee, api, cut_off, ana, ben
):
    room = await make_room(api, ana, "secret", "private", [ben])
    chat = await subscribed(marquee.port, ben, room)

    await say(cut_off, ana, "before", room=room)
    await cut_off.delete(f"/api/rooms/{room['id']}/members/{ben.id}", as_=ana)
    await say(cut_off, ana, "after", room=room)
    await say(api, ana, "told", room=room)
    frames = await chat.until(lambda f: f.get("event") == "unsubscribed")
    frames += await chat.heard()

    of_room = [f for f in frames if f.get("channel") == f"room:{room['id']}"]
    assert [(f["event"], f["data"].get("content")) for f in of_room] == [
        ("message.created", "before"),
        ("member.left", None),
        ("unsubscribed", None),
    ]
    chat.close()


async def test_a_room_whose_deletion_was_not_told_ends(marquee, api, cut_off, ana, ben):
    room = await make_room(api, ana)
    chat = await subscribed(marquee.port, ben, room)

    await cut_off.delete(f"/api/rooms/{room['id']}", as_=ana)
    frames = await chat.until(lambda f: f.get("event") == "unsubscribed")

    assert [f["event"] for f in frames[-2:]] == ["room.deleted", "unsubscribed"]
    assert frames[-1] == {
        "event": "unsubscribed", "channel": f"room:{room['id']}", "data": {"code": "gone"},
    }  # fmt: skip
    chat.close()


async def test_a_room_with_another_past_ends(marquee, api, ana):
    chat = await subscribed(marquee.port, ana, "general")
    rooms = marquee.ground.collection("rooms")

    await rooms.update({"name": "general"}, {"$set": {"epoch": "64f0c0ffee64f0c0ffee64f0"}})
    ended = await chat.event("unsubscribed")
    entry = await chat.subscribe("general", after=0, epoch=chat.entry["epoch"])

    assert ended["data"] == {"code": "epoch_changed"}
    assert (entry["recovered"], entry["epoch"]) == (False, "64f0c0ffee64f0c0ffee64f0")
    chat.close()


async def test_a_long_repair_goes_step_by_step(marquee, api, cut_off, ana, ben):
    chat = await subscribed(marquee.port, ben, "general")

    for start in range(0, 450, 50):
        await asyncio.gather(*(say(cut_off, ana, f"{number}") for number in range(start, start + 50)))
    heard = await chat.messages(450)

    assert [m["data"]["seq"] for m in heard] == list(range(1, 451))
    chat.close()


# --- with a Redis to be hurt ------------------------------------------------------------------------------------


@pytest.fixture
def pair(servers, marquee, own_redis):
    """Two processes on a Redis of their own."""
    return [servers(redis_url=own_redis.url), servers(redis_url=own_redis.url)]


async def test_what_was_published_while_a_subscription_was_cut_is_there_at_once(pair, clients, own_redis, ana, ben):
    api = Api(pair[1].port)
    chat = await subscribed(pair[0].port, ben, "general")
    redis = clients(own_redis.url)

    for round_ in range(5):
        await redis.client_kill_filter(_type="pubsub")
        await say(api, ana, f"{round_}")
        with within(2):
            event = await chat.event("message.created")
        assert event["data"]["content"] == str(round_)
    chat.close()
    api.close()


async def test_without_redis_rooms_go_on_by_comparing(pair, own_redis, ana, ben):
    apis = [Api(one.port) for one in pair]
    chats = [await subscribed(one.port, ben, "general") for one in pair]
    own_redis.kill()

    for number in range(4):
        await say(apis[number % 2], ana, f"{number}")
    heard = [await chat.messages(4) for chat in chats]
    own_redis.start()
    await say(apis[0], ana, "again")
    for chat in chats:
        heard.append(await chat.messages(1))

    for four in heard[:2]:
        assert [m["data"]["content"] for m in four] == ["0", "1", "2", "3"]
    assert [m[0]["data"]["content"] for m in heard[2:]] == ["again", "again"]
    for chat, api in zip(chats, apis, strict=True):
        chat.close()
        api.close()
