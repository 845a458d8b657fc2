import asyncio

import pytest

from core.breaker import Breaker, connect
from core.clock import Clock
from core.metrics import Metrics
from realtime import broker as brokers_of
from realtime.redis_broker import RedisBroker
from realtime.rules import Rules
from tests.realtime.chatting import Chat
from tests.realtime.hall import Hall
from tests.realtime.heard import Heard
from tests.realtime.redis_process import RedisProcess
from tests.realtime.wire import Wire


@pytest.fixture(autouse=True)
def _hang_up(io_loop):
    """Close what the test's raw clients left open."""
    yield

    async def hang_up():
        for wire in Wire.opened:
            wire.hang_up()
        await asyncio.gather(*(wire.writer.wait_closed() for wire in Wire.opened), return_exceptions=True)
        Wire.opened.clear()
        for chat in Chat.opened:
            chat.hang_up()
        Chat.opened.clear()

    io_loop.run_sync(hang_up)


@pytest.fixture
def own_redis(tmp_path):
    """A Redis of this test's own, to be killed and frozen."""
    process = RedisProcess(tmp_path)
    yield process
    process.thaw_if_alive()
    process.kill()


@pytest.fixture
def clients(io_loop):
    """Make Redis clients that are closed when the test ends."""
    made = []

    def make(url):
        made.append(connect(url))
        return made[-1]

    yield make
    for client in made:
        io_loop.run_sync(client.aclose)


@pytest.fixture
def breaker(clients, own_redis):
    return Breaker(clients(own_redis.url), Clock(), pause=0.1)


@pytest.fixture
def begin(io_loop):
    """Start brokers, which are stopped when the test ends."""
    begun = []

    def start(broker):
        heard = Heard(broker)
        io_loop.run_sync(lambda: broker.start(heard.receive, heard.renew))
        begun.append(broker)
        return heard

    yield start
    for broker in begun:
        io_loop.run_sync(broker.stop)


@pytest.fixture(params=["memory", "redis"])
def brokers(request, begin, clients, store_urls, settings):
    """Two brokers on one wire: what one publishes, both hear."""
    wire = brokers_of.Wire()
    if request.param == "memory":
        return [begin(brokers_of.MemoryBroker(Metrics(), wire)) for _ in range(2)]
    return [begin(RedisBroker(clients(store_urls.redis), settings.redis_prefix, Metrics())) for _ in range(2)]


@pytest.fixture
def halls(io_loop, marquee):
    """Start further halls of sockets beside `marquee`: `halls(rules)`; each has a node of its own."""
    started = []

    def start(rules=None, **options):
        started.append(Hall(marquee, rules, **options))
        io_loop.run_sync(started[-1].start)
        return started[-1]

    yield start
    for hall in reversed(started):
        io_loop.run_sync(hall.stop)


@pytest.fixture
def rules():
    """The contract's numbers; a module overrides them by a fixture of the same name."""
    return Rules()


@pytest.fixture
def hall(halls, rules):
    """This test's sockets."""
    return halls(rules)
