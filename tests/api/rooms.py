"""What tests of the chat do again and again: making rooms, and saying something."""

import json

from handlers.base import encode


def sent(data):
    """Return an event's data as its subscribers get it."""
    return json.loads(encode(data))


async def make_room(api, person, name="lobby", kind="public", members=(), **more):
    """Make a room through the API; return it."""
    ids = {"memberIds": [member.id for member in members]} if members else {}
    named = {} if kind == "direct" else {"name": name}
    reply = await api.post("/api/rooms", {"type": kind, **named, **ids, **more}, as_=person)
    assert reply.status in {200, 201}, reply.body
    return reply.json


async def join(api, room, *people):
    """Let people come into a public room."""
    for person in people:
        reply = await api.post(f"/api/rooms/{room['id']}/join", as_=person)
        assert reply.status == 200, reply.body


async def say(api, person, content="Hello", room="general", **more):
    """Write a message; return it."""
    body = {"room": room if isinstance(room, str) else room["id"], "content": content, **more}
    reply = await api.post("/api/messages", body, as_=person)
    assert reply.status in {200, 201}, reply.body
    return reply.json


async def history(api, person, room="general", query=""):
    """Read a part of a room; return the page."""
    name = room if isinstance(room, str) else room["id"]
    reply = await api.get(f"/api/messages?room={name}{query}", as_=person)
    assert reply.status == 200, reply.body
    return reply.json


def contents(page):
    """Return what the messages of a page say; None for tombstones."""
    return [message.get("content") for message in page["items"]]


async def names(api, person, query=""):
    """Return the names of the rooms that a list has."""
    reply = await api.get(f"/api/rooms{query}", as_=person)
    assert reply.status == 200, reply.body
    return [room["name"] for room in reply.json["items"]]
