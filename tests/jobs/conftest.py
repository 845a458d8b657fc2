import pytest

from core.breaker import connect
from core.metrics import Metrics
from jobs.leader import Leader
from tests import promptness
from tests.realtime.redis_process import RedisProcess

LEASE = 4.0  # seconds


@pytest.fixture
def eventually():
    return promptness.eventually


@pytest.fixture
def own_redis(tmp_path):
    """A Redis of this test's own, to be killed and frozen."""
    process = RedisProcess(tmp_path)
    yield process
    process.thaw_if_alive()
    process.kill()


@pytest.fixture
def follower(marquee, servers):
    """A second process, which starts while `marquee` leads."""
    return servers()


@pytest.fixture
def leaders(io_loop, settings, clock):
    """Make claims to lead, as that many processes would: with locks that last LEASE and are renewed every 0.1 s.

    None of them comes to itself too late for its lock because the machine was busy.
    """
    made = []

    def make(url=settings.redis_url, **times):
        client = connect(url)
        times = {"lease_seconds": LEASE, "renew_seconds": 0.1, **times}
        leader = Leader(client, settings.redis_prefix, clock, Metrics(), **times)
        made.append((leader, client))
        return leader

    yield make
    for leader, client in made:
        io_loop.run_sync(leader.stop)
        io_loop.run_sync(client.aclose)
