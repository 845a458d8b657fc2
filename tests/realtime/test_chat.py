"""`/ws/chat`: rooms live, over two processes; each frame beside its REST twin."""

import asyncio

from tests.api.rooms import history, join, make_room, say
from tests.realtime.chatting import enter, subscribed


async def test_what_is_written_is_heard_in_both_processes(api, marquee, other, ana, ben):
    here, there = await subscribed(marquee.port, ana, "general"), await subscribed(other.port, ben, "general")

    message = await say(api, ana, "Hello")

    for chat in (here, there):
        event = await chat.event("message.created")
        assert event["data"] == message
        assert (event["channel"], event["offset"]) == (f"room:{message['roomId']}", message["rev"])
        chat.close()


async def test_subscribing_tells_where_the_room_is(api, marquee, ana):
    message = await say(api, ana)
    chat = await enter(marquee.port, ana)

    entry = await chat.subscribe("general")
    room = (await api.get("/api/rooms/general", as_=ana)).json

    assert entry == {
        "room": "general",
        "roomId": room["id"],
        "epoch": room["epoch"],
        "offset": message["rev"],
        "recovered": False,
        "messages": [],
        "more": False,
    }
    chat.close()


async def test_a_message_is_sent_through_the_socket(api, marquee, ana):
    chat = await subscribed(marquee.port, ana, "general")

    await chat.socket.send("message.send", {"room": "general", "content": "Hi", "clientId": "one"}, 5)
    frames = await chat.until(lambda f: f.get("reply") == 5)
    events = [f for f in frames if f.get("event") == "message.created"] or [await chat.event("message.created")]

    assert frames[-1]["ok"]
    assert events[0]["data"] == frames[-1]["data"] == (await history(api, ana))["items"][0]
    again = await chat.ask("message.send", {"room": "general", "content": "Other", "clientId": "one"})
    assert again["data"] == frames[-1]["data"]
    chat.close()


async def test_a_burst_comes_once_and_in_order(api, marquee, other, ana, ben):
    chats = [await subscribed(one.port, ben, "general") for one in (marquee, other)]

    sent = await asyncio.gather(*(say(api, ana, str(number)) for number in range(25)))

    for chat in chats:
        heard = await chat.messages(25)
        assert [m["data"]["seq"] for m in heard] == list(range(1, 26))
        assert {m["data"]["id"] for m in heard} == {m["id"] for m in sent}
        chat.close()


async def test_two_processes_write_one_room_and_both_hear_one_order(marquee, other, ana, ben):
    chats = [await subscribed(one.port, person, "general") for one, person in ((marquee, ana), (other, ben))]
    sends = [
        chat.socket.send("message.send", {"room": "general", "content": "x", "clientId": f"{n}"})
        for chat in chats
        for n in range(20)
    ]

    await asyncio.gather(*sends)

    orders = [[m["data"]["id"] for m in await chat.messages(40)] for chat in chats]
    assert orders[0] == orders[1]
    assert len(set(orders[0])) == 40
    for chat in chats:
        chat.close()


async def test_after_unsubscribing_nothing_comes(api, marquee, ana):
    chat = await subscribed(marquee.port, ana, "general")

    reply = await chat.ask("room.unsubscribe", {"room": "general"})
    message = await say(api, ana)

    assert reply["ok"]
    assert [f for f in await chat.heard() if f.get("channel") == f"room:{message['roomId']}"] == []
    chat.close()


async def test_many_rooms_in_one_frame(api, marquee, ana, ben):
    rooms = [await make_room(api, ana, f"room-{number}") for number in range(5)]
    secret = await make_room(api, ana, "secret", "private")
    chat = await enter(marquee.port, ben)

    names = [*(room["id"] for room in rooms), secret["id"], "nowhere", "general"]
    reply = await chat.ask("room.subscribe", {"rooms": [{"room": name} for name in names]})

    entries = reply["data"]["rooms"]
    assert [entry["room"] for entry in entries] == names
    assert [entry.get("error", {}).get("code") for entry in entries] == [None] * 5 + ["not_found"] * 2 + [None]
    await join(api, rooms[3], ben)
    await chat.event("member.joined", userId=ben.id)
    chat.close()
