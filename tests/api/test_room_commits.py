"""Group commit: rooms that wait together are written together, and no room's trouble is another's."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from core.clock import new_id
from core.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from core.settings import Rate
from models import room_commits
from models.message_changes import Author, React, Send
from models.room_batch import Batch
from models.room_changes import DeleteRoom, EditRoom
from models.room_turns import Turn
from tests.api.commit_proxy import transactions_over
from tests.api.rooms import contents, history, join, make_room, say
from tests.uploads import upload

ROOMS = 6


@pytest.fixture
def settings(settings):
    return replace(settings, rate_messages=Rate(1_000_000, 10))


@pytest.fixture
def rooms(io_loop, api, ana, ben):
    """Public rooms of ana's, with ben in them."""

    async def make():
        made = [await make_room(api, ana, f"room-{n}") for n in range(ROOMS)]
        for room in made:
            await join(api, room, ben)
        return made

    return io_loop.run_sync(make)


def writes(marquee):
    """Return in how many transactions rooms were written so far."""
    timer = marquee.metrics.store_seconds.labels("rooms", "update")
    return next(s.value for s in timer.collect()[0].samples if s.name.endswith("_count"))


def submit(marquee, room, change):
    return asyncio.ensure_future(marquee.stores.room_log.submit(room["id"], change))


def send(marquee, room, person, content="Hello", **more):
    return submit(marquee, room, Send(Author(person.id), content, **more))


async def commit(marquee, room, person, *, contended=False):
    """Commit one message as the room's log does; `contended` says that another process is known to write the room."""
    batch = Batch(
        room["id"], [Send(Author(person.id), "Hello")], Turn(marquee.metrics.room_retries, contended=contended)
    )
    ((_, is_new, _),), _ = await marquee.stores.room_log._commits.commit(batch)
    assert is_new


async def settled(*waiting):
    """Wait until all have their answers; return these, exceptions too."""
    async with asyncio.timeout(60):
        return await asyncio.gather(*waiting, return_exceptions=True)


@asynccontextmanager
async def written_by_another(marquee, room):
    """Hold a room as another process does that has written it, and has yet to commit."""
    async with await marquee.ground.client.start_session() as session:
        session.start_transaction()
        docs = marquee.ground.collection("rooms")
        await docs.update({"_id": room["id"]}, {"$set": {"topic": "theirs"}}, session=session)
        yield
        await session.abort_transaction()


async def met(marquee):
    """Wait until a batch has met another process's."""
    async with asyncio.timeout(60):
        while not marquee.metrics.room_retries.collect()[0].samples[0].value:
            await asyncio.sleep(0.01)


async def test_rooms_that_wait_together_are_written_in_one_transaction(marquee, api, ana, ben, rooms, heard):
    heard.clear()
    before = writes(marquee)

    answers = await settled(*(send(marquee, room, who) for room in rooms for who in (ana, ben)))

    assert writes(marquee) - before == 1
    assert all(is_new for _, is_new, _ in answers)
    for n, room in enumerate(rooms):
        told = [(event.offset, event.type) for event in heard if event.channel == f"room:{room['id']}"]
        page = await history(api, ana, room)
        assert [(m["seq"], m["author"]["id"]) for m in page["items"]] == [(1, ana.id), (2, ben.id)]
        assert [m["rev"] for m in page["items"]] == [message["rev"] for message, _, _ in answers[2 * n : 2 * n + 2]]
        assert told == [(page["offset"] - 1, "message.created"), (page["offset"], "message.created")]
        assert (await api.get(f"/api/rooms/{room['id']}", as_=ana)).json["lastReadSeq"] == 1, "one's own, as the first"


async def test_all_kinds_of_changes_go_together(marquee, api, ana, ben, rooms):
    parent, liked = await say(api, ana, room=rooms[0]), await say(api, ana, room=rooms[1])
    before = writes(marquee)

    answers = await settled(
        send(marquee, rooms[0], ben, "I agree", reply_to=parent["id"]),
        submit(marquee, rooms[1], React(Author(ben.id), liked["id"], "\N{THUMBS UP SIGN}", True)),
        submit(marquee, rooms[2], EditRoom(Author(ana.id), {"topic": "News"})),
        submit(marquee, rooms[3], DeleteRoom(Author(ana.id))),
        send(marquee, rooms[4], ben, "Of another room", reply_to=parent["id"]),
        send(marquee, rooms[5], ben),
    )

    assert writes(marquee) - before == 1
    assert [type(answer) for answer in answers if isinstance(answer, Exception)] == [Invalid], "it answers nothing here"
    assert (await history(api, ana, rooms[0]))["items"][0]["replyCount"] == 1
    assert (await history(api, ana, rooms[1]))["items"][0]["reactions"][0]["userIds"] == [ben.id]
    assert (await api.get(f"/api/rooms/{rooms[2]['id']}", as_=ana)).json["topic"] == "News"
    assert (await api.get(f"/api/rooms/{rooms[3]['id']}", as_=ana)).status == 404
    assert contents(await history(api, ana, rooms[4])) == []
    assert contents(await history(api, ana, rooms[5])) == ["Hello"]


CULPRITS = {
    "gone": (lambda room, who: Send(Author(who.id), "late"), NotFound),
    "refused": (lambda room, who: Send(Author(new_id()), "no member", client_id="c"), Forbidden),
    "known": (lambda room, who: Send(Author(who.id), "again", client_id="known"), tuple),
    "taken": (lambda room, who: EditRoom(Author(who.id), {"name": "room-0"}), Conflict),
    "oversized": (lambda room, who: Send(Author(who.id), "x" * 17_000_000), Exception),
    "broken": (lambda room, who: Send(Author(who.id), object()), Exception),
}


@pytest.mark.parametrize("kind", CULPRITS)
async def test_what_is_wrong_in_one_room_touches_no_other(marquee, api, ana, rooms, heard, kind):
    change, outcome = CULPRITS[kind]
    first, _, _ = await send(marquee, rooms[3], ana, "first", client_id="known")
    if kind == "gone":
        await submit(marquee, rooms[3], DeleteRoom(Author(ana.id)))
    heard.clear()

    answers = await settled(
        *(send(marquee, room, ana, client_id=f"n{n}") for n, room in enumerate(rooms[:3])),
        submit(marquee, rooms[3], change(rooms[3], ana)),
        *(send(marquee, room, ana) for room in rooms[4:]),
    )

    undone = marquee.metrics.room_groups_undone.collect()[0].samples[0].value
    assert undone == (kind not in {"gone", "refused"})
    wrong = answers.pop(3)
    assert isinstance(wrong, outcome)
    assert kind != "known" or wrong[:2] == (first, False)
    assert [is_new for _, is_new, _ in answers] == [True] * 5
    for room in rooms[:3] + rooms[4:]:
        assert [(m["seq"], m["content"]) for m in (await history(api, ana, room))["items"]] == [(1, "Hello")]
    if kind != "gone":
        assert contents(await history(api, ana, rooms[3])) == ["first"]
    assert len([event for event in heard if event.offset is not None]) == 5, "each is announced once"


async def test_who_is_refused_or_has_to_be_looked_up_spoils_no_group(marquee, ana, rooms):
    await submit(marquee, rooms[0], DeleteRoom(Author(ana.id)))
    before = writes(marquee)
    stranger = Send(Author(new_id()), "no member", client_id="c")

    late, refused = send(marquee, rooms[0], ana, "late"), submit(marquee, rooms[1], stranger)
    await settled(late, refused, *(send(marquee, room, ana) for room in rooms[2:]))

    assert writes(marquee) - before == 1


async def test_what_carries_files_holds_no_other_up(marquee, api, ana, rooms):
    path = "/api/files/upload"
    files = [(await upload(api, f"Note {n}.".encode(), ana, "note.txt", path=path)).json["id"] for n in range(2)]
    before = writes(marquee)

    carrying = [send(marquee, room, ana, attachments=[file]) for room, file in zip(rooms, files, strict=False)]
    await settled(*carrying, *(send(marquee, room, ana) for room in rooms[2:]))

    assert writes(marquee) - before == 3


async def test_a_file_that_two_rooms_reach_for_is_sent_once(marquee, api, ana, rooms):
    for _ in range(5):
        file = (await upload(api, b"A note.", ana, "note.txt", path="/api/files/upload")).json
        answers = await settled(*(send(marquee, room, ana, attachments=[file["id"]]) for room in rooms))

        assert sorted(type(answer).__name__ for answer in answers) == ["Invalid"] * 5 + ["tuple"]
        ((message, _, room),) = [answer for answer in answers if isinstance(answer, tuple)]
        use = (await marquee.ground.collection("files").get({"_id": file["id"]}))["use"]
        assert use == {"type": "message", "id": message["_id"], "roomId": room["_id"]}


# --- other processes ------------------------------------------------------------------------------------------------


async def test_a_room_that_another_process_writes_holds_no_other_up(marquee, api, ana, rooms):
    async with written_by_another(marquee, rooms[2]):
        held = send(marquee, rooms[2], ana)
        others = await settled(*(send(marquee, room, ana) for room in rooms if room is not rooms[2]))
        assert [is_new for _, is_new, _ in others] == [True] * 5
        assert not held.done()
    ((_, is_new, _),) = await settled(held)

    assert is_new
    assert [contents(await history(api, ana, room)) for room in rooms] == [["Hello"]] * ROOMS


async def test_a_room_that_is_known_to_be_written_by_others_spoils_no_group(marquee, ana, rooms):
    async with written_by_another(marquee, rooms[2]):
        before = writes(marquee)
        held, *others = (
            asyncio.ensure_future(commit(marquee, room, ana, contended=room is rooms[2]))
            for room in (rooms[2], *rooms[:2], *rooms[3:])
        )
        await settled(*others)
        assert writes(marquee) - before == 1
    await settled(held)


async def test_a_lone_room_that_met_another_process_takes_turns_from_then_on(marquee, ana, rooms):
    async with written_by_another(marquee, rooms[0]):
        held = send(marquee, rooms[0], ana)
        await met(marquee)
    await settled(held)

    async with marquee.stores.room_log._turns.taken(rooms[0]["id"]) as turn:
        assert turn.contended


async def test_meeting_another_process_once_is_enough(marquee, ana, rooms):
    turn = Turn(marquee.metrics.room_retries, contended=False)
    batch = Batch(rooms[0]["id"], [Send(Author(ana.id), "Hello")], turn)
    async with written_by_another(marquee, rooms[0]):
        with pytest.raises(room_commits._Spoiled):
            await marquee.stores.room_log._commits._in_group(batch, time.monotonic() + 4)
    assert turn.met


@pytest.fixture
def second(servers, marquee):
    """Another process's worth."""
    return servers()


async def test_two_processes_write_the_same_rooms_without_holes_or_doubles(marquee, second, api, ana, ben, rooms):
    async def write(server, room, person, part):
        for n in range(10):
            await send(server, room, person, f"{part}.{n}", client_id=f"{part}.{n}")

    writers = [
        write(server, room, person, f"{one}{two}")
        for room in rooms
        for one, server in enumerate((marquee, second))
        for two, person in enumerate((ana, ben))
    ]
    assert await settled(*writers) == [None] * len(writers)

    for room in rooms:
        page = await history(api, ana, room, "&limit=100&after=0")
        assert [message["seq"] for message in page["items"]] == list(range(1, 41))
        for part in ("00", "01", "10", "11"):
            numbers = [int(said[3:]) for said in contents(page) if said.startswith(f"{part}.")]
            assert numbers == list(range(10)), "each writer's own order stays"


# --- what waits -----------------------------------------------------------------------------------------------------


async def test_a_room_keeps_its_order_in_whatever_groups_it_is_written(marquee, api, ana, rooms, heard):
    heard.clear()
    sent = [send(marquee, rooms[(n * n) % ROOMS], ana, str(n)) for n in range(300)]
    await settled(*sent)

    for room in rooms:
        numbers = [int(event.data["content"]) for event in heard if event.channel == f"room:{room['id']}"]
        offsets = [event.offset for event in heard if event.channel == f"room:{room['id']}"]
        assert numbers == sorted(numbers)
        assert offsets == sorted(offsets)
        shown = contents(await history(api, ana, room, "&limit=100&after=0"))
        assert shown == [str(n) for n in numbers][:100]


async def test_a_group_is_no_larger_than_one_rooms_batch_may_be(marquee, ana, rooms):
    before = writes(marquee)

    await settled(*(send(marquee, room, ana, str(n)) for room in rooms[:4] for n in range(50)))

    assert writes(marquee) - before == 2


async def test_a_place_that_gets_free_is_taken_at_once(marquee, ana, rooms):
    """The next batch may come in the very turn of the loop in which the last group was answered."""
    commits = marquee.stores.room_log._commits
    commits._free = 1
    for room in rooms:
        async with asyncio.timeout(60):
            await commit(marquee, room, ana)
    assert commits._free == 1


async def test_what_has_waited_too_long_is_refused_untried(marquee, api, ana, rooms, monkeypatch):
    commits = marquee.stores.room_log._commits
    monkeypatch.setattr(commits, "_free", 0)
    monkeypatch.setattr(room_commits, "SECONDS", -1.0)
    late = [send(marquee, room, ana) for room in rooms[:2]]
    while len(commits._waiting) < 2:
        await asyncio.sleep(0)
    monkeypatch.undo()
    answers = await settled(*late, *(send(marquee, room, ana) for room in rooms[2:]))

    assert [type(answer) for answer in answers] == [Unavailable] * 2 + [tuple] * 4
    assert [contents(await history(api, ana, room)) for room in rooms] == [[]] * 2 + [["Hello"]] * 4


async def test_who_waits_when_the_process_ends_is_refused_and_not_called_a_defect(marquee, ana, rooms, monkeypatch):
    commits = marquee.stores.room_log._commits
    async with written_by_another(marquee, rooms[0]):
        trying = asyncio.ensure_future(commit(marquee, rooms[0], ana, contended=True))
        await met(marquee)
        monkeypatch.setattr(commits, "_free", 0)
        waiting = asyncio.ensure_future(commit(marquee, rooms[1], ana))
        while not commits._waiting:
            await asyncio.sleep(0)
        commits.stop()
        answers = await settled(trying, waiting, commit(marquee, rooms[2], ana))

    assert [type(answer) for answer in answers] == [Unavailable] * 3


# --- commits that nobody knows about --------------------------------------------------------------------------------


async def test_a_group_whose_answer_is_lost_is_asked_about_again(behind, proxy, api, ana, rooms):
    await settled(*(send(behind, room, ana, "warm") for room in rooms))
    proxy.lose("answers", 2)
    answers = await settled(*(send(behind, room, ana) for room in rooms))

    assert [(message["seq"], is_new) for message, is_new, _ in answers] == [(2, True)] * ROOMS
    assert [contents(await history(api, ana, room)) for room in rooms] == [["warm", "Hello"]] * ROOMS


@pytest.mark.parametrize(("lost", "is_there"), [("answers", True), ("commits", False)])
async def test_an_unknown_commit_is_unknown_to_all_of_its_rooms(behind, proxy, api, ana, rooms, lost, is_there):
    await settled(*(send(behind, room, ana, "warm") for room in rooms))
    proxy.lose(lost, 1_000_000)
    asked = time.monotonic()
    named = [send(behind, room, ana, client_id="c") for room in rooms]
    nameless = [send(behind, room, ana, "Nameless") for room in rooms]
    answers = await settled(*named, *nameless)
    assert [type(answer) for answer in answers] == [Unavailable] * 2 * ROOMS
    assert time.monotonic() - asked < 30
    await transactions_over(behind)
    proxy.lose(None, 0)

    async def again(room):
        while True:  # what was begun and never committed holds the rooms until MongoDB ends it
            try:
                return await send(behind, room, ana, client_id="c")
            except Unavailable:
                continue

    assert [is_new for _, is_new, _ in await settled(*map(again, rooms))] == [not is_there] * ROOMS
    said = ["warm", "Hello", "Nameless"] if is_there else ["warm", "Hello"]
    for room in rooms:
        page = await history(api, ana, room)
        assert [(m["seq"], m["content"]) for m in page["items"]] == list(enumerate(said, 1))
