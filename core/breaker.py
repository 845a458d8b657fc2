"""The Redis client as Marquee uses it: short deadlines, no silent retries, and a breaker.

Redis only rings the bell, so nobody may wait for it. A call that fails opens the breaker: for
`pause` seconds further calls fail at once with RedisAway, and callers take their own way without it.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import RedisError

from core.clock import Clock
from core.metrics import Metrics

T = TypeVar("T")
# What a connection tells Redis of who it is; left to itself, redis-py reads its package's metadata for each: 0.3 ms.
_DRIVER = DriverInfo()
SOCKET_SECONDS = 0.5  # a frozen server must not hold a request (design, section 5)


class RedisAway(Exception):
    """Redis did not answer, or has just failed to."""


def connect(url: str) -> "Redis":
    """Return a client whose calls end within SOCKET_SECONDS and are never applied twice by a retry."""
    client: Redis = Redis.from_url(
        url,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        max_connections=256,
        driver_info=_DRIVER,
    )
    return client


class Breaker:
    """Stands before one Redis client; `client` is there for those who handle its errors themselves.

    `metrics` are told whether it answers, as each call finds it.
    """

    def __init__(self, client: "Redis", clock: Clock, *, pause: float = 1.0, metrics: Metrics | None = None) -> None:
        self.client = client
        self._clock = clock
        self._pause = pause
        self._metrics = metrics
        self._closed_again_at = 0.0
        self._answered = False

    @property
    def up(self) -> bool:
        """Whether calls are tried now."""
        return self._clock.monotonic() >= self._closed_again_at

    async def run(self, call: Callable[[Any], Awaitable[T]]) -> T:
        """Return `await call(client)`, or raise RedisAway."""
        if not self.up:
            raise RedisAway
        try:
            answer = await call(self.client)
        except (RedisError, OSError, TimeoutError) as e:
            self._closed_again_at = self._clock.monotonic() + self._pause
            self._answered = False
            if self._metrics is not None:
                self._metrics.redis_up.set(0)
                self._metrics.store_errors.labels("redis").inc()
            raise RedisAway(str(e)) from e
        if not self._answered:
            self._answered = True
            if self._metrics is not None:
                self._metrics.redis_up.set(1)
        return answer
