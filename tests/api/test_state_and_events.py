"""For every action: what a client held before, and the events, make what it would fetch afresh."""

from contextlib import suppress
from urllib.parse import quote

import pytest

from tests.api.room_client import RoomClient
from tests.api.rooms import make_room, say, sent


class Scene:
    """A public room with people, messages, an answer, a reaction and a pin; and who is not in it."""

    def __init__(self, api, people):
        self.api = api
        self.people = people

    async def build(self):
        olga, mia, ann = (self.people[name] for name in ("olga", "mia", "ann"))
        self.room = await make_room(self.api, olga, members=[mia, ann])
        self.path = f"/api/rooms/{self.room['id']}"
        await self.api.put(f"{self.path}/members/{mia.id}", {"role": "moderator"}, as_=olga)
        self.first = await say(self.api, ann, "First @mia " + "x" * 200, room=self.room)
        self.second = await say(self.api, olga, "Second", room=self.room)
        self.answer = await say(self.api, mia, "Answer", room=self.room, replyTo=self.first["id"])
        await self.do("PUT", "ann", self.of(self.second, "/pin"))
        await self.do("PUT", "ann", self.of(self.second, f"/reactions/{quote('👍')}"))
        return self

    @staticmethod
    def of(message, path=""):
        return f"/api/messages/{message['id']}{path}"

    async def do(self, method, who, path, body=None):
        reply = await self.api.ask(method, path, body, self.people[who])
        assert reply.status < 300, reply.body
        return reply

    def member(self, name):
        return f"{self.path}/members/{self.people[name].id}"

    async def end(self):
        for name in self.people:
            if (await self.api.delete(self.path, as_=self.people[name])).status == 204:
                return

    async def send(self, who, content, **more):
        return await say(self.api, self.people[who], content, room=self.room, **more)


ACTIONS = {
    "a message": lambda s: s.send("ann", "Hello @mia @stan"),
    "a message by the owner of a client id, twice": lambda s: s.send("ann", "Hello", clientId="c"),
    "an answer": lambda s: s.send("ann", "Answer", replyTo=s.first["id"]),
    "an answer to an answer": lambda s: s.send("ann", "Answer", replyTo=s.answer["id"]),
    "an edit": lambda s: s.do("PATCH", "olga", s.of(s.second), {"content": "Changed @ann"}),
    "an edit of what was answered": lambda s: s.do("PATCH", "ann", s.of(s.first), {"content": "Changed " * 30}),
    "a deletion": lambda s: s.do("DELETE", "olga", s.of(s.second)),
    "a deletion by a moderator": lambda s: s.do("DELETE", "mia", s.of(s.second)),
    "a deletion of what was answered": lambda s: s.do("DELETE", "ann", s.of(s.first)),
    "a deletion of an answer": lambda s: s.do("DELETE", "mia", s.of(s.answer)),
    "a reaction": lambda s: s.do("PUT", "mia", s.of(s.second, f"/reactions/{quote('👍')}")),
    "another reaction": lambda s: s.do("PUT", "mia", s.of(s.second, f"/reactions/{quote('🏴‍☠️')}")),
    "a reaction taken back": lambda s: s.do("DELETE", "ann", s.of(s.second, f"/reactions/{quote('👍')}")),
    "a reaction that is there already": lambda s: s.do("PUT", "ann", s.of(s.second, f"/reactions/{quote('👍')}")),
    "a pin": lambda s: s.do("PUT", "mia", s.of(s.first, "/pin")),
    "an unpinning": lambda s: s.do("DELETE", "mia", s.of(s.second, "/pin")),
    "somebody joins": lambda s: s.do("POST", "stan", f"{s.path}/join"),
    "somebody joins again": lambda s: s.do("POST", "ann", f"{s.path}/join"),
    "somebody is brought in": lambda s: s.do("PUT", "olga", s.member("stan"), {"role": "moderator"}),
    "somebody leaves": lambda s: s.do("POST", "ann", f"{s.path}/leave"),
    "somebody is removed": lambda s: s.do("DELETE", "mia", s.member("ann")),
    "a role is given": lambda s: s.do("PUT", "olga", s.member("ann"), {"role": "owner"}),
    "somebody is muted": lambda s: s.do("PUT", "mia", s.member("ann"), {"mutedUntil": "2100-01-01T00:00:00Z"}),
    "settings change": lambda s: s.do("PATCH", "olga", s.path, {"title": "New", "topic": "New", "name": "new"}),
    "settings stay": lambda s: s.do("PATCH", "olga", s.path, {"name": "lobby"}),
    "the room is archived": lambda s: s.do("PATCH", "olga", s.path, {"archived": True}),
    "the owner leaves": lambda s: s.do("POST", "olga", f"{s.path}/leave"),
    "somebody has read": lambda s: s.do("POST", "ann", f"{s.path}/read", {"seq": 3}),
    "the room is deleted": lambda s: s.end(),
}


@pytest.fixture
def people(io_loop, api, admin):
    async def come():
        return {name: await api.person(name) for name in ("olga", "mia", "ann", "stan")}

    return io_loop.run_sync(come)


@pytest.fixture
def scene(io_loop, api, people):
    return io_loop.run_sync(Scene(api, people).build)


def bring_up_to_date(client, heard, room_id):
    """Let a client take in the events of its room."""
    for event in heard:
        if event.channel == f"room:{room_id}" and client is not None:
            client = client.apply(event.type, sent(event.data), event.offset)
    return client


@pytest.mark.parametrize("action", ACTIONS)
async def test_state_and_events_make_the_new_state(api, scene, people, heard, action):
    held = await RoomClient.fetched(api, people["stan"], scene.room["id"])
    heard.clear()
    await ACTIONS[action](scene)
    held = bring_up_to_date(held, heard, scene.room["id"])
    fresh = await RoomClient.fetched(api, people["stan"], scene.room["id"])

    assert (held and vars(held)) == (fresh and vars(fresh))
    assert (held is None) == (action == "the room is deleted")


async def test_all_actions_one_after_the_other(api, scene, people, heard):
    held = await RoomClient.fetched(api, people["stan"], scene.room["id"])
    heard.clear()
    for action, act in ACTIONS.items():
        with suppress(AssertionError):  # refused by what was done before: then nothing may have changed
            await act(scene)
        held = bring_up_to_date(held, heard, scene.room["id"])
        heard.clear()
        fresh = await RoomClient.fetched(api, people["stan"], scene.room["id"])
        assert (held and vars(held)) == (fresh and vars(fresh)), action
        if held is None:
            return
    pytest.fail("the room was never deleted")


async def test_whoever_comes_back_needs_only_what_has_changed(api, scene, people):
    room_id, held = scene.room["id"], []
    for action, act in ACTIONS.items():
        if action.split()[0] in {"a", "an", "another"}:
            held.append(await RoomClient.fetched(api, people["stan"], room_id))
            with suppress(AssertionError):  # refused by now: what it is about was deleted before
                await act(scene)
    fresh = await RoomClient.fetched(api, people["stan"], room_id)

    assert len({client.room["offset"] for client in held}) >= 10
    for client in held:
        path = f"/api/messages?room={room_id}&limit=100&changedAfter={client.room['offset']}"
        page = (await api.get(path, as_=people["stan"])).json
        for message in page["items"]:
            client.take(message)
        assert client.messages == fresh.messages
