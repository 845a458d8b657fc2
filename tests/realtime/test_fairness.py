"""When many come at once they are served in turns, and everybody else in between. Counted in turns of the loop."""

import asyncio
import socket
from collections import Counter
from dataclasses import replace

import pytest

from core.settings import Rate
from handlers.accepting import MOST_ACCEPTED
from realtime import presence_news, subscribing
from tests.api.rooms import say
from tests.realtime.chatting import enter, subscribed

MANY = Rate(1_000_000, 10)


@pytest.fixture
def settings(settings):
    return replace(settings, rate_messages=MANY, rate_frames=MANY, rate_user=MANY)


class Turns:
    """Counts the turns of the event loop, inside `with`."""

    def __enter__(self):
        self.number = 0
        self._step()
        return self

    def __exit__(self, *_):
        self._next.cancel()

    def _step(self):
        self.number += 1
        self._next = asyncio.get_running_loop().call_soon(self._step)


@pytest.mark.gen_test(timeout=60)
async def test_a_request_is_answered_while_many_resume(api, marquee, ana, monkeypatch):
    message = await say(api, ana, "Good morning")
    several = subscribing._AT_ONCE * 6
    chats = [await enter(marquee.port, ana) for _ in range(several)]
    feed, asked, answered = marquee.stores.room_feed, [], asyncio.Event()
    missed = feed.missed

    async def counted(room_id, asks):
        asked.append(len(asks))
        if sum(asked) == several:  # the last ones, who are quick: the request asks Redis too, which may have no turn
            await asyncio.wait_for(answered.wait(), 30)
        return await missed(room_id, asks)

    monkeypatch.setattr(feed, "missed", counted)
    resumed = asyncio.gather(*(chat.ask("room.subscribe", {"room": "general", "after": 0}) for chat in chats))
    while not asked:
        await asyncio.sleep(0)
    reply = await api.get("/api/messages?room=general", as_=ana)
    answered.set()
    replies = await resumed

    assert reply.status == 200
    assert all(each["data"]["rooms"][0]["messages"][-1]["id"] == message["id"] for each in replies)
    assert max(asked) <= subscribing._AT_ONCE
    assert sum(asked) == several
    for chat in chats:
        chat.close()


async def test_who_is_told_of_many_leaves_turns_to_others(api, marquee, ana, ben, monkeypatch):
    monkeypatch.setattr(presence_news, "_TURN", 1)
    chats = [await subscribed(marquee.port, ana, "general") for _ in range(4)]
    told, turns_of = presence_news._told, []

    with Turns() as turns:

        def noted(reader, changes):
            turns_of.append(turns.number)
            return told(reader, changes)

        monkeypatch.setattr(presence_news, "_told", noted)
        chats.append(await enter(marquee.port, ben))
        for chat in chats[:4]:
            assert (await chat.event("presence.changed", userId=ben.id))["data"]["status"] == "online"

    assert len(turns_of) >= 4
    assert Counter(turns_of).most_common(1)[0][1] == 1
    for chat in chats:
        chat.close()


async def test_who_connects_in_a_crowd_is_let_in_a_few_at_a_time(marquee, monkeypatch):
    served, turns_of = marquee.http.handle_stream, []
    lines = [socket.create_connection(("127.0.0.1", marquee.port)) for _ in range(5 * MOST_ACCEPTED)]
    for line in lines:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: crowd\r\n\r\n")

    with Turns() as turns:

        def noted(stream, address):
            turns_of.append(turns.number)
            return served(stream, address)

        monkeypatch.setattr(marquee.http, "handle_stream", noted)
        heard = [await asyncio.to_thread(line.recv, 15) for line in lines]

    assert heard == [b"HTTP/1.1 200 OK"] * len(lines)
    assert len(turns_of) == len(lines)
    assert Counter(turns_of).most_common(1)[0][1] <= MOST_ACCEPTED
    for line in lines:
        line.close()
