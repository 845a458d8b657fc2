"""Which process runs the jobs that one alone should run: the one that holds a lock in Redis and keeps renewing it.

The lock saves work and guards nothing: every job is a set of conditional updates, so two leaders for a moment do
no harm. That decides what happens while Redis is away: who led goes on, and who followed leads too once it has
heard nothing for as long as a lock lasts, for then nobody can tell whether anybody leads. Screens are marked
offline and emergencies end all the same, and when Redis is back the first to ask is the only leader again.

A process trusts an answer for no longer than the lock lasts. One that was frozen (SIGSTOP, a paused machine)
therefore follows from its first instruction on, whoever leads by then.
"""

import asyncio
from pathlib import Path

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.clock import Clock, new_id
from core.metrics import Metrics
from jobs.periodic import Periodic

log = structlog.get_logger("marquee.leader")

_HOLD = (Path(__file__).parent / "leader_hold.lua").read_text()
_RELEASE = (Path(__file__).parent / "leader_release.lua").read_text()

# A dead leader's lock ends within LEASE_SECONDS, and the next process asks within a jittered RENEW_SECONDS and
# waits ASK_SECONDS at most: 11.1 s together, of the 15 that are promised. A leader has three tries to renew.
LEASE_SECONDS = 8.0
RENEW_SECONDS = 2.0
ASK_SECONDS = 1.0
JITTER = 0.1


class Leader:
    """This process's claim to lead. `leads` is true by knowledge, and costs nothing to ask."""

    def __init__(
        self,
        redis: "Redis",
        prefix: str,
        clock: Clock,
        metrics: Metrics,
        *,
        lease_seconds: float = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._key = f"{prefix}:{{jobs}}:leader"
        self._token = new_id()
        self._hold = redis.register_script(_HOLD)
        self._release = redis.register_script(_RELEASE)
        self._clock = clock
        self._lease = lease_seconds
        self._until = 0.0
        self._heard = 0.0
        self._was: str = "follows"
        self._asking = asyncio.Lock()
        self._renewal = Periodic(self.ask, renew_seconds * 1000, jitter=JITTER)
        metrics.leader.set_function(lambda: float(self.leads))

    @property
    def leads(self) -> bool:
        """Whether this process leads now."""
        return self._clock.monotonic() < self._until

    async def start(self) -> None:
        """Ask for the lock, and go on asking for it or renewing it."""
        self._heard = self._clock.monotonic()
        await self.ask()
        self._renewal.start()

    async def stop(self) -> None:
        """Give the lock back, so that another process need not wait for its end."""
        self._renewal.stop()
        async with self._asking:  # a renewal under way would take the lock again behind us
            self._until = 0.0
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    await self._release(keys=[self._key], args=[self._token])
            except (RedisError, OSError, TimeoutError) as e:
                log.info("leader.not_released", error=str(e))  # it ends by itself

    async def ask(self) -> None:
        """Take or renew the lock; without an answer go by what was known."""
        async with self._asking:
            await self._ask()

    async def _ask(self) -> None:
        asked = self._clock.monotonic()
        try:
            async with asyncio.timeout(ASK_SECONDS):
                held = await self._hold(keys=[self._key], args=[self._token, int(self._lease * 1000)])
        except (RedisError, OSError, TimeoutError) as e:
            alone = self.leads or asked - self._heard >= self._lease
            self._settle("leads alone" if alone else "follows", asked, error=str(e) or type(e).__name__)
        else:
            self._heard = asked
            self._settle("leads" if held else "follows", asked)

    def _settle(self, state: str, asked: float, **why: str) -> None:
        """Keep what is so until a lock that was taken at `asked` would end."""
        self._until = 0.0 if state == "follows" else asked + self._lease
        if state != self._was:
            log.info("leader.changed", state=state, **why)
        self._was = state
