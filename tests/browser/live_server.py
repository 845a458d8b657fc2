"""A real `python server.py` as its own process, on a fixed port and data directory, stopped and started at will."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
UP_WITHIN_SECONDS = 60  # two databases of its own start with it, on a machine that others load too


class LiveServer:
    """The server on loopback. Stopping and starting keeps its port and its data."""

    def __init__(self, folder, *, program=("server.py",), **settings):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self.program = program
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MARQUEE_")} | {
            "MARQUEE_PORT": str(self.port),
            "MARQUEE_DATA_DIR": str(folder / "data"),
            "MARQUEE_SCREEN_HEARTBEAT_SECONDS": "2",
            "MARQUEE_DRAIN_SECONDS": "1",
            **settings,
        }
        self.process = None

    def start(self):
        """Start it and return once it answers that it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + UP_WITHIN_SECONDS
        while not self._ready():
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.1)
        return self

    def stop(self, how=signal.SIGTERM):
        """End it, politely or not, and wait until it is gone."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=40)
            self.process = None

    def _ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return answer.status == 200
        except urllib.error.HTTPError as answer:
            answer.close()  # it holds its connection: a warning in whatever test runs when it is collected
            return False
        except OSError:
            return False
