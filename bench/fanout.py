"""One event to many sockets of one process, and what an idle socket costs: Marquee beside a bare Tornado handler.

    .venv/bin/python -m bench.fanout [--sockets 1000] [--rounds 100] [--turns 3]

Both servers run in turns (A B A B), each in a process of its own on uvloop, with one client process that
reads all sockets. A round publishes one event and ends when the last socket has it; a burst round publishes
ten. Marquee authenticates each socket, goes through a real Redis, counts metrics and bounds buffers; the
floor does `write_message` in a loop and nothing else. Prints medians; nothing is written.
"""

import argparse
import json
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import time

from bench.fanout_server import CHANNEL, EVENT

HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120\r\n\r\n"
)


# --- the client -----------------------------------------------------------------------------------------------------


class Crowd:
    """Many raw sockets of one client process, read with one selector; counts bytes only."""

    def __init__(self, port: int, token: str, count: int, greeting: bytes) -> None:
        self.selector = selectors.DefaultSelector()
        self.sockets = []
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(HANDSHAKE.format(token=token).encode())
            seen = b""
            while b"\r\n\r\n" not in seen or greeting not in seen:
                came = one.recv(65536)
                if not came:
                    raise ConnectionError(f"the server hung up: {seen!r}")
                seen += came
            one.setblocking(False)
            self.selector.register(one, selectors.EVENT_READ)
            self.sockets.append(one)

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


def measure(kind: str, redis_url: str, sockets: int, rounds: int) -> dict[str, float]:
    """Run one server with `sockets` clients; return deliveries/s, CPU microseconds a delivery and bytes a socket."""
    command = [sys.executable, "-m", "bench.fanout_server", kind, redis_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
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

            Crowd(int(port), *token or [""], 20, b"hello" if token else b"").close()
            time.sleep(0.5)
            _, before = usage()
            crowd = Crowd(int(port), *token or [""], sockets, b"hello" if token else b"")
            time.sleep(0.5)
            _, after = usage()
            body = json.dumps(
                {"event": "screen.status", "channel": CHANNEL, "data": EVENT},
                separators=(",", ":") if kind == "marquee" else None,
            )
            frame = len(body) + 4

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
    found: dict[str, list[dict[str, float]]] = {"floor": [], "marquee": []}
    try:
        for _ in range(asked.turns):
            for kind, results in found.items():
                results.append(measure(kind, f"redis://127.0.0.1:{port}/0", asked.sockets, asked.rounds))
    finally:
        redis.kill()
        redis.wait()
    print(f"{asked.sockets} sockets, {asked.rounds} rounds, {asked.turns} turns, load {os.getloadavg()[0]:.1f}")
    for kind, results in found.items():
        medians = {name: statistics.median(r[name] for r in results) for name in results[0]}
        print(kind.ljust(8), "  ".join(f"{name} {value:,.1f}" for name, value in medians.items()))


if __name__ == "__main__":
    main()
