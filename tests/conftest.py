"""A real server on real stores for every test: a database and a Redis prefix of its own each.

Databases are emptied and used again: their indexes take longer to build than most tests to run.
"""

import asyncio
import inspect
import itertools
import math
import os
from dataclasses import replace

import hypothesis
import pymongo
import pytest
import redis
import uvloop
from structlog.testing import capture_logs
from tornado.ioloop import IOLoop

from core import breaker, logs
from core.settings import Rate, Settings
from deploy.embedded import EmbeddedStores
from jobs import leader
from models.absences import Absences
from realtime import redis_broker, redis_wire
from server import Marquee
from tests import described
from tests.clients import Api, Person
from tests.movable_clock import MovableClock

pytest_plugins = ["tests.dead_worker", "tests.longest_first", "tests.no_skips"]
# What hypothesis does by itself where CI is set: an example is not held against a clock. All else stays as it was.
_IN_ITS_TIME = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("marquee", hypothesis.settings(), **_IN_ITS_TIME)
hypothesis.settings.load_profile("marquee")
_numbers = itertools.count(1)
_MANY = Rate(1_000_000, 900)  # the limits stay on, and out of the way of tests that are not about them


def pytest_collection_modifyitems(items):
    for item in items:
        if inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.gen_test)
            if "io_loop" not in item.fixturenames:
                item.fixturenames.append("io_loop")


@pytest.fixture(scope="session", autouse=True)
def _logs():
    logs.configure("console", "error")


@pytest.fixture
def lines():
    """What is logged, as dicts."""
    logs.configure("console", "info")
    with capture_logs() as captured:
        yield captured
    logs.configure("console", "error")


@pytest.fixture(autouse=True)
def _scheduling():
    """Hold that a test leaves this process scheduled as it found it: what it starts later inherits that."""
    yield
    assert os.sched_getscheduler(0) == os.SCHED_OTHER, "this test made the process a real-time one"


@pytest.fixture(scope="session")
def store_urls(tmp_path_factory):
    """The URLs of a mongod and a redis-server that all tests share; tests that hurt them start their own."""
    stores = EmbeddedStores(tmp_path_factory.mktemp("stores"), volatile=True)
    yield stores.start_sync()
    stores.stop_sync()


@pytest.fixture(scope="session")
def _databases(store_urls):
    client = pymongo.MongoClient(store_urls.mongodb)
    yield client, []
    client.close()


@pytest.fixture
def io_loop():
    """A fresh event loop, of the kind that the server runs on; also the current one. A test leaves nothing open in it.

    What stays open is told as a warning in whatever test runs when the garbage is collected.
    """
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    io_loop = IOLoop(asyncio_loop=loop, make_current=True)
    yield io_loop
    left = loop.run_until_complete(_cancel_all())
    loop.run_until_complete(loop.shutdown_default_executor())
    streams = [repr(descriptor) for descriptor, _ in io_loop.handlers.values()]
    io_loop.close(all_fds=True)
    asyncio.set_event_loop(None)
    assert not left, f"these tasks do not end: {left}"
    assert not streams, f"these are still open: {streams}"


async def _cancel_all():
    """Cancel what still runs and return what does not end: a cancellation can be lost, so it is asked three times."""
    for _ in range(3):
        pending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in pending:
            task.cancel()
        done, still = await asyncio.wait(pending, timeout=5) if pending else (set(), set())
        await asyncio.gather(*done, return_exceptions=True)
        if not still:
            return []
    return [repr(task) for task in asyncio.all_tasks() - {asyncio.current_task()}]


@pytest.fixture
def settings(store_urls, _databases, tmp_path):
    """The settings of this test's server. Override in a module or a test by a fixture of the same name."""
    client, free = _databases
    name = free.pop() if free else f"marquee_{os.getpid()}_{next(_numbers)}"
    prefix = f"test{os.getpid()}-{next(_numbers)}"
    yield Settings(
        host="127.0.0.1",
        port=0,
        data_dir=tmp_path / "data",
        mongodb_url=store_urls.mongodb,
        mongodb_database=name,
        redis_url=store_urls.redis,
        redis_prefix=prefix,
        secret_key="k" * 20 + "0123456789abcdefghij",
        password_pepper="p" * 20 + "0123456789abcdefghij",
        rate_anonymous=_MANY,
        rate_user=_MANY,
        rate_screen=_MANY,
    )
    database = client[name]
    for collection in database.list_collection_names():
        database[collection].delete_many({})
    free.append(name)
    with redis.Redis.from_url(store_urls.redis) as store:
        if keys := list(store.scan_iter(f"{prefix}*")):
            store.delete(*keys)


@pytest.fixture
def clock():
    """The servers' clock, which a test may put forward."""
    return MovableClock()


@pytest.fixture
def jobs_by_hand():
    """Keep the servers' jobs at rest, for tests that call what a job calls: `usefixtures("jobs_by_hand")`."""


@pytest.fixture
def patient():
    """Let a Redis of the test's own answer late too: `usefixtures("patient")`, where it does not stay frozen."""


@pytest.fixture(autouse=True)
def _patience(request):
    """Let Redis answer as late as the machine lets it, but in tests that hurt one of their own.

    One that seems away is done without for a second: more is let through than a limit says, news stay at home, and
    who asked whether it leads does not. A MongoDB that answers slowly is a busy one: screens are marked all the same.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Absences, "slow_seconds", math.inf)
        if "own_redis" not in request.fixturenames or "patient" in request.fixturenames:
            patched.setattr(breaker, "SOCKET_SECONDS", 30.0)
            patched.setattr(redis_broker, "PUBLISH_SECONDS", 30.0)
            patched.setattr(leader, "ASK_SECONDS", 30.0)
        if "own_redis" not in request.fixturenames:
            patched.setattr(redis_broker, "CONFIRM_SECONDS", 30.0)  # a start without Redis would wait so long
            patched.setattr(redis_wire, "CONNECT_SECONDS", 30.0)
        yield


@pytest.fixture
def servers(request, io_loop, settings, clock):
    """Start further servers: `servers()` is one more process's worth on the same stores."""
    started = []

    def start(**changes):
        async def begin():
            marquee = Marquee(replace(settings, **changes), clock, password_cost=4)
            await marquee.start()
            if "jobs_by_hand" in request.fixturenames:
                await marquee.jobs.stop()
            return marquee

        started.append(io_loop.run_sync(begin))
        return started[-1]

    yield start
    for marquee in reversed(started):
        io_loop.run_sync(marquee.stop)


@pytest.fixture
def marquee(servers):
    """This test's server, in this test's event loop."""
    return servers()


@pytest.fixture
def api(marquee):
    """Speaks HTTP and WebSocket to `marquee`."""
    client = Api(marquee.port, check=described.check)
    yield client
    client.close()


@pytest.fixture
def heard(marquee):
    """Every event that the stores announce, control events too, in order."""
    events, publish = [], marquee.node.publish

    async def listening(announced):
        events.extend(announced)
        await publish(announced)

    marquee.node.publish = listening
    return events


# --- people ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def admin(io_loop, api) -> Person:
    """The first account of the server, which administers it, and is a member of nothing."""
    return io_loop.run_sync(lambda: api.person("admin"))


@pytest.fixture
def owner(io_loop, api, admin) -> Person:
    """Owns `workspace`."""
    return io_loop.run_sync(lambda: api.person("owner"))


@pytest.fixture
def workspace(io_loop, api, owner) -> str:
    """The id of a workspace that `owner` made, and that `editor` and `viewer` join when they are asked for."""

    async def make():
        reply = await api.post("/api/workspaces", {"name": "Shops"}, as_=owner)
        assert reply.status == 201, reply.body
        return reply.json["id"]

    return io_loop.run_sync(make)


def _member(io_loop, api, owner, workspace, role):
    async def join():
        person = await api.person(role)
        path = f"/api/workspaces/{workspace}/members"
        reply = await api.post(path, {"email": person.email, "role": role}, as_=owner)
        assert reply.status == 201, reply.body
        return person

    return io_loop.run_sync(join)


@pytest.fixture
def editor(io_loop, api, owner, workspace) -> Person:
    """May change what is in `workspace`."""
    return _member(io_loop, api, owner, workspace, "editor")


@pytest.fixture
def viewer(io_loop, api, owner, workspace) -> Person:
    """May look at what is in `workspace`."""
    return _member(io_loop, api, owner, workspace, "viewer")


@pytest.fixture
def stranger(io_loop, api, admin) -> Person:
    """Has an account, and nothing to do with `workspace`."""
    return io_loop.run_sync(lambda: api.person("stranger"))


@pytest.fixture
def ana(io_loop, api, admin) -> Person:
    """One of two people who talk."""
    return io_loop.run_sync(lambda: api.person("ana"))


@pytest.fixture
def ben(io_loop, api, admin) -> Person:
    """The other one."""
    return io_loop.run_sync(lambda: api.person("ben"))


@pytest.fixture
def other(servers, marquee):
    """A second process on the same stores."""
    return servers()
