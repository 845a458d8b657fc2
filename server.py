"""The composition root and the command line: settings -> clients -> stores -> node -> jobs -> application.

Things start in that order and stop in reverse. No logic lives here; `Marquee` is one process of the server.
"""

import argparse
import asyncio
import os
import signal
import sys

import uvloop
from dotenv import dotenv_values

from core import breaker, garbage, logs
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
from deploy.embedded import EmbeddedStoresError
from deploy.launch import completed, greeting
from handlers import application
from handlers.base import Edge
from handlers.door import Door
from handlers.leaving import answered
from jobs import schedule
from models import base, client, indexes
from models.health import Health
from models.storage.opening import open_storage
from models.stores import Stores
from realtime import routes
from realtime.gate import AccessGate
from realtime.node import Node
from realtime.presence import RedisPresence
from realtime.redis_broker import RedisBroker


class Marquee:
    """One process of the server, from `start` to `stop`. `settings` are complete: stores and secrets are there."""

    def __init__(self, settings: Settings, clock: Clock | None = None, *, password_cost: int = COST) -> None:
        """Make everything; nothing is connected yet."""
        self.settings = settings
        self.clock = clock or Clock()
        self.metrics = Metrics()
        self.mongo = client.connect(settings.mongodb_url or "")
        self.redis = breaker.Breaker(breaker.connect(settings.redis_url or ""), self.clock, metrics=self.metrics)
        self.limits = Limits(self.redis, settings.redis_prefix, settings, self.clock)
        self.passwords = Passwords(settings.password_pepper, cost=password_cost)
        self.metrics.password_hashes_waiting.set_function(lambda: self.passwords.waiting)
        presence = RedisPresence(self.redis, settings.redis_prefix, self.metrics)
        broker = RedisBroker(self.redis.client, settings.redis_prefix, self.metrics)
        self.node = Node(broker=broker, presence=presence, clock=self.clock, metrics=self.metrics)
        database, events = settings.mongodb_database, self.node
        self.ground = base.Ground(
            self.mongo, database, self.redis, self.limits, self.clock, events, settings, self.metrics
        )
        self.stores = Stores(
            self.ground,
            tokens=Tokens(settings.secret_key, settings.secret_key_previous),
            passwords=self.passwords,
            presence=presence,
            mailer=SmtpMailer(settings.smtp_url, settings.mail_from, self.metrics),
            storage=open_storage(settings, Signatures(settings.secret_key, settings.secret_key_previous)),
        )
        self.node.on_seen(self.stores.users.seen)
        self.health = Health(self.ground)
        self.jobs = schedule.build(self.ground, self.stores, self.health, self.node)
        self.edge = Edge(self.stores, self.stores.access, settings, self.limits, self.metrics, self.clock, self.health)
        self.port = settings.port

    def sockets(self) -> list[routes.Route]:
        """Return the routes of the WebSockets."""
        gate = AccessGate(self.stores.access, self.limits)
        return routes.build(self.node, gate, self.ground, self.stores, door=Door(self.settings))

    async def start(self) -> None:
        """Build the indexes, connect, and listen; `port` is then the one that was bound."""
        await indexes.ensure(self.mongo, self.settings)
        await self.node.start()
        await self.stores.general.ensure()
        await self.jobs.start()
        app = application.build(self.edge, self.settings, self.sockets())
        self.http = application.listen(app, self.settings.port, self.settings.host)
        self.port = application.bound_port(self.http)

    async def stop(self, drain: float = 0) -> None:
        """Send connections elsewhere for up to `drain` seconds, then close everything in reverse order."""
        self.health.draining = True
        await self.node.drain(drain)
        self.http.stop()
        await answered(self.metrics)
        await self.jobs.stop()
        await self.stores.stop()
        await self.node.stop()
        await self.http.close_all_connections()
        self.passwords.close()
        await self.redis.client.aclose()
        client.close(self.mongo)


async def serve(settings: Settings, _asked: argparse.Namespace) -> None:
    """Run until SIGINT or SIGTERM."""
    marquee = Marquee(settings)
    await marquee.start()
    garbage.settle(marquee.metrics)
    print(greeting(settings, marquee.port), flush=True)
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    await ended.wait()
    await marquee.stop(settings.drain_seconds if settings.production else 0)


async def command(settings: Settings, asked: argparse.Namespace) -> None:
    """Run one of the commands of deploy/commands.py."""
    marquee = Marquee(settings)
    await indexes.ensure(marquee.mongo, settings)
    print(await commands.run(asked, marquee.stores, marquee.health))


async def run(settings: Settings, asked: argparse.Namespace) -> None:
    """Serve, or run a command."""
    async with completed(settings, beside=bool(asked.command)) as complete:
        await (command if asked.command else serve)(complete, asked)


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
    except KeyboardInterrupt:
        return 130  # Ctrl-C before it served; its stores have ended already
    return 0


if __name__ == "__main__":
    sys.exit(main())
