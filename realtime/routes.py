"""The socket addresses of a process, with what all its connections share."""

from typing import Any

from models.base import Ground
from models.stores import Stores
from realtime.chat import ChatEndpoint
from realtime.dashboard import DashboardEndpoint
from realtime.endpoint import Endpoint
from realtime.node import Node
from realtime.presence_news import PresenceNews
from realtime.presence_told import Told
from realtime.rooms import Rooms
from realtime.rules import Rules
from realtime.screens import ScreenEndpoint
from realtime.shared import Gate, Lobby, Shared
from realtime.sockets import Door, SocketHandler

Route = tuple[str, type[SocketHandler], dict[str, Any]]


def build(node: Node, gate: Gate, ground: Ground, stores: Stores, *, door: Door) -> list[Route]:
    """Return pattern, handler and the handler's arguments of every socket address."""
    settings = ground.settings
    rules = Rules(frames=settings.rate_frames)
    shared = Shared(node, gate, node.clock, rules, Lobby(rules.unauthenticated_per_ip))
    news = PresenceNews(node, stores.room_feed, Told(ground.redis, settings.redis_prefix))
    beat = settings.screen_heartbeat_seconds
    endpoints: dict[str, Endpoint] = {
        "/ws/dashboard": DashboardEndpoint(shared),
        "/ws/screen": ScreenEndpoint(node, stores.beats, stores.commands, beat_seconds=beat),
        "/ws/chat": ChatEndpoint(node, gate, stores, news, Rooms(node, stores.room_feed)),
    }
    given = {"shared": shared, "door": door}
    return [(route, SocketHandler, {**given, "endpoint": endpoint}) for route, endpoint in endpoints.items()]
