"""What happens between a subscription's question and its going live, where each step can be looked at by itself."""

from dataclasses import replace

import pytest

from core.settings import Rate
from realtime import subscription as subscriptions
from tests.api.rooms import make_room, say
from tests.realtime.chatting import enter, subscribed

MANY = Rate(1_000_000, 10)


@pytest.fixture
def settings(settings):
    return replace(settings, rate_messages=MANY, rate_frames=MANY)


@pytest.mark.parametrize("most_kept", [0, 262_144])
async def test_what_is_written_during_the_reading_comes_after_it(api, marquee, ana, ben, monkeypatch, most_kept):
    """With no bytes kept at all, the room is read again: nothing may depend on how much there is room for."""
    monkeypatch.setattr(subscriptions, "MOST_KEPT", most_kept)
    await say(api, ana, "before")
    witness = await subscribed(marquee.port, ana, "general")
    feed = marquee.stores.room_feed
    read = feed.missed

    async def read_and_write(room_id, asks):
        answer = await read(room_id, asks)
        monkeypatch.setattr(feed, "missed", read)
        for number in range(3):
            await say(api, ana, f"during {number}")
        await witness.event("message.created", content="during 2")
        return answer

    monkeypatch.setattr(feed, "missed", read_and_write)
    chat = await enter(marquee.port, ben)

    entry = await chat.subscribe("general", after=0)
    await say(api, ana, "after")
    frames = await chat.until(lambda frame: frame.get("data", {}).get("content") == "after")

    heard = [frame["data"]["content"] for frame in frames if frame.get("event") == "message.created"]
    assert [message["content"] for message in entry["messages"]] == ["before"]
    assert heard == ["during 0", "during 1", "during 2", "after"]
    for one in (witness, chat):
        one.close()


async def test_whose_membership_is_gone_when_more_is_read_is_told_so(api, marquee, ana, ben):
    room = await make_room(api, ana, "secret", "private", [ben])
    await say(api, ana, room=room)
    chat = await subscribed(marquee.port, ben, room)
    (subscription,) = [one.place[room["id"]] for one in marquee.node.hub if one.actor.id == ben.id]

    # Only the store knows as yet: the news of the removal are under way.
    await marquee.ground.collection("room_members").update(
        {"userId": ben.id, "roomId": room["id"]}, {"$set": {"left": True}}
    )
    subscription.position = 0
    await subscription.catch_up(marquee.stores.room_feed)

    ended = await chat.event("unsubscribed")
    assert (ended["channel"], ended["data"]) == (f"room:{room['id']}", {"code": "forbidden"})
    await say(api, ana, "later", room=room)
    assert [frame for frame in await chat.heard() if frame.get("event", "").startswith("message.")] == []
    chat.close()
