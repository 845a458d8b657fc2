"""The node joins hub, broker and presence, and is the `Events` port through which models publish.

Events go to the broker and come back from it, to this process as to every other (realtime/broker.py says
what happens when the way is broken). What comes back is given to whoever listens for its kind of channel
(`workspace` in `workspace:64f..`), and without such a listener broadcast to the channel's connections: the
chat listens for `room`, to keep each room's log in order.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
import structlog
from tornado.ioloop import PeriodicCallback

from core.clock import Clock
from core.errors import Problem
from core.events import ACCESS_CHANGED, CONTROL, SCREEN_REVOKED, SESSIONS_REVOKED, Event
from core.metrics import Metrics
from core.tasks import apart, logged
from realtime import frames
from realtime.broker import Broker
from realtime.codes import Close
from realtime.connection import Connection
from realtime.hub import Hub
from realtime.outbox import Writer
from realtime.presence import RENEW_SECONDS, Lease, Presence
from realtime.publication import Publication, unpack

log = structlog.get_logger("marquee.node")

Listener = Callable[[str, Publication], None]
Control = Callable[[dict[str, Any]], None]
Seen = Callable[[Sequence[str]], Coroutine[Any, Any, None]]

_WATCH_MS = 1000  # how exact time-outs are: none of the contract's is shorter than 5 s
_LOOK_AGAIN_SECONDS = 1.0
_REVOCATION_KEPT = 60  # seconds; longer than any authentication is under way


class Node:
    """This process's share of the realtime side. Made before the stores, which publish through it."""

    def __init__(
        self, *, broker: Broker, presence: Presence, clock: Clock, metrics: Metrics, watch_ms: float = _WATCH_MS
    ) -> None:
        self.hub = Hub(metrics)
        self.writer = Writer()
        self.broker = broker
        self.presence = presence
        self.clock = clock
        self.metrics = metrics
        self.draining = False
        self._listeners: dict[str, Listener] = {}
        self._renewed: list[Callable[[list[str]], None]] = []
        self._controls: dict[str, Control] = {
            SESSIONS_REVOKED: lambda data: self.close_sessions(data["sessionIds"]),
            SCREEN_REVOKED: lambda data: self.verify_screen(data["screenId"]),
            ACCESS_CHANGED: lambda data: self.recheck(data["userId"]),
        }
        self._revoked: dict[str, float] = {}
        self._seen: Seen | None = None
        self._last_seen: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._left = asyncio.Event()
        self._presence_changed: Callable[[str], None] | None = None
        self._is_started = self._is_stopped = False
        self._callbacks = [
            PeriodicCallback(self._watch, watch_ms),
            PeriodicCallback(self._renew_leases, RENEW_SECONDS * 1000, jitter=0.1),
        ]

    async def start(self) -> None:
        """Connect to the other processes and begin to watch connections."""
        await self.broker.start(self._receive, self._broker_renewed)
        await self.broker.subscribe(CONTROL)
        self._is_started = True
        for callback in self._callbacks:
            callback.start()

    async def stop(self) -> None:
        """Close what is still open (1001) and hand on what was published."""
        for callback in self._callbacks:
            callback.stop()
        for connection in self.hub:
            connection.close(Close.GOING_AWAY)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        if self._last_seen and self._seen is not None:
            await logged(self._seen(sorted(self._last_seen)))
        self._is_stopped = True
        await self.broker.stop()

    # --- publishing -------------------------------------------------------------------------------------------------

    async def publish(self, events: Sequence[Event]) -> None:
        """Hand `events` to the broker, in order. Never raises and never waits for anybody."""
        packed = []
        for event in events:
            try:
                packed.append((event.channel, Publication.of(event).pack()))
            except TypeError:
                log.exception("event.not_json", type=event.type)
        self.broker.publish(packed)

    def listen(self, kind: str, listener: Listener) -> None:
        """Give `listener(channel, publication)` what comes on channels `<kind>:...`; it broadcasts or not."""
        self._listeners[kind] = listener

    def on_control(self, name: str, control: Control) -> None:
        """Call `control(data)` in every process, this one too, for control events of this name."""
        self._controls[name] = control

    def on_renewed(self, renewed: Callable[[list[str]], None]) -> None:
        """Call `renewed(channels)` when publications on these channels may have been lost."""
        self._renewed.append(renewed)

    def on_seen(self, seen: Seen) -> None:
        """Call `seen(user_ids)` for users that are here, every RENEW_SECONDS, and for one who has just left."""
        self._seen = seen

    def on_presence(self, changed: Callable[[str], None]) -> None:
        """Call `changed(user_id)` when a connection of a user has come or gone here, or says something else."""
        self._presence_changed = changed

    def every(self, milliseconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `work` again and again while the node runs, never twice at once."""
        callback = PeriodicCallback(lambda: logged(work()), milliseconds, jitter=0.1)
        self._callbacks.append(callback)
        if self._is_started:
            callback.start()

    def broadcast(self, channel: str, publication: Publication) -> int:
        """Give a publication to this process's subscribers; return how many took it."""
        if not self.hub.has(channel):
            return 0
        began = time.perf_counter()
        frame = frames.text_frame(publication.body)
        taken = self.hub.broadcast(channel, frame, ephemeral=publication.ephemeral)
        self.metrics.fanout_seconds.observe(time.perf_counter() - began)
        return taken

    def _receive(self, channel: str, payload: bytes) -> None:
        try:
            publication = unpack(payload)
            if channel == CONTROL:
                self._take_control(publication)
            else:
                self._listeners.get(channel.partition(":")[0], self.broadcast)(channel, publication)
        except Exception:
            # One publication that cannot be handled must not end the broker's reader.
            log.exception("publication.failed", channel=channel)

    def _take_control(self, publication: Publication) -> None:
        control = self._controls.get(publication.type)
        if control is None:
            log.warning("control.unknown", type=publication.type)  # of a newer version of this server
            return
        control(orjson.loads(publication.body)["data"])

    def _broker_renewed(self, channels: list[str]) -> None:
        for renewed in self._renewed:
            renewed(channels)

    # --- connections ------------------------------------------------------------------------------------------------

    async def subscribe(self, connection: Connection, channel: str) -> None:
        """Subscribe; when this returns, what is published from now on reaches the connection."""
        self.hub.subscribe(connection, channel)
        if self.hub.has(channel):
            await self.broker.subscribe(channel)

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        """Unsubscribe; nothing that comes later reaches the connection."""
        if self.hub.unsubscribe(connection, channel):
            self.broker.unsubscribe(channel)

    def joined(self, connection: Connection) -> None:
        """Note that a connection was authenticated."""
        self.metrics.connections.labels(connection.endpoint.name).inc()
        actor = connection.actor
        if actor is not None and actor.kind == "user":
            self.spawn(self.hold(Lease(actor.id, connection.id)))

    async def hold(self, lease: Lease) -> None:
        """Take or change a connection's lease."""
        await self.presence.hold(lease)
        if self._presence_changed is not None:
            self._presence_changed(lease.user_id)

    def gone(self, connection: Connection) -> None:
        """Forget a connection, however it ended."""
        for channel in self.hub.remove(connection):
            self.broker.unsubscribe(channel)
        if connection.actor is not None:
            self.metrics.connections.labels(connection.endpoint.name).dec()
            self.spawn(self._say_goodbye(connection))
        if not len(self.hub):
            self._left.set()

    async def _say_goodbye(self, connection: Connection) -> None:
        actor = connection.actor
        await connection.endpoint.left(connection)
        if actor is None or actor.kind != "user":
            return
        if await self.presence.drop(actor.id, connection.id):
            self._last_seen.add(actor.id)
        if self._presence_changed is not None:
            self._presence_changed(actor.id)

    def close_sessions(self, session_ids: Iterable[str]) -> None:
        """Close this process's connections of revoked sessions (4401)."""
        revoked = set(session_ids)
        self._note_revoked(revoked)
        for connection in self.hub:
            if connection.actor is not None and connection.actor.session_id in revoked:
                connection.close(Close.UNAUTHENTICATED)

    def verify_screen(self, screen_id: str) -> None:
        """Close this process's connections of a screen whose credential has ended (4401).

        The screen may have new hardware with a new credential by now, so each one's own is asked about.
        """
        self._note_revoked([screen_id])
        for connection in self.hub:
            actor = connection.actor
            if actor is not None and actor.kind == "screen" and actor.id == screen_id:
                self.spawn(self._insist(connection, connection.verify))

    def revoked_since(self, began: float, *ids: str) -> bool:
        """Tell whether one of these sessions or screens was revoked after `began` (monotonic seconds)."""
        return any(self._revoked.get(one, 0) >= began for one in ids)

    def recheck(self, user_id: str) -> None:
        """Look again at what a user's connections here may hear."""
        for connection in self.hub:
            if connection.actor is not None and connection.actor.id == user_id:
                self.spawn(self._insist(connection, partial(connection.endpoint.recheck, connection)))

    async def _insist(self, connection: Connection, look: Callable[[], Awaitable[None]]) -> None:
        """Look until the stores have answered: a right must not outlive its end because they were away just then."""
        while connection.code is None:
            with suppress(Problem):
                await look()
                break
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work` beside everything else; a failure is logged. A node that has stopped starts nothing more."""
        if self._is_stopped:
            work.close()
            return
        self._tasks.add(task := apart(logged(work)))
        task.add_done_callback(self._tasks.discard)

    async def drain(self, seconds: float) -> None:
        """Send all connections elsewhere, spread over `seconds`, and close those that stay (1012).

        Returns as soon as nobody is left. New connections are refused from now on (realtime/sockets.py).
        """
        self.draining = True
        spread = seconds * 800  # milliseconds: four fifths of the time, so that the last still goes by itself
        for connection in self.hub:
            after = random.randrange(int(spread) + 1)  # noqa: S311 - a spread, not a secret
            connection.push(frames.event_frame("reconnect", {"afterMs": after}))
        if len(self.hub):
            self._left.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._left.wait()
        for connection in self.hub:
            connection.close(Close.RESTART)

    def _note_revoked(self, ids: Iterable[str]) -> None:
        now = time.monotonic()
        kept = {one: at for one, at in self._revoked.items() if now - at < _REVOCATION_KEPT}
        self._revoked = kept | dict.fromkeys(ids, now)

    def _watch(self) -> None:
        if self._last_seen and self._seen is not None:
            gone, self._last_seen = sorted(self._last_seen), set()
            self.spawn(self._seen(gone))
        now = time.monotonic()
        for connection in self.hub:
            if connection.due <= now:
                connection.look(now)

    async def _renew_leases(self) -> None:
        await self.presence.renew()
        here = {c.actor.id for c in self.hub if c.actor is not None and c.actor.kind == "user"}
        if here and self._seen is not None:
            await logged(self._seen(sorted(here)))
