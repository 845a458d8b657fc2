"""Who may do what in which room: every call about rooms and messages, times every kind of room and of person."""

from urllib.parse import quote

import pytest

from tests.api.rooms import make_room, say

# Who acts. The owner of a direct room is just one of its two people; an admin of the server is nobody special.
PEOPLE = ("nobody", "admin", "stranger", "left", "removed", "member", "moderator", "owner")
INSIDE = ("member", "moderator", "owner")
REACTION = f"/reactions/{quote('👍')}"

# name -> method, path, body, and what those inside get, by role; `{room}`, `{theirs}` (the owner's message), `{own}`
# (the actor's), `{member}` (somebody to act upon) are filled in.
CALLS = {
    "read the room": ("GET", "/api/rooms/{room}", None, {}),
    "read its members": ("GET", "/api/rooms/{room}/members", None, {}),
    "read its messages": ("GET", "/api/messages?room={room}", None, {}),
    "read what has changed": ("GET", "/api/messages?room={room}&changedAfter=0", None, {}),
    "read a thread": ("GET", "/api/messages?room={room}&thread={theirs}", None, {}),
    "read a message": ("GET", "/api/messages/{theirs}", None, {}),
    "search": ("GET", "/api/messages/search?q=hello&room={room}", None, {}),
    "write": ("POST", "/api/messages", {"room": "{room}", "content": "x"}, {}),
    "answer": ("POST", "/api/messages", {"room": "{room}", "content": "x", "replyTo": "{theirs}"}, {}),
    "react": ("PUT", "/api/messages/{theirs}" + REACTION, None, {}),
    "take a reaction back": ("DELETE", "/api/messages/{theirs}" + REACTION, None, {}),
    "pin": ("PUT", "/api/messages/{theirs}/pin", None, {}),
    "unpin": ("DELETE", "/api/messages/{theirs}/pin", None, {}),
    "note what was read": ("POST", "/api/rooms/{room}/read", {"seq": 1}, {}),
    "edit somebody's message": ("PATCH", "/api/messages/{theirs}", {"content": "x"}, {"owner": 200, "*": 403}),
    "edit one's own message": ("PATCH", "/api/messages/{own}", {"content": "x"}, {}),
    "delete somebody's message": ("DELETE", "/api/messages/{theirs}", None, {"member": 403}),
    "delete one's own message": ("DELETE", "/api/messages/{own}", None, {}),
    "change settings": ("PATCH", "/api/rooms/{room}", {"topic": "x"}, {"owner": 200, "*": 403}),
    "give a role": ("PUT", "/api/rooms/{room}/members/{member}", {"role": "moderator"}, {"owner": 200, "*": 403}),
    "mute": ("PUT", "/api/rooms/{room}/members/{member}", {"mutedUntil": "2100-01-01T00:00:00Z"}, {"member": 403}),
    "bring somebody in": ("PUT", "/api/rooms/{room}/members/{other}", {}, {"member": 403}),
    "remove somebody": ("DELETE", "/api/rooms/{room}/members/{member}", None, {"member": 403}),
    "leave": ("POST", "/api/rooms/{room}/leave", None, {}),
    "delete the room": ("DELETE", "/api/rooms/{room}", None, {"owner": 200, "*": 403}),
}
READS = [name for name, call in CALLS.items() if call[0] == "GET"]
NOT_IN_DIRECT = {
    "change settings": 409,
    "give a role": 409,
    "mute": 409,
    "bring somebody in": 409,
    "leave": 409,
    "delete the room": 409,
}
ALIKE_IN_DIRECT = {"edit somebody's message": 403, "delete somebody's message": 403, "remove somebody": 409}


@pytest.fixture
def people(io_loop, api, admin):
    async def come():
        names = [*PEOPLE[2:], "target", "other"]
        return {"nobody": None, "admin": admin} | {name: await api.person(name) for name in names}

    return io_loop.run_sync(come)


async def make(api, people, kind):
    """Make a room of a kind with everybody in their place; return it and who is inside."""
    owner = people["owner"]
    if kind == "direct":
        return await make_room(api, owner, kind="direct", members=[people["member"]]), ("member", "owner")
    around = [people[name] for name in ("left", "removed", "member", "moderator", "target")]
    room = await make_room(api, owner, f"{kind}-room", kind, members=around)
    path = f"/api/rooms/{room['id']}"
    for reply in (
        await api.put(f"{path}/members/{people['moderator'].id}", {"role": "moderator"}, as_=owner),
        await api.delete(f"{path}/members/{people['removed'].id}", as_=owner),
        await api.post(f"{path}/leave", as_=people["left"]),
    ):
        assert reply.status < 300, reply.body
    return room, INSIDE


def expected(kind, inside, who, call):
    """Return the status that `who` gets; 200 stands for any success."""
    if who == "nobody":
        return 401
    if who not in inside:
        if kind == "public" and call in READS:
            return 200
        if kind == "public" and call in {"edit one's own message", "delete one's own message"}:
            return None  # they have none there
        return 403 if kind == "public" else 404
    if kind == "direct":
        rule = NOT_IN_DIRECT.get(call) or (ALIKE_IN_DIRECT.get(call) if who == "member" else None)
        return rule or (403 if call == "remove somebody" else 200)
    rules = CALLS[call][3]
    return rules.get(who, rules.get("*", 200))


def filled(value, names):
    if isinstance(value, str):
        return value.format_map(names)
    return {key: filled(one, names) for key, one in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("kind", ["public", "private", "direct"])
@pytest.mark.parametrize("call", CALLS)
async def test_rooms_and_roles_decide_what_one_may_do(api, people, kind, call):
    room, inside = await make(api, people, kind)
    method, path, body, _ = CALLS[call]
    target = people["member" if kind == "direct" else "target"]
    for who in PEOPLE:
        wanted = expected(kind, inside, who, call)
        if wanted is None:
            continue
        theirs = await say(api, people["owner"], "hello", room=room)
        own = await say(api, people[who], "hello", room=room) if who in inside else theirs
        names = {"room": room["id"], "theirs": theirs["id"], "own": own["id"], "member": target.id}
        names["other"] = people["other"].id
        reply = await api.ask(method, filled(path, names), filled(body, names), people[who])

        assert (200 if reply.status < 300 else reply.status) == wanted, f"{who}: {reply.status} {reply.body}"
        if reply.status < 300 and call in {"remove somebody", "leave"} and who != "owner":
            gone = target if call == "remove somebody" else people[who]
            restored = await api.put(f"/api/rooms/{room['id']}/members/{gone.id}", {}, as_=people["owner"])
            assert restored.status == 200, restored.body
        if reply.status < 300 and call in {"mute", "give a role", "bring somebody in"}:
            undone = {"mutedUntil": None, "role": "member"} if call != "bring somebody in" else None
            where = f"/api/rooms/{room['id']}/members/{names['other'] if undone is None else target.id}"
            reply = await api.ask("DELETE" if undone is None else "PUT", where, undone, people["owner"])
            assert reply.status < 300, reply.body


async def test_what_one_may_not_see_answers_like_what_is_not_there(api, people):
    room, _ = await make(api, people, "private")
    message = await say(api, people["owner"], room=room)
    nothing = "000000000000000000000000"
    for method, path, body, _ in CALLS.values():
        names = {"room": room["id"], "theirs": message["id"], "own": message["id"]}
        names |= {"member": people["target"].id, "other": people["other"].id}
        hidden = await api.ask(method, filled(path, names), filled(body, names), people["stranger"])
        names |= dict.fromkeys(("room", "theirs", "own"), nothing)
        absent = await api.ask(method, filled(path, names), filled(body, names), people["stranger"])

        assert hidden.status == absent.status == 404
        assert hidden.json | {"requestId": ""} == absent.json | {"requestId": ""}
