"""The delivery verifier on real processes: the chat passes it, and a chat with a planted bug does not."""

import sys

import pytest

from bench import delivery


@pytest.fixture
def verify(io_loop, tmp_path):
    def run(**changes):
        plan = delivery.Plan(**{"writers": 4, "readers": 4, "rooms": 2, "pause": 0.08, **changes})
        return io_loop.run_sync(lambda: delivery.run(plan, tmp_path))

    return run


@pytest.mark.timeout(240)
def test_nothing_is_lost_while_processes_and_redis_die(verify):
    found = verify(seconds=12, faults=("kill", "redis"))

    assert found.violations == [], str(found)
    assert found.outcomes["acknowledged"] > 20
    assert min(found.faults.values()) >= 1


@pytest.mark.timeout(240)
def test_a_chat_that_repairs_no_gap_is_found_out(verify):
    command = [sys.executable, "-m", "tests.realtime.deaf_server"]

    found = verify(seconds=6, faults=("redis",), converge_seconds=4, command=command)

    assert any("lacks" in one or "another state" in one for one in found.violations), str(found)
