"""A process's worth of sockets beside a test's server: its own node and rules, the same stores and Redis."""

from types import SimpleNamespace

from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from core.breaker import Breaker, connect
from core.events import Event, workspace_channel
from core.metrics import Metrics
from handlers.door import Door
from realtime.dashboard import DashboardEndpoint
from realtime.gate import AccessGate
from realtime.node import Node
from realtime.presence import RedisPresence
from realtime.redis_broker import RedisBroker
from realtime.rules import Rules
from realtime.shared import Lobby, Shared
from realtime.sockets import SocketHandler
from tests.realtime.wire import Wire

FRAME = 200  # bytes, about, of an event as `publish` makes it


class Hall:
    def __init__(self, marquee, rules=None, *, watch_ms=50, redis_url=None):
        settings = marquee.settings
        self.metrics = Metrics()
        self.rules = rules or Rules()
        self._redis = connect(redis_url or settings.redis_url)
        presence = RedisPresence(Breaker(self._redis, marquee.clock), settings.redis_prefix, self.metrics)
        broker = RedisBroker(self._redis, settings.redis_prefix, self.metrics)
        self.node = Node(broker=broker, presence=presence, clock=marquee.clock, metrics=self.metrics, watch_ms=watch_ms)
        gate = AccessGate(marquee.stores.access, marquee.limits)
        lobby = Lobby(self.rules.unauthenticated_per_ip)
        self.shared = Shared(self.node, gate, marquee.clock, self.rules, lobby)
        given = {"shared": self.shared, "door": Door(settings)}
        self._routes = [("/ws/dashboard", SocketHandler, {**given, "endpoint": DashboardEndpoint(self.shared)})]

    async def start(self):
        await self.node.start()
        listening, self.port = bind_unused_port()
        self._server = HTTPServer(Application(self._routes))
        self._server.add_socket(listening)

    async def stop(self):
        self._server.stop()
        await self.node.stop()
        await self._server.close_all_connections()
        await self._redis.aclose()

    async def open(self, person=None, **options):
        """Open a raw dashboard connection; with `person` it has heard its hello."""
        wire = await Wire.open(self.port, "/ws/dashboard", person and person.token, **options)
        if person is not None:
            hello = await wire.read()
            assert hello["event"] == "hello"
            wire.hello = hello["data"]
        return wire

    async def watching(self, person, workspace, **options):
        """Open a raw connection that watches `workspace`."""
        wire = await self.open(person, **options)
        await wire.send({"id": "watch", "type": "subscribe", "data": {"workspaceId": workspace}})
        assert (await wire.read())["reply"] == "watch"
        return wire

    async def publish(self, workspace, number, *, padding=0, ephemeral=False):
        data = {"number": number, "padding": "x" * (padding or 100)}
        await self.node.publish([Event("screen.status", workspace_channel(workspace), data, ephemeral=ephemeral)])

    def counted(self, name):
        """Return a counter's or gauge's value by its attribute in Metrics."""
        return SimpleNamespace(metric=getattr(self.metrics, name)).metric._value.get()
