"""Every frame of `/ws/chat` beside its REST twin: the same effect, the same answer, the same refusal."""

import asyncio
from dataclasses import replace

import pytest

from core.settings import Rate
from models.message_changes import Author, Send
from tests.api.rooms import history, make_room, say
from tests.realtime.chatting import enter, subscribed
from tests.realtime.wire import Wire


@pytest.fixture
def chat(io_loop, marquee, ana):
    """Ana's connection, which hears `general`."""
    return io_loop.run_sync(lambda: subscribed(marquee.port, ana, "general"))


async def test_a_message_is_edited_liked_unliked_and_deleted(api, chat, ana, ben):
    message = await say(api, ana, "Hello")
    about = {"messageId": message["id"]}

    async def told(type_, data, event):
        await chat.socket.send(type_, data, "asked")
        seen = []
        while {"reply", event} - {"reply" if "reply" in f else f["event"] for f in seen}:
            seen.append(await chat.read())
        return [f["data"] for f in seen if "reply" in f or f["event"] == event]

    edited = await told("message.edit", {**about, "content": "Hello all"}, "message.updated")
    liked = await told("reaction.add", {**about, "emoji": "👍"}, "message.updated")
    unliked = await told("reaction.remove", {**about, "emoji": "👍"}, "message.updated")
    deleted = await told("message.delete", about, "message.deleted")

    assert edited[0] == edited[1]
    assert edited[0]["content"] == "Hello all"
    assert liked[0]["reactions"] == [{"emoji": "👍", "userIds": [ana.id]}]
    assert unliked[0]["reactions"] == []
    assert {} in deleted
    deleted.remove({})
    assert deleted == (await history(api, ben))["items"]
    assert deleted[0]["deleted"]


async def test_a_reply_changes_the_message_that_it_answers(api, chat, ana):
    parent = await say(api, ana, "Question")

    reply = await chat.ask(
        "message.send", {"room": "general", "content": "Answer", "clientId": "1", "replyTo": parent["id"]}
    )

    assert reply["data"]["replyTo"]["id"] == parent["id"]
    updated = (await api.get(f"/api/messages/{parent['id']}", as_=ana)).json
    assert updated["replyCount"] == 1


async def refusals(api, ana, ben):
    """Yield frames that are refused, each with its REST twin."""
    message, gone = await say(api, ben, "ben's"), await say(api, ana, "gone")
    await api.delete(f"/api/messages/{gone['id']}", as_=ana)
    archived = await make_room(api, ana, "archived")
    await api.patch(f"/api/rooms/{archived['id']}", {"archived": True}, as_=ana)
    mine, nothing = f"/api/messages/{message['id']}", "64f0c0ffee64f0c0ffee64f0"
    path = "/api/messages"

    def write(**body):
        body = {"room": "general", "clientId": "x", "content": "Hi", **body}
        return "message.send", body, "POST", path, body

    yield write(room="nowhere")
    yield write(room=archived["id"])
    yield write(content="")
    yield write(content="\u200b \u2060")
    yield write(content="x" * 4001)
    yield write(replyTo=nothing)
    yield write(clientId="")
    yield write(clientId="x" * 65)
    yield write(attachments=[nothing])
    yield write(attachments=[nothing] * 2)
    yield write(bold=True)
    yield write(content=["x"])
    yield "message.edit", {"messageId": message["id"], "content": "Mine"}, "PATCH", mine, {"content": "Mine"}
    yield "message.edit", {"messageId": nothing, "content": "x"}, "PATCH", f"{path}/{nothing}", {"content": "x"}
    yield "message.edit", {"messageId": gone["id"], "content": "x"}, "PATCH", f"{path}/{gone['id']}", {"content": "x"}
    yield "message.delete", {"messageId": message["id"]}, "DELETE", mine, None
    like = f"{mine}/reactions"
    yield "reaction.add", {"messageId": message["id"], "emoji": "x"}, "PUT", f"{like}/x", None
    yield "reaction.add", {"messageId": nothing, "emoji": "👍"}, "PUT", f"{path}/{nothing}/reactions/%F0%9F%91%8D", None
    yield "read", {"room": "nowhere", "seq": 1}, "POST", "/api/rooms/nowhere/read", {"seq": 1}
    yield "read", {"room": "general", "seq": -1}, "POST", "/api/rooms/general/read", {"seq": -1}


@pytest.fixture
def settings(settings):
    return replace(settings, rate_frames=Rate(1_000_000, 10), rate_messages=Rate(30, 600))


async def test_a_frame_is_refused_as_its_rest_twin_is(api, marquee, ana, ben):
    async for type_, data, method, path, body in refusals(api, ana, ben):
        chat = await enter(marquee.port, ana)

        reply = await chat.ask(type_, data)
        twin = await api.ask(method, path, body, as_=ana)

        assert not reply["ok"], (type_, data)
        error = {key: twin.json[key] for key in ("status", "code", "detail", "errors") if key in twin.json}
        assert reply["error"] == error, (type_, data)
        chat.close()


async def test_a_muted_member_is_told_for_how_long(api, marquee, ana, ben, clock):
    room = await make_room(api, ana)
    await api.post(f"/api/rooms/{room['id']}/join", as_=ben)
    until = clock.now().replace(year=clock.now().year + 1).isoformat()
    await api.put(f"/api/rooms/{room['id']}/members/{ben.id}", {"mutedUntil": until}, as_=ana)
    chat = await enter(marquee.port, ben)

    reply = await chat.ask("message.send", {"room": "lobby", "content": "Hi", "clientId": "1"})

    assert (reply["error"]["status"], reply["error"]["code"]) == (403, "muted")
    assert reply["error"]["retryAfterMs"] > 300 * 24 * 3600 * 1000


async def test_messages_through_both_doors_count_together(api, marquee, chat, ana):
    for number in range(15):
        await say(api, ana, f"{number}")
        sent = await chat.ask("message.send", {"room": "general", "content": "x", "clientId": f"{number}"})
        assert sent["ok"]

    by_socket = await chat.ask("message.send", {"room": "general", "content": "x", "clientId": "more"})
    by_rest = await api.post("/api/messages", {"room": "general", "content": "x"}, as_=ana)

    assert (by_socket["error"]["status"], by_socket["error"]["code"]) == (429, "rate_limited")
    assert 0 < by_socket["error"]["retryAfterMs"] <= 600_000
    assert by_rest.status == 429
    assert len((await history(api, ana))["items"]) == 30


async def test_a_client_id_is_the_same_through_both_doors(api, marquee, chat, ana):
    first = await say(api, ana, "Hello", clientId="one")

    again = await chat.ask("message.send", {"room": "general", "content": "Hello", "clientId": "one"})

    assert again["data"] == first


async def test_the_same_client_id_from_both_processes_at_once_is_one_message(api, other, chat, ana):
    chats = [chat, chat, await enter(other.port, ana)]
    await chats[2].subscribe("general")

    for number, one in enumerate(chats):
        await one.socket.send("message.send", {"room": "general", "content": "Hi", "clientId": "same"}, number)
    replies = [(await one.until(lambda f, n=n: f.get("reply") == n))[-1] for n, one in enumerate(chats)]

    assert {r["data"]["id"] for r in replies} == {(await history(api, ana))["items"][0]["id"]}
    assert len((await history(api, ana))["items"]) == 1


async def test_a_frame_without_a_client_id_is_refused(chat):
    reply = await chat.ask("message.send", {"room": "general", "content": "Hi"})

    assert reply["error"]["errors"] == [{"path": "clientId", "message": "is required"}]


async def test_a_silent_success_is_silent(api, marquee, chat, ana):
    await chat.socket.send("message.send", {"room": "general", "content": "Hi", "clientId": "1"})
    await chat.event("message.created")

    assert [f for f in await chat.heard() if "reply" in f] == []


@pytest.mark.parametrize("content", ["<script>alert(1)</script>", "\u202eabc", "a\u200bb", "😀" * 4000, "x\n\ty", "é"])
async def test_what_is_written_is_heard_as_it_was_sent(chat, content):
    await chat.socket.send("message.send", {"room": "general", "content": content, "clientId": "1"})

    assert (await chat.event("message.created"))["data"]["content"] == content


async def test_a_reader_that_stops_is_ended_and_the_others_never_notice(marquee, ana, ben):
    frozen = await Wire.open(marquee.port, "/ws/chat", ben.token, receive_buffer=4096)
    await frozen.read()
    await frozen.send({"id": 1, "type": "room.subscribe", "data": {"room": "general"}})
    await frozen.read()
    chat = await subscribed(marquee.port, ana, "general")

    for _ in range(30):
        await asyncio.gather(*(big(marquee, ana) for _ in range(10)))
        await chat.messages(10)

    assert marquee.metrics.slow_clients._value.get() == 1


async def test_a_slow_reader_gets_all_that_it_missed_as_fast_as_it_reads(marquee, ana, ben):
    for _ in range(30):
        await asyncio.gather(*(big(marquee, ana) for _ in range(10)))
    slow = await Wire.open(marquee.port, "/ws/chat", ben.token, receive_buffer=4096)
    await slow.read()

    await slow.send({"id": 1, "type": "room.subscribe", "data": {"room": "general", "after": 0}})
    seqs = []
    while len(seqs) < 300:
        frame = await slow.read()
        if "reply" in frame:
            seqs += [m["seq"] for m in frame["data"]["rooms"][0]["messages"]]
        elif frame.get("event") == "message.created":
            seqs.append(frame["data"]["seq"])
        if len(seqs) == 100:
            await asyncio.sleep(2)

    assert seqs == list(range(1, 301))
    assert marquee.metrics.slow_clients._value.get() == 0


async def big(marquee, person):
    """Write a message of 12 KB, past the limit of messages."""
    content, by = "😀" * 3000, Author(person.id)
    await marquee.stores.room_log.submit(await marquee.stores.general.id(), Send(by, content))
