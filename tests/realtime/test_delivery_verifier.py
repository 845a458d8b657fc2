"""The delivery verifier on real processes: the chat passes it, and a chat with a planted bug does not."""

import sys

import pytest

from bench import delivery

PUBLICATIONS = {"seconds": 4, "faults": ("lose", "shuffle"), "looks": 1.0}


@pytest.fixture
def verify(io_loop, tmp_path):
    def run(server=None, **changes):
        command = [sys.executable, "-m", f"tests.realtime.{server}"] if server else None
        plan = delivery.Plan(**{"writers": 3, "readers": 3, "rooms": 2, "pause": 0.08, "command": command, **changes})
        return io_loop.run_sync(lambda: delivery.run(plan, tmp_path))

    return run


@pytest.mark.timeout(300)
def test_nothing_is_lost_while_publications_are_lost_and_overtaken(verify):
    found = verify(**PUBLICATIONS)

    assert found.violations == [], str(found)
    assert found.outcomes["acknowledged"] > 10
    assert found.looked > 0
    assert found.lost > 0
    assert found.delayed > 0


@pytest.mark.timeout(300)
def test_a_chat_that_repairs_no_gap_is_found_out(verify):
    found = verify("deaf_server", **PUBLICATIONS, converge_seconds=4)

    assert any("lacks" in one or "another state" in one for one in found.violations), str(found)


@pytest.mark.timeout(300)
def test_a_chat_that_publishes_before_it_commits_is_found_out(verify):
    found = verify("hasty_server", **PUBLICATIONS, at_first=True)

    assert any("told of" in one for one in found.violations), str(found)


@pytest.mark.timeout(300)
def test_nothing_is_lost_while_processes_and_stores_die_and_readers_fall_behind(verify):
    found = verify(seconds=5, faults=("primary", "kill", "redis", "away", "slow"))

    assert found.violations == [], str(found)
    assert min(found.faults.values()) >= 1
    assert found.full_loads >= 1
    assert found.too_slow >= 1
