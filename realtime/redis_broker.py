"""The broker over Redis: one connection to listen on, one to publish on, and a beacon to oneself.

Publications are queued and leave in one pipeline for all that gathered while the last one was under way.
A pipeline that fails, and everything in the second after it, is handed to this process's own subscribers
only. A beacon every few seconds shows that a message still comes round: a half-open connection looks
healthy to everything else. A process that had to keep publications to itself tells the others when its way
is free again, and all look again at what they may have missed.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.clock import new_id
from core.metrics import Metrics
from core.tasks import ended
from realtime.broker import Receive, Renewed
from realtime.redis_wire import RedisWire

log = structlog.get_logger("marquee.broker")

BEACON_SECONDS = 5.0
CONFIRM_SECONDS = 2.0  # a subscriber waits no longer; `renewed` tells it when the subscription stands
PUBLISH_SECONDS = 0.5  # for one pipeline
PAUSE_SECONDS = 1.0  # after a failed pipeline, before the next is tried
MOST_IN_PIPELINE = 512
MOST_QUEUED = 10_000  # publications; more than a healthy Redis ever leaves waiting
LONGEST_BACK_OFF = 2.0
_LOST = "lost"  # says to all processes: some of what I had to tell, you never heard


class RedisBroker:
    """See `Broker`. `redis` only makes the two connections."""

    def __init__(
        self, redis: "Redis", prefix: str, metrics: Metrics, *, beacon_seconds: float = BEACON_SECONDS
    ) -> None:
        self._redis = redis
        self._prefix = f"{prefix}:push:"
        self._metrics = metrics
        self._beacon_seconds = beacon_seconds
        self._beacon = f"beacon:{new_id()}"
        self._own = {self._beacon, _LOST}
        self._channels: dict[str, asyncio.Future[None]] = {}
        self._subscription: RedisWire | None = None
        self._publisher: RedisWire | None = None
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queued = asyncio.Event()
        self._idle = asyncio.Event()
        self._paused_until = 0.0
        self._refused = False
        self._tasks: list[asyncio.Task[None]] = []
        self._receive: Receive | None = None
        self._renewed: Renewed | None = None

    @property
    def up(self) -> bool:
        """Whether the subscription lives and the last pipeline went through."""
        return self._subscription is not None and not self._refused

    async def start(self, receive: Receive, renewed: Renewed) -> None:
        """Begin to listen and to publish; waits a moment for Redis, and goes on without it."""
        self._receive, self._renewed = receive, renewed
        self._tasks = [asyncio.ensure_future(run()) for run in (self._listen, self._publish, self._send_beacons)]
        await asyncio.gather(*(self.subscribe(channel) for channel in self._own))

    async def stop(self) -> None:
        """Publish what is queued within PUBLISH_SECONDS, then close."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._idle.wait()
        await ended(self._tasks)
        if self._publisher is not None:
            await self._publisher.close()
            self._publisher = None
        self._receive = self._renewed = None

    def publish(self, publications: Sequence[tuple[str, bytes]]) -> None:
        """Queue for the next pipeline; with the way broken or the queue full, deliver here at once."""
        if len(self._queue) + len(publications) > MOST_QUEUED or time.monotonic() < self._paused_until:
            self._deliver_here(publications)
            return
        self._queue.extend(publications)
        self._idle.clear()
        self._queued.set()

    async def subscribe(self, channel: str) -> None:
        """Subscribe and wait for the confirmation, for CONFIRM_SECONDS at most."""
        confirmed = self._channels.get(channel)
        if confirmed is None:
            confirmed = self._channels[channel] = asyncio.get_running_loop().create_future()
            if self._subscription is not None:
                self._subscription.ask("SUBSCRIBE", [self._name(channel)])
            if not self.up and channel not in self._own:
                confirmed.set_result(None)  # `renewed` follows
        if confirmed.done():
            return
        await asyncio.wait([confirmed], timeout=CONFIRM_SECONDS)
        if not confirmed.done():
            confirmed.set_result(None)

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; a later subscribe follows it on the same connection, so their order holds."""
        confirmed = self._channels.pop(channel, None)
        if confirmed is None:
            return
        if not confirmed.done():
            confirmed.set_result(None)
        if self._subscription is not None:
            self._subscription.ask("UNSUBSCRIBE", [self._name(channel)])

    def _name(self, channel: str) -> str:
        return self._prefix + channel

    # --- listening --------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Keep one subscription alive: connect, hand on what comes, and connect anew when it ends."""
        delay = 0.05
        while True:
            try:
                subscription = await RedisWire.connect(self._redis)
            except (RedisError, OSError, TimeoutError) as e:
                log.debug("broker.unreachable", error=str(e))
            else:
                delay = 0.05
                await self._hear(subscription)
            await asyncio.sleep(random.uniform(0, delay))  # noqa: S311 - jitter, not a secret
            delay = min(delay * 2, LONGEST_BACK_OFF)

    async def _hear(self, subscription: RedisWire) -> None:
        self._subscription = subscription
        self._metrics.broker_up.set(1)
        self._beacon_heard = time.monotonic()
        subscription.ask("SUBSCRIBE", [self._name(channel) for channel in self._channels])
        error = "no beacon came back"
        try:
            while (left := self._beacon_heard + 3 * self._beacon_seconds - time.monotonic()) > 0:
                self._take(await subscription.read(left))
        except (RedisError, OSError, EOFError) as e:
            error = str(e) or type(e).__name__
        except Exception as e:
            # Whatever came, from whomever: this process must go on listening.
            error = repr(e)
            log.exception("broker.broken")
        finally:
            self._subscription = None
            self._metrics.broker_up.set(0)
            self._release_waiting()
            await subscription.close()
        self._metrics.broker_reconnects.inc()
        log.warning("broker.lost", error=error)

    def _take(self, messages: list[tuple[bytes, bytes, bytes]]) -> None:
        skip = len(self._prefix)
        renewed = []
        for kind, name, payload in messages:
            channel = name[skip:].decode()
            if kind == b"message":
                if channel == self._beacon:
                    self._beacon_came(payload)
                elif channel == _LOST:
                    renewed = [one for one in self._channels if one not in self._own]
                elif self._receive is not None:
                    self._receive(channel, payload)
            elif kind == b"subscribe" and not self._confirm(channel):
                renewed.append(channel)
        if renewed and self._renewed is not None:
            self._renewed(renewed)

    def _confirm(self, channel: str) -> bool:
        """Note a confirmation; return False when subscribers were not waiting for it: they have missed something."""
        confirmed = self._channels.get(channel)
        if confirmed is None or channel in self._own:
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
            return True
        if confirmed.done():
            return False
        confirmed.set_result(None)
        return True

    def _release_waiting(self) -> None:
        for channel, confirmed in self._channels.items():
            if not confirmed.done() and channel not in self._own:
                confirmed.set_result(None)

    def _beacon_came(self, payload: bytes) -> None:
        self._beacon_heard = time.monotonic()
        self._metrics.broker_lag_seconds.set(self._beacon_heard - float(payload))

    # --- publishing -------------------------------------------------------------------------------------------------

    async def _send_beacons(self) -> None:
        while True:
            self.publish([(self._beacon, repr(time.monotonic()).encode())])
            await asyncio.sleep(self._beacon_seconds)

    async def _publish(self) -> None:
        while True:
            if not self._queue:
                self._idle.set()
            await self._queued.wait()
            batch = [self._queue.popleft() for _ in range(min(MOST_IN_PIPELINE, len(self._queue)))]
            if not self._queue:
                self._queued.clear()
            await self._hand_on(batch)

    async def _hand_on(self, batch: list[tuple[str, bytes]]) -> None:
        if time.monotonic() < self._paused_until:
            self._deliver_here(batch)
            return
        try:
            await self._pipeline(batch)
        except (RedisError, OSError, EOFError) as e:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            if not self._refused:
                log.warning("broker.publish_failed", error=str(e), publications=len(batch))
            self._refused = True
            self._deliver_here(batch)
            return
        if self._refused:
            self._refused = False
            self.publish([(_LOST, b"")])
        self._metrics.publications.labels("redis").inc(len(batch))
        if self._subscription is None:
            self._deliver_here(batch)  # others heard it; we are not listening just now

    async def _pipeline(self, batch: list[tuple[str, bytes]]) -> None:
        """Publish `batch`, again over a new connection where the kept one was cut: twice is better than never."""
        named = [(self._name(channel), payload) for channel, payload in batch]
        kept, self._publisher = self._publisher, None
        if kept is not None:
            try:
                await self._publish_over(kept, named)
                return
            except (OSError, EOFError) as e:
                if isinstance(e, TimeoutError):
                    raise
        await self._publish_over(await RedisWire.connect(self._redis), named)

    async def _publish_over(self, wire: RedisWire, named: list[tuple[str, bytes]]) -> None:
        try:
            await wire.publish(named, PUBLISH_SECONDS)
        except BaseException:
            await wire.close()  # answers may still come on it
            raise
        self._publisher = wire

    def _deliver_here(self, batch: Sequence[tuple[str, bytes]]) -> None:
        for channel, payload in batch:
            if channel in self._channels and channel not in self._own and self._receive is not None:
                self._receive(channel, payload)
        self._metrics.publications.labels("local").inc(len(batch))
