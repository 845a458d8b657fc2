"""One event to many sockets of one process, and what an idle socket costs: Marquee beside its peers.

    .venv/bin/python -m bench.fanout [--sockets 1000] [--rounds 100] [--turns 3]

The servers run in turns (A B C D A B C D), each in a process of its own, with one client process that reads all
sockets: Marquee, Socket.IO 4 (websocket transport, no compression), bare `ws`, and the floor, a bare Tornado
handler. A round publishes one event and ends when the last socket has it; a burst round publishes
ten. Marquee authenticates each socket, goes through a real Redis, counts metrics and bounds buffers; the
floor does `write_message` in a loop and nothing else.
"""

import argparse
import json
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import report
from bench.fanout_server import CHANNEL, EVENT
from bench.report import Goal

PEERS = Path(__file__).parent / "peers"
GOALS = {"socket.io": 1.2, "ws": 1.0}  # times their deliveries/s, one by one
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120\r\n\r\n"
)


# --- the client -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """One server: how it is started, where its sockets are, and how its greeting and frames look."""

    command: list[str]
    path: str = "/ws"
    greeting: bytes = b""
    answer: bytes = b""  # what a client sends when it was greeted
    welcome: bytes = b""  # what it then waits for
    body: Callable[[], str] = lambda: compact({"event": "screen.status", "channel": CHANNEL, "data": EVENT})


def compact(document: Any) -> str:
    """Return JSON without spaces, as all but Python's own encoder write it."""
    return json.dumps(document, separators=(",", ":"))


def kinds(redis_url: str) -> dict[str, Kind]:
    """Return the servers by name; the peers from npm only where node is there."""
    python = [sys.executable, "-m", "bench.fanout_server"]
    event = {"event": "screen.status", "channel": CHANNEL, "data": EVENT}
    found = {
        "marquee": Kind([*python, "marquee", redis_url], greeting=b"hello"),
        "floor": Kind([*python, "floor", redis_url], body=lambda: json.dumps(event)),
    }
    if shutil.which("node") and (PEERS / "node_modules").is_dir():
        found["socket.io"] = Kind(
            ["node", str(PEERS / "fanout-socketio.js")],
            "/socket.io/?EIO=4&transport=websocket",
            greeting=b'0{"sid"',
            answer=masked(b"40"),
            welcome=b"40{",
            body=lambda: "42" + compact(["screen.status", {"channel": CHANNEL, "data": EVENT}]),
        )
        found["ws"] = Kind(["node", str(PEERS / "fanout-ws.js")])
    return found


def masked(text: bytes) -> bytes:
    """Return a client's text frame; a mask of zeros leaves the text as it is."""
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


class Crowd:
    """Many raw sockets of one client process, read with one selector; counts bytes only."""

    def __init__(self, port: int, token: str, count: int, kind: Kind) -> None:
        self.selector = selectors.DefaultSelector()
        self.sockets = []
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(HANDSHAKE.format(path=kind.path, token=token).encode())
            self._await(one, b"\r\n\r\n", kind.greeting)
            if kind.answer:
                one.sendall(kind.answer)
                self._await(one, kind.welcome)
            one.setblocking(False)
            self.selector.register(one, selectors.EVENT_READ)
            self.sockets.append(one)

    @staticmethod
    def _await(one: socket.socket, *marks: bytes) -> None:
        seen = b""
        while not all(mark in seen for mark in marks):
            came = one.recv(65536)
            if not came:
                raise ConnectionError(f"the server hung up: {seen!r}")
            seen += came

    def read(self, size: int) -> None:
        """Read until `size` bytes came in all."""
        while size > 0:
            ready = self.selector.select(5)
            if not ready:
                raise TimeoutError(f"{size} bytes never came")
            for key, _ in ready:
                size -= len(key.fileobj.recv(65536))  # type: ignore[union-attr]

    def close(self) -> None:
        """Hang up."""
        for one in self.sockets:
            one.close()


def measure(kind: Kind, sockets: int, rounds: int) -> dict[str, float]:
    """Run one server with `sockets` clients; return deliveries/s, CPU microseconds a delivery and bytes a socket."""
    with subprocess.Popen(kind.command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            port, control_port, *token = server.stdout.readline().split()
            control = socket.create_connection(("127.0.0.1", int(control_port)))
            lines = control.makefile("rw")

            def usage() -> tuple[float, float]:
                lines.write("usage\n")
                lines.flush()
                cpu, rss = lines.readline().split()
                return float(cpu), float(rss)

            Crowd(int(port), *token or [""], 20, kind).close()
            time.sleep(0.5)
            _, before = usage()
            crowd = Crowd(int(port), *token or [""], sockets, kind)
            time.sleep(0.5)
            _, after = usage()
            body = kind.body()
            frame = len(body) + (2 if len(body) < 126 else 4)

            def play(times: int, burst: int) -> tuple[float, float]:
                cpu, began = usage()[0], time.perf_counter()
                for _ in range(times):
                    lines.write(f"publish {burst}\n")
                    lines.flush()
                    crowd.read(frame * burst * sockets)
                seconds, deliveries = time.perf_counter() - began, times * burst * sockets
                return deliveries / seconds, (usage()[0] - cpu) / deliveries * 1e6

            play(5, 1)
            single, single_cpu = play(rounds, 1)
            burst, burst_cpu = play(max(rounds // 10, 1), 10)
            crowd.close()
            return {
                "deliveries/s": single, "us cpu": single_cpu, "burst/s": burst, "burst us cpu": burst_cpu,
                "bytes/socket": (after - before) / sockets, "frame": frame,
            }  # fmt: skip
        finally:
            server.kill()


def main() -> None:
    """Measure in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    redis = subprocess.Popen(
        [shutil.which("redis-server") or "redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
    )
    time.sleep(0.5)
    found: dict[str, list[dict[str, float]]] = {}
    try:
        for _ in range(asked.turns):
            for name, kind in kinds(f"redis://127.0.0.1:{port}/0").items():
                found.setdefault(name, []).append(measure(kind, asked.sockets, asked.rounds))
    finally:
        redis.kill()
        redis.wait()
    show(found, f"{asked.sockets} sockets, {asked.rounds} rounds, {asked.turns} turns")
    report.write("fanout", figures=report.medians(found), goals=GOALS, turns=found)


def show(found: dict[str, list[dict[str, float]]], heading: str) -> None:
    """Print medians, Marquee's ratio to each peer, and the goals."""
    medians, goals = report.medians(found), []
    report.table(heading, ["server", *medians["marquee"]], [[name, *each.values()] for name, each in medians.items()])
    print()
    for name, figures in medians.items():
        if name != "marquee":
            one, ten = (medians["marquee"][f] / figures[f] for f in ("deliveries/s", "burst/s"))
            print(f"marquee / {name}: {one:.2f} times the deliveries/s, {ten:.2f} in bursts of ten")
            if name in GOALS:
                goals.append(Goal(f"{name}'s deliveries/s", one, "at least", GOALS[name], "times"))
    report.judge(*goals)


if __name__ == "__main__":
    main()
