"""Jobs have turns: at their pace, one at a time, within their limit; a failing one stops no other."""

import asyncio
import time
from datetime import timedelta

import pytest
import structlog

from core.errors import Unavailable
from core.metrics import Metrics
from jobs.loop_lag import LoopLag
from jobs.periodic import Periodic
from jobs.runner import Job, Runner
from tests.promptness import PATIENCE


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def runner(io_loop, leaders, clock, metrics):
    """Make and start a runner; `leading=False` makes another process lead."""
    started = []

    async def start(*jobs, leading=True):
        if not leading:
            await leaders(lease_seconds=60).start()
        started.append(Runner(jobs, leaders(), LoopLag(metrics), clock, metrics))
        await started[-1].start()
        return started[-1]

    yield start
    for each in started:
        io_loop.run_sync(each.stop)


def job(work, every=0.05, limit=60.0, name="count_sheep", **scope):
    return Job(name, work, every, limit, **scope)


def counted(metrics, outcome, name="count_sheep"):
    return metrics.registry.get_sample_value("marquee_job_runs_total", {"job": name, "outcome": outcome})


async def test_a_job_has_its_turns_with_the_clocks_time(runner, clock, eventually):
    clock.advance(days=400)
    turns = []

    async def count(now):
        turns.append(now)

    await runner(job(count))
    await eventually(lambda: len(turns) > 3)

    assert abs(turns[-1] - clock.now()) < timedelta(seconds=PATIENCE)


async def test_only_the_leader_runs_what_one_is_to_run(runner, eventually):
    ran = []

    async def one(_now):
        ran.append("one")

    async def each(_now):
        ran.append("each")

    await runner(job(one, name="one"), job(each, name="each", everywhere=True), leading=False)
    await eventually(lambda: len(ran) > 5)

    assert set(ran) == {"each"}


async def test_a_job_is_never_run_twice_at_once(runner, eventually):
    running, most, turns = 0, 0, 0

    async def slow(_now):
        nonlocal running, most, turns
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.12)
        running -= 1
        turns += 1

    started = await runner(job(slow, every=0.02))
    await asyncio.gather(*(started.run("count_sheep") for _ in range(5)))
    await eventually(lambda: turns > 3)

    assert most == 1


async def test_a_job_that_takes_too_long_is_cut_off_and_has_its_next_turn(runner, metrics, eventually, lines):
    begun = []

    async def endless(_now):
        begun.append(1)
        await asyncio.sleep(3600)

    await runner(job(endless, limit=0.05))
    await eventually(lambda: len(begun) > 2)

    assert counted(metrics, "timeout") >= 2
    assert [(line["event"], line["outcome"]) for line in lines if line["event"] == "job.failed"] == [
        ("job.failed", "timeout")
    ]


async def test_a_failing_job_stops_no_other_and_is_logged_once_until_it_recovers(runner, metrics, eventually, lines):
    turns, broken = [], True

    async def bad(_now):
        turns.append("bad")
        if broken:
            raise ZeroDivisionError

    async def good(_now):
        turns.append("good")

    await runner(job(bad, name="bad"), job(good, name="good"))
    await eventually(lambda: turns.count("bad") > 3 and turns.count("good") > 3)
    broken = False
    await eventually(lambda: counted(metrics, "ok", "bad"))

    assert counted(metrics, "failed", "bad") >= 3
    assert [line["event"] for line in lines if line["event"].startswith("job.")].count("job.failed") == 1
    assert [line["event"] for line in lines].count("job.recovered") == 1


async def test_another_failure_than_the_last_is_logged_too(runner, eventually, lines):
    errors = [Unavailable(), Unavailable(), ZeroDivisionError(), ZeroDivisionError(), Unavailable()]
    left = list(errors)

    async def fail(_now):
        if left:
            raise left.pop(0)

    await runner(job(fail))
    await eventually(lambda: any(line["event"] == "job.recovered" for line in lines))

    failed = [line for line in lines if line["event"] == "job.failed"]
    assert ["exc_info" in line for line in failed] == [False, True, False]  # a store that is away needs no traceback


async def test_a_run_is_measured(runner, metrics, clock, eventually):
    async def count(_now):
        await asyncio.sleep(0.05)

    await runner(job(count))
    await eventually(lambda: counted(metrics, "ok"))

    sample = metrics.registry.get_sample_value
    assert sample("marquee_job_seconds_sum", {"job": "count_sheep"}) > 0.04  # timers have milliseconds
    last = sample("marquee_job_last_success_timestamp_seconds", {"job": "count_sheep"})
    assert abs(last - clock.timestamp()) < PATIENCE


async def test_lines_that_are_logged_inside_a_job_carry_its_name(runner, eventually):
    seen = []

    async def look(_now):
        seen.append(structlog.contextvars.get_contextvars().get("job"))

    await runner(job(look))
    await eventually(lambda: seen)

    assert seen[0] == "count_sheep"
    assert "job" not in structlog.contextvars.get_contextvars()


async def test_stopping_waits_a_moment_for_what_runs(runner):
    ended = []

    async def short(_now):
        await asyncio.sleep(0.2)
        ended.append(1)

    started = await runner(job(short, every=1000), leading=False)  # it has no turns but this one
    running = asyncio.ensure_future(started.run("count_sheep"))
    await asyncio.sleep(0.05)
    await started.stop()

    assert (ended, running.done()) == ([1], True)


async def test_stopping_cuts_off_what_does_not_end_and_nothing_begins_after_it(runner, monkeypatch):
    monkeypatch.setattr("jobs.runner.STOP_SECONDS", 0.1)
    begun, cut = [], []

    async def endless(_now):
        begun.append(1)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cut.append(1)
            raise

    started = await runner(job(endless, limit=7200))
    while not begun:
        await asyncio.sleep(0.01)
    await started.stop()
    await asyncio.sleep(0.2)

    assert (begun, cut, started.leader.leads) == ([1], [1], False)


async def test_a_clock_that_is_put_back_pauses_nothing(io_loop, eventually):
    turns = []
    periodic = Periodic(lambda: turns.append(1), 20)
    periodic.start()
    await eventually(lambda: len(turns) > 2)

    periodic._next_timeout += 3600  # what Tornado compares with a wall clock that was put back by an hour
    before = len(turns)
    await eventually(lambda: len(turns) > before + 3)
    periodic.stop()


async def test_a_blocked_loop_shows_as_lag(io_loop, metrics, eventually):
    lag = LoopLag(metrics)
    lag.start()
    await asyncio.sleep(0.05)

    def count():
        return metrics.registry.get_sample_value("marquee_loop_lag_seconds_count", {}) or 0

    before = count()
    time.sleep(0.4)
    await eventually(lambda: count() > before)
    lag.stop()

    assert 0.25 < lag.take_worst() < PATIENCE
    assert lag.take_worst() == 0
