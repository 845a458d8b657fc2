"""What the chat's benchmarks run on: one MongoDB, one Redis, and on them Marquee and its peer, filled alike.

MongoDB is a replica set of one with its journal on disk. Marquee has everything on: authentication, rate limits
(raised), metrics, logs to a file. Both sides run all the time; whoever is not measured just now rests.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psutil

from bench.chat_dialects import DIALECTS, Dialect
from bench.chat_fill import Filled, fill
from bench.ports import free_port
from deploy.embedded import EmbeddedStores

ROOT = Path(__file__).parents[1]
PEER = Path(__file__).parent / "peers" / "express-socketio"
NAMES = ("marquee", "express-socketio")
_RATES = ("ANONYMOUS", "LOGIN", "USER", "MESSAGES", "FRAMES")
_START_SECONDS = 60


@dataclass
class Server:
    """One server process on a port of its own."""

    command: list[str]
    environ: dict[str, str]
    directory: Path
    log: Path
    health: str
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        environ = {**self.environ, "MARQUEE_PORT": str(self.port), "PEER_PORT": str(self.port)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.directory, env=environ, stdout=log, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.health}", timeout=2):
                    return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(f"a server did not start: see {self.log}")

    def usage(self) -> tuple[float, int]:
        """Return the CPU seconds that it has used, and its resident bytes."""
        assert self.process is not None
        seen = psutil.Process(self.process.pid)
        times = seen.cpu_times()
        return times.user + times.system, seen.memory_info().rss

    def stop(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class Side:
    """One of the two that are measured."""

    name: str
    servers: list[Server]
    tokens: list[str] = field(default_factory=list)  # of everybody
    rooms: list[str] = field(default_factory=list)  # ids; the first is that of `general`

    @property
    def dialect(self) -> Dialect:
        """How it is spoken to."""
        return DIALECTS[self.name]

    @property
    def ports(self) -> list[int]:
        """The ports of its processes."""
        return [server.port for server in self.servers]

    def cpu(self) -> float:
        """Return the CPU seconds of all its processes."""
        return sum(server.usage()[0] for server in self.servers)


class ChatSite:
    """Everything, as a context: `with ChatSite(what, processes=2) as sides`."""

    def __init__(
        self,
        wanted: Filled,
        *,
        processes: int = 1,
        names: tuple[str, ...] = NAMES,
        command: list[str] | None = None,
    ) -> None:
        """`command` starts one process of Marquee; another one than `server.py` shows what a change of it is worth."""
        self._command = command or [sys.executable, "server.py"]
        self._wanted, self._processes, self._names = wanted, processes, names
        self._kept = tempfile.TemporaryDirectory(prefix="marquee-bench-", ignore_cleanup_errors=True)
        self.directory = Path(self._kept.name)
        self._stores = EmbeddedStores(self.directory)
        self.sides: list[Side] = []

    def __enter__(self) -> list[Side]:
        try:
            urls = self._stores.start_sync()
            makes = {"marquee": self._marquee, "express-socketio": self._peer}
            for name in self._names:
                side = Side(name, makes[name](urls.mongodb, urls.redis))
                self.sides.append(side)
                for server in side.servers:
                    server.start()  # one after the other: the first one builds the indexes
                side.tokens, side.rooms = fill(name, self._wanted, side.servers[0].port, side.servers[0].environ)
            return self.sides
        except BaseException:
            self._end()
            raise

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        for side in self.sides:
            for server in side.servers:
                server.stop()
        self._stores.stop_sync()
        self._kept.cleanup()

    def _marquee(self, mongodb: str, redis: str) -> list[Server]:
        environ = _clean() | {f"MARQUEE_RATE_{name}": "10000000/1m" for name in _RATES}
        environ |= {
            "MARQUEE_MONGODB_URL": mongodb,
            "MARQUEE_REDIS_URL": redis,
            "MARQUEE_DATA_DIR": str(self.directory / "marquee"),
            "MARQUEE_SECRET_KEY": secrets.token_urlsafe(32),
            "MARQUEE_PASSWORD_PEPPER": secrets.token_urlsafe(32),
            "MARQUEE_REGISTRATION": "open",
            "MARQUEE_LOG_FORMAT": "json",
        }
        return self._servers(self._command, environ, ROOT, "/readyz")

    def _peer(self, mongodb: str, redis: str) -> list[Server]:
        environ = _clean() | {
            "NODE_ENV": "production",
            "PEER_MONGODB_URL": mongodb,
            "PEER_REDIS_URL": redis,
            "PEER_JWT_SECRET": secrets.token_urlsafe(32),
        }
        return self._servers(["node", "--expose-gc", "app.js"], environ, PEER, "/healthz")

    def _servers(self, command: list[str], environ: dict[str, str], directory: Path, health: str) -> list[Server]:
        logs = [self.directory / f"{directory.name}-{number}.log" for number in range(self._processes)]
        return [Server(command, environ, directory, log, health) for log in logs]


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("MARQUEE_", "PEER_"))}
