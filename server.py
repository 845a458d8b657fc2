"""The composition root and the command line: settings -> clients -> stores -> node -> jobs -> application.

Things start in that order and stop in reverse. No logic lives here; `Marquee` is one process of the server.
"""

import argparse
import asyncio
import os
import signal
import sys
from dataclasses import replace
from typing import Any

import uvloop
from dotenv import dotenv_values

from core import breaker, logs
from core.clock import Clock
from core.errors import Problem
from core.limits import Limits
from core.mail import SmtpMailer
from core.metrics import Metrics
from core.passwords import COST, Passwords
from core.settings import Settings, SettingsError
from core.signatures import Signatures
from core.tokens import Tokens
from deploy import commands
from deploy.embedded import EmbeddedStores, EmbeddedStoresError, Urls, ensure_secret, running_stores
from handlers import application, headers, requests
from handlers.base import Edge
from models import base, indexes
from models.health import Health
from models.storage import open_storage
from models.stores import Stores
from realtime.dashboard import DashboardEndpoint
from realtime.endpoint import Endpoint
from realtime.gate import AccessGate
from realtime.node import Node
from realtime.presence import RedisPresence
from realtime.redis_broker import RedisBroker
from realtime.rules import Rules
from realtime.screens import ScreenEndpoint
from realtime.shared import Lobby, Shared
from realtime.sockets import Door, SocketHandler


class Marquee:
    """One process of the server, from `start` to `stop`. `settings` are complete: stores and secrets are there."""

    def __init__(self, settings: Settings, clock: Clock | None = None, *, password_cost: int = COST) -> None:
        """Make everything; nothing is connected yet."""
        self.settings = settings
        self.clock = clock or Clock()
        self.metrics = Metrics()
        self.mongo = base.connect(settings.mongodb_url or "")
        self.redis = breaker.Breaker(breaker.connect(settings.redis_url or ""), self.clock)
        self.limits = Limits(self.redis, settings.redis_prefix, settings, self.clock)
        self.passwords = Passwords(settings.password_pepper, cost=password_cost)
        presence = RedisPresence(self.redis, settings.redis_prefix, self.metrics)
        broker = RedisBroker(self.redis.client, settings.redis_prefix, self.metrics)
        self.node = Node(broker=broker, presence=presence, clock=self.clock, metrics=self.metrics)
        self.ground = base.Ground(
            self.mongo,
            settings.mongodb_database,
            self.redis,
            self.limits,
            self.clock,
            self.node,
            settings,
            self.metrics,
        )
        self.stores = Stores(
            self.ground,
            tokens=Tokens(settings.secret_key, settings.secret_key_previous),
            passwords=self.passwords,
            presence=presence,
            mailer=SmtpMailer(settings.smtp_url, settings.mail_from, self.metrics),
            storage=open_storage(settings, Signatures(settings.secret_key, settings.secret_key_previous)),
        )
        self.health = Health(self.ground)
        self.edge = Edge(
            self.stores, self.stores.access, settings, self.limits, self.metrics, self.clock, self.health.ready
        )
        self.port = settings.port

    def sockets(self) -> list[tuple[str, type[Any], dict[str, Any]]]:
        """Return the routes of the WebSockets."""
        rules = Rules(frames=self.settings.rate_frames)
        gate = AccessGate(self.stores.access, self.limits)
        shared = Shared(self.node, gate, self.clock, rules, Lobby(rules.unauthenticated_per_ip))
        screens = ScreenEndpoint(
            self.node,
            self.stores.beats,
            self.stores.commands,
            beat_seconds=self.settings.screen_heartbeat_seconds,
        )
        endpoints: dict[str, Endpoint] = {"/ws/dashboard": DashboardEndpoint(shared), "/ws/screen": screens}
        given = {"shared": shared, "door": self.door()}
        return [(route, SocketHandler, {**given, "endpoint": endpoint}) for route, endpoint in endpoints.items()]

    def door(self) -> Door:
        """Return the gateway's rules for a WebSocket's handshake: the same address, token and origin as for REST."""
        return Door(
            ip=lambda request: requests.client_ip(request, self.settings.trusted_proxies),
            token=requests.bearer,
            request_id=requests.request_id,
            knows_origin=lambda origin, host: headers.origin_is_known(origin, host, self.settings),
            protect=lambda handler: headers.protect(handler, self.settings, page=False),
        )

    async def start(self) -> None:
        """Build the indexes, connect, and listen; `port` is then the one that was bound."""
        await indexes.ensure(self.mongo, self.settings.mongodb_database)
        await self.node.start()
        app = application.build(self.edge, self.settings, self.sockets())
        self.http = application.listen(app, self.settings.port, self.settings.host)
        self.port = application.bound_port(self.http)

    async def stop(self, drain: float = 0) -> None:
        """Send connections elsewhere for up to `drain` seconds, then close everything in reverse order."""
        self.health.draining = True
        await self.node.drain(drain)
        self.http.stop()
        await self.node.stop()
        await self.http.close_all_connections()
        self.passwords.close()
        await self.redis.client.aclose()
        self.mongo.close()


def complete(settings: Settings, urls: Urls | None) -> Settings:
    """Return `settings` with the embedded stores' URLs, and with secrets made in the data directory where missing."""
    if urls is not None:
        settings = replace(settings, mongodb_url=urls.mongodb, redis_url=urls.redis)
    kept = settings.data_dir / "secrets"
    return replace(
        settings,
        secret_key=settings.secret_key or ensure_secret(kept / "secret_key"),
        password_pepper=settings.password_pepper or ensure_secret(kept / "password_pepper"),
    )


async def serve(settings: Settings, _asked: argparse.Namespace) -> None:
    """Run until SIGINT or SIGTERM."""
    marquee = Marquee(settings)
    await marquee.start()
    print(f"Marquee is on http://{settings.host}:{marquee.port}", flush=True)
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    await ended.wait()
    await marquee.stop(settings.drain_seconds if settings.production else 0)


async def command(settings: Settings, asked: argparse.Namespace) -> None:
    """Run one of the commands of deploy/commands.py."""
    marquee = Marquee(settings)
    await indexes.ensure(marquee.mongo, settings.mongodb_database)
    print(await commands.run(asked, marquee.stores, marquee.health))


async def run(settings: Settings, asked: argparse.Namespace) -> None:
    """Serve or run a command, on stores of our own where none are set: those of a running server, where one runs."""
    urls = running_stores(settings.data_dir) if settings.mongodb_url is None and asked.command else None
    embedded = EmbeddedStores(settings.data_dir) if settings.mongodb_url is None and urls is None else None
    try:
        urls = await embedded.start() if embedded else urls
        await (command if asked.command else serve)(complete(settings, urls), asked)
    finally:
        if embedded:
            await embedded.stop()


def main() -> int:
    """Read the command line and the settings, and run; return the exit status."""
    asked = commands.parser().parse_args()
    try:
        settings = Settings.read({**{k: v or "" for k, v in dotenv_values(".env").items()}, **os.environ})
        logs.configure(settings.log_format, settings.log_level)
        uvloop.run(run(settings, asked))
    except (SettingsError, EmbeddedStoresError, Problem) as e:
        print(getattr(e, "detail", e), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
