"""One process leads; when it dies, freezes or ends another does; without Redis the jobs go on."""

import asyncio
import signal
import sys
import time

import pytest

from jobs import leader as rules
from tests.jobs.conftest import LEASE
from tests.promptness import within

LONG = 1000  # seconds: a lock that does not end by itself while a test lasts
PROMISED = 15  # seconds within which a dead leader is followed
ASK_SECONDS = rules.ASK_SECONDS  # which tests patiently lengthen
RENEWAL = 0.2


def test_a_dead_leader_is_followed_within_fifteen_seconds():
    longest_pause = rules.RENEW_SECONDS * (1 + rules.JITTER / 2)

    assert rules.LEASE_SECONDS + longest_pause + ASK_SECONDS < PROMISED
    assert 2 * (longest_pause + ASK_SECONDS) < rules.LEASE_SECONDS  # two tries to renew may fail outright


async def test_of_several_processes_one_leads(leaders):
    claims = [leaders(lease_seconds=LONG) for _ in range(4)]

    await asyncio.gather(*(each.start() for each in claims))
    seen = []
    for _ in range(20):
        seen.append(sum(each.leads for each in claims))
        await asyncio.sleep(0.05)

    assert set(seen) == {1}


async def test_a_leader_stays_one_for_longer_than_a_lock_lasts(leaders):
    first, second = leaders(), leaders()
    await first.start()
    await second.start()

    await asyncio.sleep(LEASE + 0.5)

    assert (first.leads, second.leads) == (True, False)


async def test_a_leader_that_ends_lets_another_lead_at_once(leaders):
    first, second = leaders(lease_seconds=LONG), leaders(lease_seconds=LONG)
    await first.start()
    await second.start()

    await first.stop()
    await second.ask()

    assert (first.leads, second.leads) == (False, True)


@pytest.mark.usefixtures("patient")
async def test_a_renewal_under_way_does_not_take_the_lock_back(leaders, own_redis):
    first, second = leaders(own_redis.url, lease_seconds=LONG), leaders(own_redis.url, lease_seconds=LONG)
    await first.start()
    own_redis.freeze()
    renewal = asyncio.ensure_future(first.ask())
    await asyncio.sleep(0.05)
    ended = asyncio.ensure_future(first.stop())
    await asyncio.sleep(0.05)
    own_redis.thaw()
    await asyncio.gather(renewal, ended)

    await second.start()

    assert (first.leads, second.leads) == (False, True)


async def test_who_never_led_gives_back_nobodys_lock(leaders):
    first, second, third = (leaders(lease_seconds=LONG) for _ in range(3))
    await first.start()
    await second.start()

    await second.stop()
    await third.start()

    assert (first.leads, third.leads) == (True, False)


async def test_who_hears_nothing_goes_by_what_it_knew_until_the_lock_has_ended(leaders, clock):
    leader = leaders(lease_seconds=LONG, renew_seconds=LONG)
    await leader.start()
    assert leader.leads

    clock.advance(seconds=LONG)  # as a frozen process finds it when it goes on

    assert not leader.leads


@pytest.mark.usefixtures("patient")
async def test_without_redis_the_leader_goes_on_and_the_others_lead_too(leaders, own_redis, clock):
    first, second = (leaders(own_redis.url, lease_seconds=LONG, renew_seconds=LONG) for _ in range(2))
    await first.start()
    await second.start()
    own_redis.kill()

    led = []
    for _ in range(4):
        clock.advance(seconds=LONG * 0.4)
        await first.ask()
        await second.ask()
        led.append((first.leads, second.leads))

    assert led == [(True, False)] * 2 + [(True, True)] * 2


@pytest.mark.usefixtures("patient")
async def test_after_redis_came_back_one_leads(leaders, own_redis, clock):
    first, second = (leaders(own_redis.url, lease_seconds=LONG, renew_seconds=LONG) for _ in range(2))
    await first.start()
    await second.start()
    own_redis.kill()
    clock.advance(seconds=LONG)
    for each in (first, second):
        await each.ask()
    assert (first.leads, second.leads) == (True, True)

    own_redis.start()
    led = []
    for _ in range(4):
        for each in (second, first):
            await each.ask()
        led.append((first.leads, second.leads))

    assert led == [(False, True)] * 4, "the first to ask"


@pytest.mark.usefixtures("patient")
async def test_a_process_that_starts_without_redis_leads_after_a_lease(leaders, own_redis, clock, eventually):
    own_redis.kill()
    leader = leaders(own_redis.url, lease_seconds=LONG)

    await leader.start()

    assert not leader.leads  # another process may lead, and only this one have lost Redis
    clock.advance(seconds=LONG)
    await eventually(lambda: leader.leads)


async def test_a_frozen_redis_holds_nobody_up(leaders, own_redis):
    leader = leaders(own_redis.url)
    await leader.start()
    own_redis.freeze()

    with within(ASK_SECONDS + 0.5):
        await leader.ask()


class LeaderProcess:
    """tests/jobs/leader_process.py, running. `said` is what it last said of itself, and since when it has run."""

    def __init__(self, process):
        self.process = process
        self.said = []
        self.reading = asyncio.ensure_future(self._read())

    async def _read(self):
        async for line in self.process.stdout:
            moment, state = line.decode().split()
            self.said.append((float(moment), state))

    @property
    def leads(self):
        return bool(self.said) and self.said[-1][1] == "leads"


@pytest.fixture
def processes(io_loop, settings):
    """Start processes that claim to lead."""
    started = []

    async def start():
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.jobs.leader_process"),
            *(settings.redis_url, settings.redis_prefix, str(LEASE), str(RENEWAL)),
            stdout=asyncio.subprocess.PIPE,
        )
        started.append(LeaderProcess(process))
        return started[-1]

    yield start

    async def end():
        for each in started:
            if each.process.returncode is None:
                each.process.kill()
            await each.process.wait()
            await each.reading

    io_loop.run_sync(end)


async def test_another_process_leads_soon_after_a_leader_was_killed(processes, eventually):
    first = await processes()
    await eventually(lambda: first.leads)
    second = await processes()
    await eventually(lambda: second.said)

    with within(PROMISED):  # though this lock lasts for less: another of these processes may be held up
        first.process.kill()
        await eventually(lambda: second.leads)


async def test_a_frozen_leader_that_goes_on_follows_from_the_first_moment(processes, eventually):
    first = await processes()
    await eventually(lambda: first.leads)
    second = await processes()
    await eventually(lambda: second.said)

    first.process.send_signal(signal.SIGSTOP)
    await eventually(lambda: second.leads)
    thawed = time.monotonic()
    first.process.send_signal(signal.SIGCONT)
    await eventually(lambda: first.said[-1][0] > thawed + 1)

    assert {state for moment, state in first.said if moment > thawed} == {"follows"}
    assert second.leads
