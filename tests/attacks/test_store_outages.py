"""What a store that was away, or slow, must not have done: a screen marked offline, an answer that comes too late."""

import asyncio
import signal
from contextlib import suppress
from dataclasses import replace

import pytest

from bench.attack_stores import SlowWay
from core.errors import Unavailable
from tests.api.displays import pair, screen
from tests.api.test_heartbeats_offline import LIFE, Time
from tests.clients import PASSWORD
from tests.promptness import within

LATE = 5.9  # seconds: 5 are promised, the rest is for a busy machine; the steps alone take 6 and more

pytestmark = pytest.mark.usefixtures("jobs_by_hand")


@pytest.fixture
def way(mongodb):
    """The servers' way to it, which may be slow."""
    made = SlowWay(mongodb.members[0].port)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def settings(settings, way):
    return replace(settings, mongodb_url=f"mongodb://127.0.0.1:{way.port}/?directConnection=true")


async def test_after_mongodb_was_away_for_a_lease_screens_have_the_time_to_beat_again(
    api, editor, marquee, workspace, mongodb
):
    (living, one), (_, two) = [await pair(api, editor, workspace, name=name) for name in "ab"]
    passing = Time(marquee)
    passing.pass_(LIFE)
    for each in (one, two):
        await marquee.stores.beats.beat(each["id"], {})
    mongodb.members[0].signal(signal.SIGSTOP)
    passing.pass_(LIFE + 1)  # no beat was taken in all this time, and Redis says so
    with pytest.raises(Unavailable):
        await look(marquee)
    mongodb.members[0].signal(signal.SIGCONT)
    async with asyncio.timeout(30):
        while (await api.get("/readyz")).status != 200:
            await asyncio.sleep(0.1)

    marked = await look(marquee)
    await living.beat()
    passing.pass_(LIFE)
    await living.beat()
    marked_later = await look(marquee)

    assert (marked, marked_later) == (0, 1), "nobody at once, and the silent one when a lease has passed"
    assert [(await screen(api, editor, each["id"]))["status"] for each in (one, two)] == ["online", "offline"]


@pytest.fixture
def shortly_before_its_lease_ends(api, editor, marquee, workspace, io_loop):
    """A screen that has beaten, 5 s before that is too long ago. Returns the time."""

    async def make():
        living, _ = await pair(api, editor, workspace)
        passing = Time(marquee)
        passing.pass_(LIFE)  # the server has run for long enough
        await living.beat()
        passing.pass_(LIFE - 5)
        assert await look(marquee) == 0  # and nothing is asked of MongoDB soon, as nobody is due
        return passing

    return io_loop.run_sync(make)


async def look(marquee):
    """Look for who has gone silent, as the process that leads does."""
    return await marquee.stores.absences.mark_offline(marquee.clock.now())


async def follow(marquee):
    """Do what every process does meanwhile."""
    await marquee.jobs.run("watch_mongodb")


@pytest.mark.parametrize("notices", [look, follow])
async def test_an_outage_before_anybody_was_due_counts_for_those_whose_beats_it_refused(
    marquee, mongodb, api, shortly_before_its_lease_ends, notices
):
    passing = shortly_before_its_lease_ends
    mongodb.members[0].signal(signal.SIGSTOP)
    with suppress(Unavailable):  # which a job keeps to itself
        await notices(marquee)
    mongodb.members[0].signal(signal.SIGCONT)
    async with asyncio.timeout(30):
        while (await api.get("/readyz")).status != 200:
            await asyncio.sleep(0.1)

    passing.pass_(6)
    at_once = await look(marquee)
    passing.pass_(LIFE)
    a_lease_later = await look(marquee)

    assert (at_once, a_lease_later) == (0, 1)


async def test_a_mongodb_so_slow_that_beats_are_refused_counts_as_away(marquee, way, shortly_before_its_lease_ends):
    passing = shortly_before_its_lease_ends
    marquee.stores.absences.slow_seconds = 0.5
    way.delay = 0.3
    for _ in range(2):
        await follow(marquee)
    way.delay = 0.0
    marquee.stores.absences.slow_seconds = 60

    passing.pass_(6)

    assert await look(marquee) == 0


async def test_one_slow_answer_is_no_outage(marquee, way, shortly_before_its_lease_ends):
    passing = shortly_before_its_lease_ends
    marquee.stores.absences.slow_seconds = 1.4
    way.delay = 0.75  # each way; 4 s would be no answer
    await follow(marquee)
    way.delay = 0.0
    marquee.stores.absences.slow_seconds = 60

    passing.pass_(6)

    assert await look(marquee) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/auth/login", {"email": "editor@example.com", "password": PASSWORD}),
        ("POST", "/api/workspaces", {"name": "Malls"}),
    ],
)
async def test_steps_that_are_each_in_time_are_not_late_together(api, editor, way, method, path, body):
    way.delay = 1.5  # MongoDB answers each step within its 4 s
    headers = {"Idempotency-Key": "once"}

    with within(LATE):
        reply = await api.ask(method, path, body, editor, headers=headers)
    way.delay = 0.0

    assert (reply.status, reply.code, bool(reply.headers["Retry-After"])) == (503, "unavailable", True)
    async with asyncio.timeout(30):  # what was begun ends first, and the same request again makes nothing twice
        while (reply := await api.ask(method, path, body, editor, headers=headers)).status == 503:
            await asyncio.sleep(0.2)
    assert reply.status in {200, 201}


async def test_a_frame_is_answered_in_time_too(api, editor, way):
    socket = await api.socket("/ws/chat", as_=editor)
    await socket.read()
    way.delay = 1.5
    sent = {"room": "general", "content": "Hello", "clientId": "once"}

    with within(LATE):
        reply = await socket.request("message.send", sent)
    way.delay = 0.0

    assert (reply["ok"], reply["error"]["status"], reply["error"]["code"]) == (False, 503, "unavailable")


@pytest.mark.parametrize(
    ("path", "field", "status"), [("/api/auth/login", "password", 200), ("/api/auth/password", "currentPassword", 204)]
)
async def test_sign_ins_that_an_outage_refused_are_no_failures(api, editor, way, path, field, status):
    body = {field: PASSWORD} | ({"email": editor.email} if status == 200 else {"newPassword": "another long sentence"})
    await api.get("/api/users/profile", as_=editor)  # who asks is known then, without MongoDB
    way.delay = 60

    during = await asyncio.gather(*(api.post(path, body, as_=editor) for _ in range(10)))
    way.delay = 0.0
    async with asyncio.timeout(30):
        while (await api.get("/readyz")).status != 200:
            await asyncio.sleep(0.1)
    after = await api.post(path, body, as_=editor)

    assert {reply.status for reply in during} == {503}
    assert after.status == status, "ten failures in a quarter of an hour would be all that is allowed"
