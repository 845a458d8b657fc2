"""Who may do what in which room by the socket: every frame about rooms, times every kind of room and of person.

What is expected is what the frame's REST twin gives (tests/api/test_room_rights.py).
"""

from dataclasses import replace

import pytest

from core.settings import Rate
from tests.api.rooms import say
from tests.api.test_room_rights import CALLS, PEOPLE, expected, filled, make
from tests.realtime.chatting import enter

MANY = Rate(1_000_000, 10)
THEIRS, OWN = {"messageId": "{theirs}"}, {"messageId": "{own}"}
WRITING = {"room": "{room}", "content": "x", "clientId": "{theirs}"}

# frame -> its data, by what its REST twin is called there. Who may type may write, and who may read may subscribe.
FRAMES = {
    "write": ("message.send", WRITING),
    "answer": ("message.send", {**WRITING, "replyTo": "{theirs}"}),
    "react": ("reaction.add", {**THEIRS, "emoji": "👍"}),
    "take a reaction back": ("reaction.remove", {**THEIRS, "emoji": "👍"}),
    "note what was read": ("read", {"room": "{room}", "seq": 1}),
    "edit somebody's message": ("message.edit", {**THEIRS, "content": "y"}),
    "edit one's own message": ("message.edit", {**OWN, "content": "y"}),
    "delete somebody's message": ("message.delete", THEIRS),
    "delete one's own message": ("message.delete", OWN),
    "read what has changed": ("room.subscribe", {"room": "{room}", "after": 0}),
    "type": ("typing", {"room": "{room}", "on": True}),
}


@pytest.fixture
def settings(settings):
    return replace(settings, rate_messages=MANY, rate_frames=MANY)


@pytest.fixture
def people(io_loop, api, admin):
    async def come():
        names = [*PEOPLE[2:], "target", "other"]
        return {"admin": admin} | {name: await api.person(name) for name in names}

    return io_loop.run_sync(come)


def status_of(reply):
    """Return what a frame got as a status: 200 where it succeeded, for the only room of a subscription too."""
    if not reply["ok"]:
        return reply["error"]["status"]
    rooms = reply["data"].get("rooms", [{}])
    return rooms[0].get("error", {}).get("status", 200)


@pytest.mark.parametrize("kind", ["public", "private", "direct"])
@pytest.mark.parametrize("call", FRAMES)
async def test_rooms_and_roles_decide_what_a_frame_may_do(api, marquee, people, kind, call):
    room, inside = await make(api, people, kind)
    type_, data = FRAMES[call]
    for who in people:
        wanted = expected(kind, inside, who, "write" if call == "type" else call) if who in PEOPLE else None
        if wanted is None:
            continue
        theirs = await say(api, people["owner"], "hello", room=room)
        own = await say(api, people[who], "hello", room=room) if who in inside else theirs
        names = {"room": room["id"], "theirs": theirs["id"], "own": own["id"]}
        chat = await enter(marquee.port, people[who])

        reply = await chat.ask(type_, filled(data, names))

        assert status_of(reply) == wanted, f"{who}: {reply}"
        if wanted != 200 and type_ == "room.subscribe":
            assert "messages" not in reply["data"]["rooms"][0]
        chat.close()


async def test_every_frame_about_rooms_is_in_the_matrix(marquee):
    endpoint = next(given["endpoint"] for route, _, given in marquee.sockets() if route == "/ws/chat")
    about_no_others_room = {"presence.set", "room.unsubscribe"}

    assert {type_ for type_, _ in FRAMES.values()} == endpoint.frames.keys() - about_no_others_room
    assert FRAMES.keys() - CALLS.keys() == {"type"}
