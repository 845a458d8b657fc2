"""The connections of this process, by channel. Synchronous, and knows neither Redis nor what an event means.

Usually you want `Node.publish`: what is broadcast here reaches this process only.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from core.metrics import Metrics

if TYPE_CHECKING:
    from realtime.connection import Connection


class Hub:
    """Who listens to what. A connection is added once, then subscribes to channels, then is removed.

    Frames broadcast on a channel reach each of its connections in the order of the broadcasts: they are
    queued here, at once, and written out by the connections' Writer, which yields to the loop.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._channels: dict[str, set[Connection]] = {}
        self._connections: dict[Connection, tuple[str, ...]] = {}
        self._metrics = metrics

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> "Iterator[Connection]":
        """Iterate over the connections as they are now; the hub may change meanwhile."""
        return iter(list(self._connections))

    def add(self, connection: "Connection") -> None:
        """Take up a connection, without channels."""
        self._connections.setdefault(connection, ())

    def remove(self, connection: "Connection") -> list[str]:
        """Forget a connection and its subscriptions; return the channels that nobody here listens to any more."""
        channels = self._connections.pop(connection, ())
        return [channel for channel in channels if self._leave(connection, channel)]

    def subscribe(self, connection: "Connection", channel: str) -> bool:
        """Subscribe; return whether this is the channel's first subscriber here. Ignores a removed connection."""
        channels = self._connections.get(connection)
        if channels is None or channel in channels:
            return False
        self._connections[connection] = (*channels, channel)
        listeners = self._channels.get(channel)
        if listeners is None:
            self._channels[channel] = {connection}
            return True
        listeners.add(connection)
        return False

    def unsubscribe(self, connection: "Connection", channel: str) -> bool:
        """Unsubscribe; return whether it was the channel's last subscriber here."""
        channels = self._connections.get(connection, ())
        if channel not in channels:
            return False
        self._connections[connection] = tuple(c for c in channels if c != channel)
        return self._leave(connection, channel)

    def channels_of(self, connection: "Connection") -> tuple[str, ...]:
        """Return what a connection is subscribed to."""
        return self._connections.get(connection, ())

    def listeners(self, channel: str) -> "list[Connection]":
        """Return the channel's connections as they are now."""
        return list(self._channels.get(channel, ()))

    def has(self, channel: str) -> bool:
        """Tell whether anybody here listens to `channel`."""
        return channel in self._channels

    def broadcast(self, channel: str, frame: bytes, *, ephemeral: bool = False) -> int:
        """Queue one finished frame for all who listen to `channel`; return how many took it.

        A connection that refuses or overflows ends alone: the others never notice.
        """
        return self.send(self._channels.get(channel, ()), frame, ephemeral=ephemeral)

    def send(self, connections: "Iterable[Connection]", frame: bytes, *, ephemeral: bool = False) -> int:
        """Queue one finished frame for each of `connections`; return how many took it."""
        # A list, because a connection that overflows leaves the hub while we go through it.
        taken = sum([connection.push(frame, ephemeral) for connection in list(connections)])
        if taken:
            self._metrics.deliveries.inc(taken)
        return taken

    def _leave(self, connection: "Connection", channel: str) -> bool:
        listeners = self._channels[channel]
        listeners.discard(connection)
        if listeners:
            return False
        del self._channels[channel]
        return True
