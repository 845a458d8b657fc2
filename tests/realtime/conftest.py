import pytest

from core.breaker import Breaker, connect
from core.clock import Clock
from core.metrics import Metrics
from realtime.broker import MemoryBroker, Wire
from realtime.redis_broker import RedisBroker
from tests.realtime.heard import Heard
from tests.realtime.redis_process import RedisProcess


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
    wire = Wire()
    if request.param == "memory":
        return [begin(MemoryBroker(Metrics(), wire)) for _ in range(2)]
    return [begin(RedisBroker(clients(store_urls.redis), settings.redis_prefix, Metrics())) for _ in range(2)]
