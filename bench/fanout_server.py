"""The two servers that bench/fanout.py measures: `python -m bench.fanout_server floor|marquee REDIS_URL`."""

import asyncio
import gc
import json
import resource
import sys
from typing import Any

import psutil
import uvloop
from tornado.httpserver import HTTPServer
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from core import logs
from core.breaker import Breaker, connect
from core.clock import Clock
from core.events import Event
from core.metrics import Metrics
from core.permissions import Actor
from core.settings import Rate, Settings
from core.tokens import Tokens
from handlers.application import Server
from handlers.door import Door
from realtime.endpoint import Endpoint
from realtime.node import Node
from realtime.presence import RedisPresence
from realtime.redis_broker import RedisBroker
from realtime.rules import Rules
from realtime.shared import Lobby, Shared
from realtime.sockets import SocketHandler

EVENT = {"screenId": "64f0c0ffee64f0c0ffee64f0", "status": "online", "reason": None, "lastSeenAt": "x" * 30}
CHANNEL = "workspace:64f0c0ffee64f0c0ffee64f1"


async def serve_floor() -> tuple[Any, Any]:
    """A handler as Tornado's documentation has it: every socket in a set, `write_message` in a loop."""

    everyone: set[WebSocketHandler] = set()

    class Bare(WebSocketHandler):
        def open(self) -> None:
            everyone.add(self)

        def on_close(self) -> None:
            everyone.discard(self)

    async def publish(count: int) -> None:
        for _ in range(count):
            message = json.dumps({"event": "screen.status", "channel": CHANNEL, "data": EVENT})
            for one in everyone:
                one.write_message(message)

    return Application([("/ws", Bare)]), publish


async def serve_marquee(redis_url: str) -> tuple[Any, Any]:
    """The realtime core with its Redis broker; tokens are verified, rights are not looked up."""

    clock, metrics, redis = Clock(), Metrics(), connect(redis_url)
    presence = RedisPresence(Breaker(redis, clock), "bench", metrics)
    node = Node(broker=RedisBroker(redis, "bench", metrics), presence=presence, clock=clock, metrics=metrics)
    await node.start()
    tokens = Tokens("bench" * 8)

    class Verified:
        async def admit(self, token: str, ip: str) -> Actor:
            claims = tokens.verify(token, clock.now())
            return Actor("user", claims.user_id, claims.session_id, expires_at=claims.expires_at, ip=ip)

        async def refreshed(self, actor: Actor) -> Actor:
            return actor

    class Watching(Endpoint):
        name = "dashboard"

        async def joined(self, connection: Any) -> None:
            await node.subscribe(connection, CHANNEL)

    shared = Shared(node, Verified(), clock, Rules(frames=Rate(10_000, 1)), Lobby(50))
    settings = Settings()
    door = Door(settings)

    async def publish(count: int) -> None:
        await node.publish([Event("screen.status", CHANNEL, EVENT)] * count)

    given = {"shared": shared, "endpoint": Watching(), "door": door}
    application = Application([("/ws", SocketHandler, given)], settings=settings)
    application.settings["bench_token"] = tokens.access("u" * 24, "s" * 24, clock.now())
    return application, publish


async def serve(kind: str, redis_url: str) -> None:
    """Serve, tell ports and token on standard output, and obey `publish N` and `usage` lines on a control port."""

    application, publish = await (serve_floor() if kind == "floor" else serve_marquee(redis_url))
    server = (HTTPServer if kind == "floor" else Server)(application)
    server.listen(0, "127.0.0.1")
    port = next(iter(server._sockets.values())).getsockname()[1]

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line.startswith(b"publish"):
                await publish(int(line.split()[1]))
                continue
            gc.collect()
            used = resource.getrusage(resource.RUSAGE_SELF)
            cpu, rss = used.ru_utime + used.ru_stime, psutil.Process().memory_info().rss
            writer.write(f"{cpu} {rss}\n".encode())

    controls = await asyncio.start_server(control, "127.0.0.1", 0)
    control_port = controls.sockets[0].getsockname()[1]
    print(port, control_port, application.settings.get("bench_token", ""), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    logs.configure("json", "warning")  # standard output is for the ports: nobody reads logs there
    uvloop.run(serve(*sys.argv[1:]))
