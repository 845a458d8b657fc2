"""Runs the jobs: each at its own pace, never twice at once, within its time limit, and none at another's cost."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog

from core.clock import Clock
from core.errors import Problem
from core.metrics import Metrics
from core.tasks import ended
from jobs.leader import Leader
from jobs.loop_lag import LoopLag
from jobs.periodic import Periodic

log = structlog.get_logger("marquee.jobs")

FIRST_SECONDS = 5.0  # within which every job has its first turn: what a dead process left is not left for an hour
JITTER = 0.1  # of each period, so that processes which were started together do not stay in step
STOP_SECONDS = 3.0  # for what runs when the process is to end


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is done again and again, by nobody's request: what it does, it does as the system itself.

    `work(now)` may run twice for the same moment, in two processes at once, and may be cut off anywhere. `every`
    and `limit` are in seconds. `everywhere` means in each process; otherwise in the one that leads.
    """

    name: str
    work: Callable[[datetime], Awaitable[object]]
    every: float
    limit: float
    everywhere: bool = False


class Runner:
    """One process's jobs, from `start` to `stop`, and its part in choosing the leader."""

    def __init__(self, jobs: Sequence[Job], leader: Leader, lag: LoopLag, clock: Clock, metrics: Metrics) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.leader = leader
        self._lag = lag
        self._clock = clock
        self._metrics = metrics
        self._turns = {
            job.name: Periodic(partial(self._turn, job), job.every * 1000, jitter=JITTER) for job in self.jobs.values()
        }
        self._running: dict[str, asyncio.Task[None]] = {}
        self._first: list[asyncio.TimerHandle] = []
        self._failing: dict[str, str] = {}

    async def start(self) -> None:
        """Find out who leads and begin; first turns are spread, so that jobs do not all come at once."""
        await self.leader.start()
        self._lag.start()
        loop = asyncio.get_running_loop()
        for job in self.jobs.values():
            within = min(job.every, FIRST_SECONDS)
            wait = random.uniform(0, within)  # noqa: S311 - a spread, not a secret
            self._first.append(loop.call_later(wait, self._begin, job))

    async def stop(self) -> None:
        """Begin nothing more, wait STOP_SECONDS for what runs, cut the rest off, and let another process lead."""
        self._lag.stop()
        for first in self._first:
            first.cancel()
        for turn in self._turns.values():
            turn.stop()
        running = list(self._running.values())
        if running:
            await asyncio.wait(running, timeout=STOP_SECONDS)
        await ended(running)
        await self.leader.stop()

    async def run(self, name: str) -> None:
        """Run a job now, whoever leads; where it runs already, wait for that. Never raises."""
        job = self.jobs[name]
        task = self._running.get(name)
        if task is None:
            task = self._running[name] = asyncio.create_task(self._run(job), name=f"job {name}")
            task.add_done_callback(lambda _: self._running.pop(name))
        await asyncio.wait([task])

    def _begin(self, job: Job) -> None:
        turn = self._turns[job.name]
        turn.start()
        turn.io_loop.add_callback(self._turn, job)

    async def _turn(self, job: Job) -> None:
        if job.everywhere or self.leader.leads:
            await self.run(job.name)

    async def _run(self, job: Job) -> None:
        """Run one job to its end, measured; whatever goes wrong ends here."""
        began = time.perf_counter()
        with structlog.contextvars.bound_contextvars(job=job.name):
            try:
                async with asyncio.timeout(job.limit) as limit:
                    done = await job.work(self._clock.now())
            except Exception as e:  # noqa: BLE001 - a job may fail in any way, and must not end the others
                self._failed(job, e, over_time=limit.expired())
            else:
                self._succeeded(job, done)
        self._metrics.job_seconds.labels(job.name).observe(time.perf_counter() - began)

    def _succeeded(self, job: Job, done: object) -> None:
        self._metrics.job_runs.labels(job.name, "ok").inc()
        self._metrics.job_last_success.labels(job.name).set(self._clock.timestamp())
        log.debug("job.done", done=done)
        if self._failing.pop(job.name, None):
            log.info("job.recovered")

    def _failed(self, job: Job, error: Exception, *, over_time: bool) -> None:
        """Count a failure, and log it where it is another than the last turn's: some jobs have a turn each second."""
        outcome = "timeout" if over_time else "failed"
        self._metrics.job_runs.labels(job.name, outcome).inc()
        kind = str(error) if isinstance(error, Problem) else type(error).__name__
        if self._failing.get(job.name) == kind:
            return
        self._failing[job.name] = kind
        if over_time:
            log.error("job.failed", outcome=outcome, limit_seconds=job.limit)
        elif isinstance(error, Problem):
            log.warning("job.failed", outcome=outcome, error=str(error))  # a store is away: no defect of the job
        else:
            log.error("job.failed", outcome=outcome, exc_info=error)
