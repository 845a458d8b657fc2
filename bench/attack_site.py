"""Server processes on stores that may be hurt: what bench/attack.py and bench/soak.py run against."""

import os
import secrets
import shutil
import sys
from pathlib import Path
from urllib.parse import urlencode

import psutil

from bench.attack_stores import MongoDB, Redis, SlowWay
from bench.delivery_site import Process

# Out of the way, but for the limit on logins, which an attack holds to be one.
RATES = ("ANONYMOUS", "USER", "SCREEN", "MESSAGES", "PAIRING")
FRAMES = 300  # in 10 s from one socket: above what a writer sends, and below a flood


class Site:
    """A replica set of `mongods`, a Redis and `count` server processes under `directory`, from `start` to `stop`.

    With `slow_ways` the servers reach both stores through proxies of ours. `settings` are further settings of the
    servers, without their MARQUEE_.
    """

    def __init__(
        self, directory: Path, *, count: int = 2, mongods: int = 1, slow_ways: bool = False, **settings: str
    ) -> None:
        self._directory, self._count, self._settings = directory, count, settings
        self.mongodb = MongoDB(directory, mongods)
        self.redis = Redis(directory)
        self.ways = [SlowWay(self.mongodb.members[0].port), SlowWay(self.redis.port)] if slow_ways else []
        self.processes: list[Process] = []

    def start(self) -> None:
        """Start everything; returns when all processes are ready."""
        self.mongodb.start()
        self.redis.start()
        for way in self.ways:
            way.start()
        environ = self._environ()
        for number in range(self._count):
            process = Process([sys.executable, "server.py"], environ, self._directory / f"server-{number}.log")
            self.processes.append(process)
            process.start()
            process.wait()  # the first one builds the indexes

    def stop(self) -> None:
        """End everything, whatever state the faults have left it in."""
        for process in self.processes:
            process.kill()
        self.redis.kill()
        self.mongodb.stop()
        for way in self.ways:
            way.stop()
        for member in self._directory.glob("mongod-*"):
            shutil.rmtree(member, ignore_errors=True)  # the logs beside them stay

    @property
    def ports(self) -> list[int]:
        """The ports of the server processes."""
        return [process.port for process in self.processes]

    def size(self, number: int) -> tuple[int, int]:
        """Return a running server process's resident bytes and open descriptors."""
        seen = psutil.Process(self.processes[number].pid)
        return int(seen.memory_info().rss), int(seen.num_fds())

    def _environ(self) -> dict[str, str]:
        mongodb, redis = self.mongodb.url, self.redis.port
        if self.ways:
            mongodb = f"mongodb://127.0.0.1:{self.ways[0].port}/?{urlencode({'directConnection': 'true'})}"
            redis = self.ways[1].port
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("MARQUEE_")},
            **{f"MARQUEE_RATE_{name}": "10000000/1m" for name in RATES},
            "MARQUEE_RATE_FRAMES": f"{FRAMES}/10s",
            "MARQUEE_MONGODB_URL": mongodb,
            "MARQUEE_REDIS_URL": f"redis://127.0.0.1:{redis}/0",
            "MARQUEE_DATA_DIR": str(self._directory / "data"),
            "MARQUEE_SECRET_KEY": secrets.token_urlsafe(32),
            "MARQUEE_PASSWORD_PEPPER": secrets.token_urlsafe(32),
            "MARQUEE_REGISTRATION": "open",
            "MARQUEE_LOG_LEVEL": "info",
            **{f"MARQUEE_{name.upper()}": value for name, value in self._settings.items()},
        }
