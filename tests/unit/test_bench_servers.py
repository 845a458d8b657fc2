"""What the attacks and the verifier rest on: ports that are nobody else's, and signals that have had their effect."""

import subprocess
import sys
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from bench import ports, signals
from deploy.data_lock import is_free

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
def two_ports(monkeypatch):
    first = next(port for port in iter(ports.free_port, None) if is_free(port + 1))
    monkeypatch.setattr(ports, "_PORTS", range(first, first + 2))
    return first, first + 1


def test_a_port_that_was_given_to_one_process_is_given_to_no_other(two_ports):
    mine, other = two_ports
    look = f"from bench import ports; ports._PORTS = range({mine}, {other + 1}); print(ports.free_port())"

    given = {subprocess.check_output([sys.executable, "-c", look], timeout=30) for _ in range(8)}

    assert given == {f"{other}\n".encode()}, "each of the eight had ended, and so left it to the next"


def test_a_port_is_given_once_in_a_process(two_ports):
    assert ports.free_port() == two_ports[1]


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
