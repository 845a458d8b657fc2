"""What the attacks and the verifier rest on: ports that are nobody else's, and signals that have had their effect."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from bench import ports, signals

THREADS = """
import hashlib, threading
def work():
    while True:
        hashlib.sha256(bytes(100_000))
for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
print("there", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def two_ports(monkeypatch, tmp_path):
    """Return the only two ports there are, the first of which is given; other tests hear nothing of that."""
    first, second = ports.free_port(), ports.free_port()
    claims = os.open(tmp_path / "claims", os.O_RDWR | os.O_CREAT)
    for name, value in {"_PORTS": [first, second], "_taken": {first}, "_claims": lambda: claims}.items():
        monkeypatch.setattr(ports, name, value)
    fcntl.lockf(claims, fcntl.LOCK_EX, 1, first)
    yield first, second
    os.close(claims)


def test_a_port_that_was_given_to_one_process_is_given_to_no_other(two_ports, tmp_path):
    look = f"""
import os
from bench import ports
claims = os.open({str(tmp_path / "claims")!r}, os.O_RDWR)
ports._PORTS, ports._claims = {two_ports}, lambda: claims
print(ports.free_port())
"""

    given = {subprocess.check_output([sys.executable, "-c", look], timeout=30) for _ in range(8)}

    assert given == {f"{two_ports[1]}\n".encode()}, "each of the eight had ended, and so left it to the next"


def test_a_port_is_given_once_in_a_process(two_ports):
    assert ports.free_port() == two_ports[1]
    with pytest.raises(RuntimeError, match="is free"):
        ports.free_port()


@pytest.fixture
def busy():
    with subprocess.Popen([sys.executable, "-c", THREADS], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"there\n"
        yield process
        process.kill()


def test_a_process_that_was_stopped_stands_still_at_once_with_all_its_threads(busy):
    for _ in range(50):
        signals.send(busy, SIGSTOP)
        tasks = Path(f"/proc/{busy.pid}/task").iterdir()
        states = {(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks}
        signals.send(busy, SIGCONT)
        assert states == {"T"}


def test_a_process_that_was_killed_has_ended(busy):
    signals.send(busy, SIGKILL)

    assert busy.returncode == -SIGKILL
