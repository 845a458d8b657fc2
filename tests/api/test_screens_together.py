"""Many list screens at once: those who ask for the same share one read, and nobody sees less or more than alone."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from core.permissions import Actor
from models.paging import Listing
from tests.api.displays import pair
from tests.api.stock import Stock

SCREENS = "/api/screens"
WHEN = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def stock(marquee, workspace):
    return Stock(marquee, workspace)


@pytest.fixture
def reads(marquee):
    """Return how often MongoDB was asked for screens."""

    def count():
        asked = {"collection": "screens", "operation": "find"}
        return marquee.metrics.registry.get_sample_value("marquee_store_seconds_count", asked) or 0

    return count


def names(reply):
    assert reply.status == 200, reply.body
    return [each["name"] for each in reply.json["items"]]


@asynccontextmanager
async def reading(api, person, *paths):
    """Keep `person` listing these, each again and again, for the block's duration."""
    done = asyncio.Event()

    async def keep_on(path):
        while not done.is_set():
            names(await api.get(path, as_=person))

    async with asyncio.TaskGroup() as readers:
        for path in paths:
            readers.create_task(keep_on(path))
        try:
            yield
        finally:
            done.set()


def member(person, workspace):
    """Return a person as a caller who may look at `workspace`."""
    return Actor("user", person.id, workspaces={workspace: "viewer"})


@pytest.mark.usefixtures("jobs_by_hand")  # they read screens too
async def test_those_who_ask_for_the_same_at_once_share_one_read(marquee, viewer, owner, workspace, stock, reads):
    await stock.screen("Lobby")
    screens, before = marquee.stores.screens, reads()

    async def ask(person, limit):
        listing = Listing(limit=limit)
        return await screens.list(listing, workspace_id=workspace, filters={}, by=member(person, workspace))

    pages = await asyncio.gather(*(ask(person, limit) for limit in (5, 6) for person in [viewer, owner] * 4))

    assert [screen["name"] for page in pages for screen in page.items] == ["Lobby"] * 16
    assert len({id(page) for page in pages}) == 2  # one for each limit
    assert reads() - before == 2
    assert not screens._lists._running
    assert not screens._lists._next


async def test_each_question_has_its_own_answer(api, owner, editor, stranger, marquee, workspace, stock):
    other = (await api.post("/api/workspaces", {"name": "Other"}, as_=owner)).json["id"]
    for number in range(4):
        await stock.screen(f"A{number}", tags=["roof"] if number < 2 else [], status="offline" if number else "online")
    await Stock(marquee, other).screen("B")
    expected = [
        (owner, "", ["A0", "A1", "A2", "A3", "B"]),
        (editor, "", ["A0", "A1", "A2", "A3"]),
        (stranger, "", []),
        (owner, f"workspaceId={other}", ["B"]),
        (owner, "tag=roof", ["A0", "A1"]),
        (owner, "search=roof", ["A0", "A1"]),
        (editor, "status=online", ["A0"]),
        (editor, "sort=-name", ["A3", "A2", "A1", "A0"]),
        (editor, "limit=2", ["A0", "A1"]),
        (editor, "limit=3", ["A0", "A1", "A2"]),
    ] * 3

    replies = await asyncio.gather(*(api.get(f"{SCREENS}?{query}", as_=person) for person, query, _ in expected))

    assert [names(reply) for reply in replies] == [each for _, _, each in expected]


async def test_a_list_has_what_was_written_before_it_was_asked_for(api, owner, editor, workspace, stock):
    path = f"{SCREENS}?workspaceId={workspace}"

    async def write_and_read(person, screen_id):
        for number in range(8):
            name = f"{person.id} {number}"
            changed = await api.patch(f"{SCREENS}/{screen_id}", {"name": name}, as_=person)
            assert changed.status == 200, changed.body
            assert name in names(await api.get(path, as_=person))

    mine = [(person, await stock.screen("Lobby")) for person in (owner, editor)]
    async with reading(api, owner, *[path] * 4):
        await asyncio.gather(*(write_and_read(*each) for each in mine))


@pytest.mark.usefixtures("jobs_by_hand")
async def test_a_list_has_what_a_screen_said_before_it_was_asked_for(api, editor, workspace):
    displays = [await pair(api, editor, workspace, name=f"Screen {number}") for number in range(3)]
    async with reading(api, editor, *(f"{SCREENS}?{query}" for query in ("", "limit=1", "sort=-name", "limit=2"))):
        for number in range(6):
            for display, made in displays:
                await display.beat(nowPlaying={"itemId": f"i{number}", "mediaId": "m", "startedAt": WHEN})
                items = (await api.get(SCREENS, as_=editor)).json["items"]
                shown = next(each for each in items if each["id"] == made["id"])
                assert shown["nowPlaying"]["itemId"] == f"i{number}"


async def test_who_was_removed_is_refused_and_who_came_is_let_in_while_others_read(
    api, owner, stranger, workspace, stock
):
    await stock.screen("Lobby")
    path, members = f"{SCREENS}?workspaceId={workspace}", f"/api/workspaces/{workspace}/members"
    async with reading(api, owner, *[path] * 4):
        for _ in range(4):
            assert (await api.get(path, as_=stranger)).status == 404
            came = await api.post(members, {"email": stranger.email, "role": "viewer"}, as_=owner)
            assert came.status == 201, came.body
            assert names(await api.get(path, as_=stranger)) == ["Lobby"]
            assert (await api.delete(f"{members}/{stranger.id}", as_=owner)).status == 204


async def test_who_gives_up_waiting_takes_nobody_with_them(marquee, owner, workspace, stock):
    await stock.screen("Lobby")

    def ask():
        listed = marquee.stores.screens.list(Listing(), workspace_id=workspace, filters={}, by=member(owner, workspace))
        return asyncio.create_task(listed)

    for turns in range(8):
        leaving, staying = [ask() for _ in range(3)], ask()
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        assert [screen["name"] for screen in (await staying).items] == ["Lobby"]
        await asyncio.gather(*leaving, return_exceptions=True)


async def test_a_refusal_is_told_to_all_who_asked(api, owner, workspace, stock):
    await stock.screen("Lobby")
    path = f"{SCREENS}?workspaceId={workspace}"

    refused = await asyncio.gather(*(api.get(f"{path}&cursor=x", as_=owner) for _ in range(8)))

    assert [(reply.status, reply.code) for reply in refused] == [(422, "invalid")] * 8
    assert len({reply.json["requestId"] for reply in refused}) == 8  # each under its own id
    assert names(await api.get(path, as_=owner)) == ["Lobby"]
