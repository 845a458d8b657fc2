"""The socket addresses of a process, with what all its connections share."""

from typing import Any

from core.settings import Settings
from realtime.dashboard import DashboardEndpoint
from realtime.endpoint import Endpoint
from realtime.node import Node
from realtime.rules import Rules
from realtime.screens import Beats, Orders, ScreenEndpoint
from realtime.shared import Gate, Lobby, Shared
from realtime.sockets import Door, SocketHandler

Route = tuple[str, type[SocketHandler], dict[str, Any]]


def build(node: Node, gate: Gate, settings: Settings, *, door: Door, beats: Beats, orders: Orders) -> list[Route]:
    """Return pattern, handler and the handler's arguments of every socket address."""
    rules = Rules(frames=settings.rate_frames)
    shared = Shared(node, gate, node.clock, rules, Lobby(rules.unauthenticated_per_ip))
    endpoints: dict[str, Endpoint] = {
        "/ws/dashboard": DashboardEndpoint(shared),
        "/ws/screen": ScreenEndpoint(node, beats, orders, beat_seconds=settings.screen_heartbeat_seconds),
    }
    given = {"shared": shared, "door": door}
    return [(route, SocketHandler, {**given, "endpoint": endpoint}) for route, endpoint in endpoints.items()]
