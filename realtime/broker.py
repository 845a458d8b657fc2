"""Carries publications between the server's processes: the protocol, and the broker of a single process.

Every publish goes through a broker, even to a subscriber of the same process, so that all subscribers see
one order. When the way between processes is broken, it is the broker that decides to hand a publication
straight back to its own process: publishers need not know, and local subscribers go on hearing what
happens here. What others miss meanwhile is healed by documents (the design's "Redis only rings the bell"):
`renewed` names the channels that must be looked at again. A broken way can deliver twice, never out of
thin air: hints are idempotent and a room's log is filtered by offset.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from core.metrics import Metrics

Receive = Callable[[str, bytes], None]
Renewed = Callable[[list[str]], None]


class Broker(Protocol):
    """At most once to each subscriber while the way holds; in one process's order on each channel."""

    @property
    def up(self) -> bool:
        """Whether publications reach other processes, and theirs us."""

    async def start(self, receive: Receive, renewed: Renewed) -> None:
        """Begin. `receive(channel, payload)` gets what is published on subscribed channels and must not block.

        `renewed(channels)` is called when a subscription was confirmed again: publications on them may be lost.
        """

    async def stop(self) -> None:
        """Hand on what was accepted, as far as that goes quickly, and end."""

    def publish(self, publications: Sequence[tuple[str, bytes]]) -> None:
        """Accept `(channel, payload)` pairs, to be handed on in order. Never raises, never waits."""

    async def subscribe(self, channel: str) -> None:
        """Subscribe, and return once it is certain that what is published from now on arrives.

        While the broker is down, or does not confirm within two seconds, it returns all the same; then
        `renewed` follows when the subscription stands. Subscribing twice waits for the same confirmation.
        """

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe; what is under way may still arrive."""


class Wire:
    """What connects the MemoryBrokers of one process: a test's two nodes, or a server's one."""

    def __init__(self) -> None:
        self.brokers: list[MemoryBroker] = []


class MemoryBroker:
    """A broker for nodes of one process, with the same guarantees as the Redis one: they pass the same tests."""

    up = True

    def __init__(self, metrics: Metrics, wire: Wire | None = None) -> None:
        self._metrics = metrics
        self._wire = wire or Wire()
        self._channels: set[str] = set()
        self._waiting: list[tuple[str, bytes]] = []
        self._receive: Receive | None = None

    async def start(self, receive: Receive, renewed: Renewed) -> None:
        """Join the wire. Nothing is ever lost on it, so `renewed` is never called."""
        self._receive = receive
        self._wire.brokers.append(self)
        self._metrics.broker_up.set(1)

    async def stop(self) -> None:
        """Deliver what waits and leave the wire."""
        self._deliver()
        self._wire.brokers.remove(self)
        self._receive = None

    def publish(self, publications: Sequence[tuple[str, bytes]]) -> None:
        """Deliver in the loop's next turn: a subscriber never runs inside its publisher's call."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._deliver)
        self._waiting.extend(publications)

    async def subscribe(self, channel: str) -> None:
        """Subscribe, at once."""
        self._channels.add(channel)

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe, at once."""
        self._channels.discard(channel)

    def _deliver(self) -> None:
        publications, self._waiting = self._waiting, []
        for channel, payload in publications:
            for broker in self._wire.brokers:
                if channel in broker._channels and broker._receive is not None:
                    broker._receive(channel, payload)
        self._metrics.publications.labels("memory").inc(len(publications))
