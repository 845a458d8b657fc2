"""The log of a room: no holes, no doubles, whoever writes it and whatever breaks. Two servers write one room."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from core.errors import Forbidden, NotFound, Unavailable
from core.permissions import Actor
from core.settings import Rate
from models.message_changes import Author, Send
from models.room_changes import DeleteRoom, EditRoom, Join
from tests.api.commit_proxy import transactions_over
from tests.api.rooms import contents, history, make_room, say
from tests.api.stock import told
from tests.clients import Api
from tests.promptness import PATIENCE, eventually, within


@pytest.fixture
def settings(settings):
    return replace(settings, rate_messages=Rate(1_000_000, 10))


def listen(marquee):
    """Return the list that fills with what a server's stores announce."""
    events, publish = [], marquee.node.publish

    async def listening(announced):
        events.extend(announced)
        await publish(announced)

    marquee.node.publish = listening
    return events


@pytest.fixture
def two(marquee, servers, heard):
    """Two servers, each with what it announces."""
    second = servers()
    return [(marquee, heard), (second, listen(second))]


def offsets(events):
    return [event.offset for event in events if event.offset is not None]


async def stored(marquee, room_id):
    return await marquee.ground.collection("rooms").get({"_id": room_id})


async def whole(api, person, room):
    """Read a room from its first message to its last."""
    items, page = [], {"next": ""}
    while page["next"] is not None:
        cursor = page["next"] and f"&cursor={page['next']}"
        page = await history(api, person, room, f"&limit=100&after=0{cursor}")
        items += page["items"]
    return items


async def test_two_servers_write_one_room_without_holes_or_doubles(two, ana, ben):
    (first, heard), (_, also_heard) = two
    room_id = await first.stores.general.id()
    began = (await stored(first, room_id))["offset"]
    for events in (heard, also_heard):
        events.clear()

    async def write(marquee, person, part):
        actor = Actor("user", person.id)
        for n in range(15):
            await marquee.stores.messages.send("general", f"{part}.{n}", client_id=f"{part}.{n}", by=actor)

    writers = [(m, p, f"{i}{j}{k}") for i, (m, _) in enumerate(two) for j, p in enumerate((ana, ben)) for k in range(4)]
    await asyncio.gather(*(write(*writer) for writer in writers))

    api = Api(first.port)
    found = await whole(api, ana, "general")
    api.close()
    room = await stored(first, room_id)
    assert [message["seq"] for message in found] == list(range(1, 241))
    assert Counter(message["clientId"] for message in found) == Counter(
        f"{part}.{n}" for _, _, part in writers for n in range(15)
    )
    assert room["lastSeq"] == 240
    assert sorted(offsets(heard) + offsets(also_heard)) == list(range(began + 1, room["offset"] + 1))
    for events in (heard, also_heard):
        assert offsets(events) == sorted(offsets(events)), "each process announces in order"
        assert offsets(events), "each process had its turns"
    by_part = {}
    for message in found:
        part, _, n = message["clientId"].rpartition(".")
        by_part.setdefault(part, []).append(int(n))
    assert all(numbers == sorted(numbers) for numbers in by_part.values()), "each writer's own order stays"


async def test_what_waits_for_a_room_is_one_transaction(marquee, ana):
    timer = marquee.metrics.store_seconds.labels("rooms", "update")

    def count():
        return next(s.value for s in timer.collect()[0].samples if s.name.endswith("_count"))

    before = count()
    actor = Actor("user", ana.id)
    await asyncio.gather(*(marquee.stores.messages.send("general", str(n), by=actor) for n in range(100)))

    assert count() - before <= 10


async def test_a_refusal_is_of_one_change_alone(marquee, api, ana, ben, heard):
    room = await make_room(api, ana)
    heard.clear()
    log = marquee.stores.room_log
    parent = await say(api, ana, room=room)
    changes = [
        Send(Author(ana.id), "one"),
        Send(Author(ben.id), "not a member"),
        Send(Author(ana.id), "two", reply_to="nothing"),
        EditRoom(Author(ana.id), {"name": "general"}),
        Send(Author(ana.id), "three", reply_to=parent["id"]),
    ]
    answers = await asyncio.gather(*(log.submit(room["id"], change) for change in changes), return_exceptions=True)

    assert [type(answer).__name__ for answer in answers] == ["tuple", "Forbidden", "Invalid", "Conflict", "tuple"]
    assert contents(await history(api, ana, room)) == ["Hello", "one", "three"]
    page = await history(api, ana, room, "&changedAfter=0")
    assert page["offset"] == 4
    assert [message["rev"] for message in page["items"]] == [2, 3, 4], "the parent was changed by the answer"
    assert offsets(heard) == [1, 2, 3, 4]


async def test_the_same_client_id_on_two_servers_at_once_is_one_message(two, ana):
    apis = [Api(marquee.port) for marquee, _ in two]
    for n in range(10):
        body = {"room": "general", "content": "Once", "clientId": f"same{n}"}
        replies = await asyncio.gather(*(api.post("/api/messages", body, as_=ana) for api in apis * 3))
        assert sorted(reply.status for reply in replies) == [200] * 5 + [201]
        assert len({reply.json["id"] for reply in replies}) == 1
    found = await whole(apis[0], ana, "general")
    for api in apis:
        api.close()

    assert [message["seq"] for message in found] == list(range(1, 11))


async def test_changes_to_one_message_on_two_servers_are_all_kept(two, ana, ben):
    (first, heard), (second, also_heard) = two
    api = Api(first.port)
    message = await say(api, ana)
    for events in (heard, also_heard):
        events.clear()
    emoji = [chr(0x1F600 + n) for n in range(15)]
    works = [
        marquee.stores.messages.react(message["id"], each, on=True, by=Actor("user", person.id))
        for each in emoji
        for marquee, person in ((first, ana), (second, ben))
    ]
    await asyncio.gather(*works)

    now = (await api.get(f"/api/messages/{message['id']}", as_=ana)).json
    api.close()
    assert {r["emoji"]: set(r["userIds"]) for r in now["reactions"]} == {each: {ana.id, ben.id} for each in emoji}
    assert now["rev"] == message["rev"] + 30
    assert sorted(offsets(heard) + offsets(also_heard)) == list(range(message["rev"] + 1, now["rev"] + 1))


async def test_who_was_muted_since_still_gets_the_first_message_for_its_client_id(marquee, api, ana, ben):
    room_id = await marquee.stores.general.id()
    await marquee.stores.room_log.submit(room_id, Join(Author(ben.id)))
    first, is_new, _ = await marquee.stores.room_log.submit(room_id, Send(Author(ben.id), "Hello", client_id="c"))
    until = marquee.clock.now() + timedelta(hours=1)
    await marquee.ground.collection("room_members").update(
        {"_id": f"{room_id}:{ben.id}"}, {"$set": {"mutedUntil": until}}
    )

    again = await asyncio.gather(
        marquee.stores.room_log.submit(room_id, Send(Author(ben.id), "Hello", client_id="c")),
        marquee.stores.room_log.submit(room_id, Send(Author(ben.id), "more", client_id="d")),
        marquee.stores.room_log.submit(room_id, Send(Author(ana.id), "and I", client_id="c")),
        return_exceptions=True,
    )

    assert is_new
    assert again[0][:2] == (first, False)
    assert (type(again[1]), again[1].code) == (Forbidden, "muted")
    assert again[2][1], "another's clientId of the same name is another message"
    assert contents(await history(api, ana)) == ["Hello", "and I"]


async def test_what_comes_after_the_end_is_refused_as_unavailable(marquee, ana):
    room_id = await marquee.stores.general.id()
    await marquee.stores.room_log.stop()

    with pytest.raises(Unavailable):
        await marquee.stores.room_log.submit(room_id, Send(Author(ana.id), "late"))


async def test_a_room_that_ends_refuses_what_still_waits(marquee, api, ana):
    room = await make_room(api, ana)
    log = marquee.stores.room_log
    first = asyncio.gather(
        log.submit(room["id"], Send(Author(ana.id), "one")), log.submit(room["id"], DeleteRoom(Author(ana.id)))
    )
    await asyncio.sleep(0)
    late = asyncio.ensure_future(asyncio.sleep(0))
    await late
    waiting = log.submit(room["id"], Send(Author(ana.id), "late"))
    with pytest.raises(NotFound):
        await waiting
    (_, is_new, _), _ = await first
    assert is_new


async def test_a_caller_that_goes_away_leaves_its_change_standing(marquee, api, ana):
    room_id = await marquee.stores.general.id()
    going = asyncio.ensure_future(marquee.stores.room_log.submit(room_id, Send(Author(ana.id), "I was here")))
    await asyncio.sleep(0)
    going.cancel()
    await say(api, ana, "and I")

    assert contents(await history(api, ana)) == ["I was here", "and I"]


# --- commits that nobody knows about --------------------------------------------------------------------------------


async def test_a_commit_whose_answer_is_lost_is_asked_about_again(behind, proxy, ana):
    heard, actor = listen(behind), Actor("user", ana.id)
    await behind.stores.messages.send("general", "warm", by=actor)
    proxy.lose("answers", 2)
    message, is_new = await behind.stores.messages.send("general", "Hello", by=actor)

    assert is_new
    assert message["seq"] == 2
    assert [event.offset for event in heard if event.type == "message.created"] == [message["rev"] - 1, message["rev"]]


@pytest.mark.parametrize(("lost", "is_there"), [("answers", True), ("commits", False)])
async def test_an_unknown_commit_is_unavailable_and_a_retry_is_safe(api, behind, proxy, ana, lost, is_there):
    heard, actor = listen(behind), Actor("user", ana.id)
    await behind.stores.messages.send("general", "warm", by=actor)
    heard.clear()
    room_id = await behind.stores.general.id()

    async def send(n):
        change = Send(Author(ana.id), f"Hello {n}", client_id=f"c{n}")
        return await behind.stores.room_log.submit(room_id, change)

    proxy.lose(lost, 1_000_000)
    with within(5):
        waiting = asyncio.gather(*(send(n) for n in range(3)), return_exceptions=True)
        await asyncio.sleep(1)
        late = asyncio.gather(send(9), return_exceptions=True)
        answers = [*await waiting, *await late]

    assert [type(answer) for answer in answers] == [Unavailable] * 4
    assert len({id(answer) for answer in answers}) == 4
    assert told(heard, "message.created") == []
    await transactions_over(behind)
    proxy.lose(None, 0)
    async with asyncio.timeout(PATIENCE):  # what was begun and never committed holds the room until MongoDB ends it
        while True:
            try:
                again = [await send(n) for n in range(3)]
                break
            except Unavailable:
                continue
    assert [is_new for _, is_new, _ in again] == [not is_there] * 3
    found = await whole(api, ana, "general")
    assert sorted(message["content"] for message in found) == ["Hello 0", "Hello 1", "Hello 2", "warm"]
    assert [message["seq"] for message in found] == [1, 2, 3, 4]


# --- turns ----------------------------------------------------------------------------------------------------------


async def test_processes_take_turns_once_they_have_been_in_each_others_way(two, ana):
    room_id = await two[0][0].stores.general.id()
    key = f"{two[0][0].settings.redis_prefix}:{{room:{room_id}}}:turn"
    seen, written = set(), asyncio.Event()

    async def look():
        while not written.is_set():
            seen.add(await two[0][0].redis.client.get(key))
            await asyncio.sleep(0.001)

    looking = asyncio.ensure_future(look())
    actor = Actor("user", ana.id)

    async def write(marquee):
        for n in range(40):
            await marquee.stores.messages.send("general", str(n), by=actor)

    await asyncio.gather(*(write(marquee) for marquee, _ in two))
    written.set()
    await looking

    assert len(seen - {None}) > 2

    async def is_given_back():
        return await two[0][0].redis.client.get(key) is None

    await eventually(is_given_back)


async def test_a_turn_that_nobody_gives_back_is_waited_for_only_so_long(two, ana):
    marquee, _ = two[0]
    room_id = await marquee.stores.general.id()
    key = f"{marquee.settings.redis_prefix}:{{room:{room_id}}}:turn"
    marquee.stores.room_log._turns._note(room_id)
    await marquee.redis.client.set(key, "somebody's")
    message, _ = await marquee.stores.messages.send("general", "Hello", by=Actor("user", ana.id))

    assert message["seq"] == 1
    assert await marquee.redis.client.get(key) == b"somebody's"
    await marquee.redis.client.delete(key)
