"""`/api/messages`: writing, and reading a room by every marker."""

import asyncio

import pytest

from core.events import ROOM_MOVED
from tests.api.rooms import contents, history, join, make_room, say
from tests.api.stock import NOTHING, forget_answers, told


async def test_a_message_is_written_and_read(api, ana, ben, heard):
    reply = await api.post("/api/messages", {"room": "general", "content": "Hello"}, as_=ana)

    assert reply.status == 201
    assert reply.headers["Location"] == f"/api/messages/{reply.json['id']}"
    room = (await api.get("/api/rooms/general", as_=ben)).json
    assert reply.json == {
        "id": reply.json["id"],
        "room": "general",
        "roomId": room["id"],
        "seq": 1,
        "rev": room["offset"],
        "author": {"id": ana.id, "username": "ana", "displayName": "ana", "avatarUrl": None},
        "content": "Hello",
        "mentions": [],
        "attachments": [],
        "replyTo": None,
        "replyCount": 0,
        "reactions": [],
        "pinned": False,
        "editedAt": None,
        "deleted": False,
        "createdAt": reply.json["createdAt"],
        "clientId": None,
    }
    assert (await api.get(reply.headers["Location"], as_=ben)).json == reply.json
    assert await history(api, ben) == {"items": [reply.json], "next": None, "offset": room["offset"]}
    ((_, channel, data),) = told(heard, "message.created")
    assert (channel, data["id"], data["content"]) == (f"room:{room['id']}", reply.json["id"], "Hello")


async def test_messages_are_numbered_in_each_room(api, ana):
    lobby = await make_room(api, ana)
    first = [(await say(api, ana, room=room))["seq"] for room in ("general", lobby, "general", lobby)]

    assert first == [1, 1, 2, 2]


# --- retries --------------------------------------------------------------------------------------------------------


async def test_a_client_id_makes_a_retry_safe(api, ana, heard):
    body = {"room": "general", "content": "Once", "clientId": "a1"}
    first = await api.post("/api/messages", body, as_=ana)
    again = await api.post("/api/messages", body | {"content": "Once more"}, as_=ana)

    assert (first.status, again.status, again.json) == (201, 200, first.json)
    assert contents(await history(api, ana)) == ["Once"]
    assert len(told(heard, "message.created")) == 1


async def test_a_client_id_is_one_author_s_in_one_room(api, ana, ben):
    lobby = await make_room(api, ana)
    made = [
        await say(api, who, room=room, clientId="a") for who, room in ((ana, "general"), (ben, "general"), (ana, lobby))
    ]

    assert len({message["id"] for message in made}) == 3


async def test_a_retry_gets_the_message_as_it_is_now(api, ana):
    body = {"room": "general", "content": "Before", "clientId": "a1"}
    message = (await api.post("/api/messages", body, as_=ana)).json
    path = f"/api/messages/{message['id']}"

    await api.patch(path, {"content": "After"}, as_=ana)
    edited = await api.post("/api/messages", body, as_=ana)
    await api.delete(path, as_=ana)
    deleted = await api.post("/api/messages", body, as_=ana)

    assert (edited.status, edited.json["content"]) == (200, "After")
    assert (deleted.status, deleted.json["deleted"], deleted.json["id"]) == (200, True, message["id"])
    assert "content" not in deleted.json


async def test_the_same_client_id_at_once_is_one_message(api, ana):
    body = {"room": "general", "content": "Once", "clientId": "a1"}
    replies = await asyncio.gather(*(api.post("/api/messages", body, as_=ana) for _ in range(10)))

    assert sorted(reply.status for reply in replies) == [200] * 9 + [201]
    assert len({reply.json["id"] for reply in replies}) == 1


async def test_an_idempotency_key_writes_once_even_when_the_answer_was_lost(api, ana, marquee):
    body, key = {"room": "general", "content": "Once"}, {"Idempotency-Key": "k"}
    first = await api.post("/api/messages", body, as_=ana, headers=key)
    again = await api.post("/api/messages", body, as_=ana, headers=key)
    await forget_answers(marquee)
    lost = await api.post("/api/messages", body, as_=ana, headers=key)

    assert [(r.status, r.json["id"]) for r in (again, lost)] == [(201, first.json["id"])] * 2
    assert len((await history(api, ana))["items"]) == 1


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.fixture
def ten(io_loop, api, ana):
    """Ten messages in `general`, by what they say."""

    async def write():
        return [await say(api, ana, str(n)) for n in range(1, 11)]

    return io_loop.run_sync(write)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "1 2 3 4 5 6 7 8 9 10"),
        ("&limit=3", "8 9 10"),
        ("&before=4", "1 2 3"),
        ("&before=4&limit=2", "2 3"),
        ("&before=1", ""),
        ("&after=7", "8 9 10"),
        ("&after=7&limit=2", "8 9"),
        ("&after=10", ""),
        ("&after=99", ""),
        ("&around=5&limit=4", "4 5 6 7"),
        ("&around=1&limit=4", "1 2 3 4"),
        ("&around=10&limit=4", "7 8 9 10"),
        ("&around=5&limit=1", "5"),
        ("&around=99&limit=2", "9 10"),
    ],
)
async def test_history_is_read_by_markers(api, ana, ten, query, expected):
    assert contents(await history(api, ana, query=query)) == expected.split()


@pytest.mark.parametrize("query", ["", "&after=0", "&changedAfter=0", "&before=11"])
async def test_a_cursor_goes_on_with_the_same_question(api, ana, ten, query):
    seen, cursor = [], ""
    while cursor is not None:
        page = await history(api, ana, query=f"{query}&limit=4{cursor and '&cursor=' + cursor}")
        seen.append(contents(page))
        cursor = page["next"]

    assert sorted([each for part in seen for each in part], key=int) == [str(n) for n in range(1, 11)]
    assert [len(part) for part in seen] == [4, 4, 2]


async def test_a_page_that_ends_with_the_last_message_has_no_next(api, ana, ten):
    for query in ("&limit=10", "&after=0&limit=10", "&changedAfter=0&limit=10"):
        assert (await history(api, ana, query=query))["next"] is None


@pytest.mark.parametrize(
    "query",
    [
        "before=1&after=1",
        "around=1&changedAfter=1",
        "pinned=true&before=1",
        "thread=x&after=2",
        "pinned=false",
        "before=-1",
        "before=x",
        "before=1e3",
        "limit=0",
        "limit=101",
        "cursor=x",
        "cursor=after.99999999999999999999",
        "after=1&cursor=before.1",
        "around=1&cursor=before.1",
        "sort=seq",
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(api, ana, query):
    reply = await api.get(f"/api/messages?room=general&{query}", as_=ana)

    assert (reply.status, reply.code) == (422, "invalid")


async def test_a_room_has_to_be_named(api, ana):
    assert (await api.get("/api/messages", as_=ana)).status == 422


async def test_what_has_changed_is_read_in_the_order_of_its_changes(api, ana, ten):
    offset = (await history(api, ana))["offset"]
    await api.patch(f"/api/messages/{ten[4]['id']}", {"content": "five"}, as_=ana)
    await api.delete(f"/api/messages/{ten[1]['id']}", as_=ana)
    await say(api, ana, "11")
    await api.put(f"/api/messages/{ten[4]['id']}/pin", as_=ana)
    page = await history(api, ana, query=f"&changedAfter={offset}")

    assert contents(page) == [None, "11", "five"]
    revs = [message["rev"] for message in page["items"]]
    assert revs == sorted(revs)
    assert revs[-1] == page["offset"] == offset + 4
    assert (await history(api, ana, query=f"&changedAfter={page['offset']}"))["items"] == []


# --- edits and deletions --------------------------------------------------------------------------------------------


async def test_an_edit_is_seen_as_one(api, ana, heard):
    message = await say(api, ana, "Helo")
    reply = await api.patch(f"/api/messages/{message['id']}", {"content": "Hello"}, as_=ana)

    assert (reply.status, reply.json["content"], reply.json["rev"]) == (200, "Hello", message["rev"] + 1)
    assert reply.json["editedAt"] >= message["createdAt"]
    assert reply.json["seq"] == message["seq"]
    ((_, _, data),) = told(heard, "message.updated")
    assert data["content"] == "Hello"


async def test_an_edit_that_changes_nothing_is_none(api, ana, heard):
    message = await say(api, ana)
    reply = await api.patch(f"/api/messages/{message['id']}", {"content": "Hello"}, as_=ana)

    assert reply.json == message
    assert told(heard, "message.updated") == []


async def test_a_deleted_message_leaves_a_tombstone(api, ana, ben, heard, marquee):
    message = await say(api, ana, "A secret @ben", clientId="c")
    reply = await api.delete(f"/api/messages/{message['id']}", as_=ana)
    tombstone = {name: message[name] for name in ("id", "room", "roomId", "seq")} | {
        "rev": message["rev"] + 1,
        "deleted": True,
    }

    assert (reply.status, reply.body) == (204, b"")
    assert (await api.get(f"/api/messages/{message['id']}", as_=ben)).json == tombstone
    assert (await history(api, ben))["items"] == [tombstone]
    assert [data for _, _, data in told(heard, "message.deleted")] == [tombstone]
    stored = await marquee.ground.collection("messages").get({"_id": message["id"]})
    assert "secret" not in str(stored)
    assert (await api.delete(f"/api/messages/{message['id']}", as_=ana)).status == 204
    for method, path, body in (
        ("PATCH", "", {"content": "x"}),
        ("PUT", "/pin", None),
        ("PUT", "/reactions/%E2%9C%85", None),
    ):
        refused = await api.ask(method, f"/api/messages/{message['id']}{path}", body, ana)
        assert (refused.status, refused.code) == (404, "not_found")


# --- replies, pins, mentions ----------------------------------------------------------------------------------------


async def test_a_reply_names_what_it_answers(api, ana, ben):
    parent = await say(api, ana, "Who comes?" + "!" * 200)
    answer = await say(api, ben, "I", replyTo=parent["id"])

    assert answer["replyTo"] == {
        "id": parent["id"],
        "seq": parent["seq"],
        "excerpt": ("Who comes?" + "!" * 200)[:140],
        "author": parent["author"],
    }
    counted = (await api.get(f"/api/messages/{parent['id']}", as_=ben)).json
    assert (counted["replyCount"], counted["rev"]) == (1, answer["rev"] + 1)


async def test_a_thread_has_the_answers(api, ana, ben):
    parent, other = await say(api, ana), await say(api, ana, "Other")
    answers = [await say(api, ben, str(n), replyTo=parent["id"]) for n in range(3)]
    await say(api, ben, "elsewhere", replyTo=other["id"])
    await api.delete(f"/api/messages/{answers[0]['id']}", as_=ben)

    assert contents(await history(api, ana, query=f"&thread={parent['id']}")) == ["1", "2"]
    assert (await api.get(f"/api/messages/{parent['id']}", as_=ana)).json["replyCount"] == 2
    page = await history(api, ana, query=f"&thread={parent['id']}&limit=1")
    assert contents(page) == ["2"]
    assert contents(await history(api, ana, query=f"&thread={parent['id']}&limit=1&cursor={page['next']}")) == ["1"]


async def test_the_answer_to_a_deleted_message_shows_nothing_of_it(api, ana, ben):
    parent = await say(api, ana, "A secret")
    answer = await say(api, ben, "Oh", replyTo=parent["id"])
    await api.delete(f"/api/messages/{parent['id']}", as_=ana)

    shown = (await api.get(f"/api/messages/{answer['id']}", as_=ana)).json
    assert shown["replyTo"] == {"id": parent["id"], "seq": parent["seq"], "excerpt": None, "author": None}
    assert contents(await history(api, ana, query=f"&thread={parent['id']}")) == ["Oh"]


async def test_an_answer_to_what_is_not_in_the_room_is_refused(api, ana):
    lobby = await make_room(api, ana)
    elsewhere, gone = await say(api, ana, room=lobby), await say(api, ana)
    await api.delete(f"/api/messages/{gone['id']}", as_=ana)
    for parent in (elsewhere["id"], gone["id"], NOTHING):
        reply = await api.post("/api/messages", {"room": "general", "content": "x", "replyTo": parent}, as_=ana)
        assert (reply.status, reply.json["errors"][0]["path"]) == (422, "replyTo")
        assert (await api.get(f"/api/messages?room=general&thread={NOTHING}", as_=ana)).status == 404


async def test_members_are_mentioned_by_their_names(api, ana, ben, heard):
    lobby = await make_room(api, ana)
    carl = await api.person("carl.x")
    await join(api, lobby, carl)
    message = await say(api, ana, "@CARL.X. and @ben and @nobody and mail@carl.x @ana", room=lobby)

    assert message["mentions"] == sorted([carl.id, ana.id])
    ((_, channel, data),) = told(heard, "mention")
    assert (channel, data["message"]["id"]) == (f"user:{carl.id}", message["id"])
    heard.clear()
    await join(api, lobby, ben)
    edited = await api.patch(f"/api/messages/{message['id']}", {"content": "@carl.x @ben"}, as_=ana)
    assert edited.json["mentions"] == sorted([carl.id, ben.id])
    assert [channel for _, channel, _ in told(heard, "mention")] == [f"user:{ben.id}"]


async def test_what_is_pinned_can_be_listed(api, ana, ben, ten, heard):
    path = f"/api/messages/{ten[3]['id']}/pin"
    pinned = await api.put(path, as_=ben)
    heard.clear()
    again = await api.put(path, as_=ana)

    assert (pinned.status, pinned.json["pinned"]) == (200, True)
    assert again.json == pinned.json
    assert [event for event in heard if event.type != ROOM_MOVED] == []  # which tells of the ten, after a pause
    assert contents(await history(api, ana, query="&pinned=true")) == ["4"]
    assert (await api.delete(path, as_=ana)).status == 204
    assert contents(await history(api, ana, query="&pinned=true")) == []
