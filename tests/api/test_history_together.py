"""Many read the same part of a room at once: one question to the store for all who wait, each judged by itself."""

import asyncio

from core.errors import NotFound
from core.permissions import Actor
from models.history import Asked
from tests.api.rooms import contents, history, make_room, say


async def test_of_those_who_ask_together_only_members_are_answered(api, ana, ben, stranger):
    den = await make_room(api, ana, "den", "private", members=[ben])
    await say(api, ana, "between us", den)
    path = f"/api/messages?room={den['id']}"

    replies = await asyncio.gather(*(api.get(path, as_=person) for _ in range(12) for person in (ana, ben, stranger)))

    assert [reply.status for reply in replies] == [200, 200, 404] * 12
    assert all(contents(reply.json) == ["between us"] for reply in replies if reply.status == 200)


async def test_those_who_ask_for_the_same_at_once_are_given_the_same_page(marquee, api, ana, ben, stranger):
    den = await make_room(api, ana, "den", "private", members=[ben])
    await say(api, ana, "between us", den)

    async def ask(person, limit):
        return await marquee.stores.messages.history(den["id"], Asked(limit=limit), by=Actor("user", person.id))

    pages = await asyncio.gather(*(ask(person, limit) for limit in (5, 6) for person in (ana, ben) * 3))
    alone = await asyncio.gather(*(ask(person, 5) for person in (ana, stranger)), return_exceptions=True)

    assert len({id(page) for page in pages}) == 2  # one for each limit
    assert all(contents(page) == ["between us"] for page in pages)
    assert (contents(alone[0]), type(alone[1])) == (["between us"], NotFound)


async def test_whoever_wrote_reads_it_at_once_while_others_read(api, ana, ben, stranger):
    async def write_and_read(person):
        for number in range(8):
            written = await say(api, person, f"{person.id} {number}")
            page = await history(api, person, query="&limit=100")
            assert written in page["items"]
            assert page["offset"] >= max(message["rev"] for message in page["items"])

    await asyncio.gather(*(write_and_read(person) for person in (ana, ben, stranger)))


async def test_who_left_is_refused_and_who_came_is_let_in_while_others_read(api, ana, ben, stranger):
    den = await make_room(api, ana, "den", "private", members=[ben])
    path, done = f"/api/messages?room={den['id']}", asyncio.Event()

    async def keep_reading():
        while not done.is_set():
            assert (await api.get(path, as_=ana)).status == 200

    readers = [asyncio.create_task(keep_reading()) for _ in range(4)]
    for _ in range(4):
        assert (await api.delete(f"/api/rooms/{den['id']}/members/{ben.id}", as_=ana)).status == 204
        assert (await api.get(path, as_=ben)).status == 404
        came = await api.put(f"/api/rooms/{den['id']}/members/{ben.id}", {"role": "member"}, as_=ana)
        assert came.status in {200, 201}, came.body
        assert (await api.get(path, as_=ben)).status == 200
    done.set()
    await asyncio.gather(*readers)


async def test_who_gives_up_waiting_takes_nobody_with_them(marquee, api, ana, ben):
    den = await make_room(api, ana, "den", "private", members=[ben])
    await say(api, ana, "still here", den)
    read, asked = marquee.stores.messages.history, Asked()

    def ask(person):
        return asyncio.create_task(read(den["id"], asked, by=Actor("user", person.id)))

    for _ in range(8):
        leaving = [ask(ana) for _ in range(3)]
        await asyncio.sleep(0)
        leaving[-1].cancel()
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.sleep(0)
        assert contents(await ask(ben)) == ["still here"]
        await asyncio.gather(*leaving, return_exceptions=True)
