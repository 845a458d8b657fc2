"""What all connections of a process have in common, and whom they ask."""

from typing import TYPE_CHECKING, NamedTuple, Protocol

from core.clock import Clock
from core.limits import client_of
from core.permissions import Actor
from realtime.rules import Rules

if TYPE_CHECKING:
    from realtime.node import Node


class Gate(Protocol):
    """Says who holds a token (realtime/gate.py asks the models)."""

    async def admit(self, token: str, ip: str) -> Actor:
        """Return the actor, having counted one call as them.

        Raises Unauthenticated, RateLimited, or Unavailable when nobody can say.
        """

    async def is_good(self, token: str, ip: str) -> bool:
        """Tell whether a token that was admitted is good still. Raises Unavailable."""

    async def refreshed(self, actor: Actor) -> Actor:
        """Return a person with the rights that they have now. Raises Unauthenticated, Unavailable."""


class Transport(Protocol):
    """What ends a WebSocket; Tornado's handler is one."""

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Send a close frame behind what was written, and hang up when it is answered or 5 s have passed."""


class Lobby:
    """Counts the sockets that wait for their first frame, by IP address: they cost us and are nobody yet."""

    def __init__(self, most_per_ip: int) -> None:
        self._most = most_per_ip
        self._waiting: dict[str, int] = {}

    def is_full(self, ip: str) -> bool:
        """Tell whether another socket from `ip` is to be refused."""
        return self._waiting.get(client_of(ip), 0) >= self._most

    def enter(self, ip: str) -> None:
        """Count a socket that waits."""
        client = client_of(ip)
        self._waiting[client] = self._waiting.get(client, 0) + 1

    def leave(self, ip: str) -> None:
        """Count one less: it was authenticated, or is gone."""
        client = client_of(ip)
        left = self._waiting.get(client, 0) - 1
        if left > 0:
            self._waiting[client] = left
        else:
            self._waiting.pop(client, None)


class Shared(NamedTuple):
    """Made once a process, by whoever composes it."""

    node: "Node"
    gate: Gate
    clock: Clock
    rules: Rules
    lobby: Lobby
