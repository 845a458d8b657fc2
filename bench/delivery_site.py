"""Server processes on one set of stores, which may be killed, stopped and started again on their ports."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from bench import signals
from bench.ports import free_port
from deploy.embedded import EmbeddedStores

if TYPE_CHECKING:
    from bench.attack_stores import MongoDB

ROOT = Path(__file__).parents[1]
_START_SECONDS = 60
_RATES = ("ANONYMOUS", "LOGIN", "USER", "SCREEN", "MESSAGES", "FRAMES")


class Redis:
    """A redis-server that keeps nothing: every start is an empty one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = shutil.which("redis-server") or "redis-server"
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, cwd=self._directory, stdout=subprocess.DEVNULL)
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                    probe.sendall(b"PING\r\n")
                    if probe.recv(7) == b"+PONG\r\n":
                        return
            except OSError:
                time.sleep(0.02)
        raise TimeoutError("redis-server did not start")

    def cut(self) -> None:
        """Hang up on everybody who listens to channels."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as asking:
            asking.sendall(b"CLIENT KILL TYPE pubsub\r\n")
            answer = asking.recv(100)
        if not answer.startswith(b":"):
            raise RuntimeError(f"Redis did not hang up on its listeners: {answer!r}")

    def kill(self) -> None:
        """End it at once, with all that it held."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Process:
    """One process of the server, always on the same port."""

    def __init__(self, command: list[str], environ: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self._command, self._log = command, log
        self._environ = {**environ, "MARQUEE_PORT": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; `wait` for its answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environ, stdout=log, stderr=subprocess.STDOUT
            )

    def wait(self) -> None:
        """Wait until it is ready. Raises TimeoutError, and RuntimeError when it has ended instead."""
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"a server process ended by itself: {self._log.read_text()[-2000:]}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2):
                    return
            except urllib.error.HTTPError as answer:
                answer.close()
                time.sleep(0.05)
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(f"a server process did not start: {self._log.read_text()[-2000:]}")

    @property
    def pid(self) -> int:
        """The process's id while it runs."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send it a signal; a stop is waited for."""
        if self._process is not None:
            signals.send(self._process, number)

    def metrics(self) -> str:
        """Return its page of metrics, nothing while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as page:
                return str(page.read().decode())
        except OSError:
            return ""

    def kill(self) -> None:
        """End it as `kill -9` does, stopped or not."""
        if self._process is not None:
            signals.send(self._process, signal.SIGKILL)
            self._process = None


def value_of(page: str, name: str) -> float:
    """Return what a page of metrics says of one without labels, 0 where it says nothing."""
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(f"{name} "))


class Site:
    """MongoDB, Redis and `count` server processes under `directory`, from `start` to `stop`."""

    def __init__(
        self, directory: Path, count: int, command: list[str] | None = None, mongodb: "MongoDB | None" = None
    ) -> None:
        """`command` starts one process of the server; another one than `server.py` is for planted bugs.

        `mongodb` is a replica set whose members may be killed, not started yet; without one there is a mongod that
        nothing happens to.
        """
        self._stores = EmbeddedStores(directory, redis=False, volatile=True)
        self._directory, self._count = directory, count
        self._command = command or [sys.executable, "server.py"]
        self.mongodb = mongodb
        self.redis = Redis(directory)
        self.processes: list[Process] = []

    def start(self, redis_port: int | None = None) -> None:
        """Start everything; returns when all processes are ready. `redis_port` is the way to Redis, if not its own."""
        self.redis.start()
        environ = self._environ(self._start_mongodb(), redis_port or self.redis.port)
        logs = [self._directory / f"server-{number}.log" for number in range(self._count)]
        self.processes = [Process(self._command, environ, log) for log in logs]
        for process in self.processes[:1]:  # it builds the indexes
            process.start()
            process.wait()
        for process in self.processes[1:]:
            process.start()
        for process in self.processes[1:]:
            process.wait()

    def stop(self) -> None:
        """End everything, whatever state the faults have left it in."""
        for process in self.processes:
            process.kill()
        self.redis.kill()
        self._stores.stop_sync()
        if self.mongodb is not None:
            self.mongodb.stop()

    def _start_mongodb(self) -> str:
        if self.mongodb is None:
            return self._stores.start_sync().mongodb
        self.mongodb.start()
        self.mongodb.wait()  # without a second member no write is acknowledged
        return self.mongodb.url

    def _environ(self, mongodb: str, redis_port: int) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("MARQUEE_")},
            **{f"MARQUEE_RATE_{name}": "10000000/1m" for name in _RATES},
            "MARQUEE_MONGODB_URL": mongodb,
            "MARQUEE_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "MARQUEE_DATA_DIR": str(self._directory / "data"),
            "MARQUEE_SECRET_KEY": secrets.token_urlsafe(32),
            "MARQUEE_PASSWORD_PEPPER": secrets.token_urlsafe(32),
            "MARQUEE_REGISTRATION": "open",
            "MARQUEE_LOG_LEVEL": "info",
        }
