"""Stores that are stopped, and processes that are ended, whatever a test does."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.embedded import EmbeddedStores

OWNER = Path(__file__).with_name("owner.py")


class Owner:
    """A process that owns embedded stores, and the processes that came of it."""

    def __init__(self, data_dir, *words):
        command = [sys.executable, str(OWNER), str(data_dir), *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline().strip()
        self.family = psutil.Process(self.process.pid).children(recursive=True) if "://" in self.said else []

    def end(self, number):
        """Send the signal and return the exit status; then wait until the whole family is gone."""
        self.process.send_signal(number)
        status = self.process.wait(30)
        self.process.stdout.close()
        return status

    def left(self, seconds=30):
        """Return the names of those that still run after `seconds` at most."""
        deadline = time.monotonic() + seconds
        while (alive := [p for p in self.family if lives(p)]) and time.monotonic() < deadline:
            time.sleep(0.05)
        return [process.name() for process in alive]


def lives(process):
    """Tell whether `process` runs: a zombie has ended and only waits for its parent to look."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def owners():
    started = []

    def start(data_dir, *words):
        started.append(Owner(data_dir, *words))
        return started[-1]

    yield start
    for owner in started:
        for process in owner.family:
            if process.is_running():
                process.kill()
        owner.process.kill()
        owner.process.wait()
        owner.process.stdout.close()


@pytest.fixture
def stores(tmp_path):
    made = []

    def make(folder="data", **options):
        made.append(EmbeddedStores(tmp_path / folder, **options))
        return made[-1]

    yield make
    for each in made:
        each.stop_sync()
