"""HTTP load from one small process: connections that are kept, each asking again when it was answered.

Requests are bytes that were made before, and of an answer only its status and its length are read, so that the
client costs little beside the servers that it measures.
"""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from typing import Any

from bench.report import percentile


@dataclass
class Answers:
    """What came back: how long each answer took (seconds), how many had which status, and the time of it all."""

    seconds: float = 0.0
    took: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.took) / self.seconds

    def ms(self, share: float) -> float:
        """The milliseconds within which `share` (0 to 1) of the answers came."""
        return percentile(self.took, share) * 1000


def request(method: str, path: str, token: str = "", body: bytes = b"", **headers: str) -> bytes:
    """Return a request as it goes over the wire. Underscores in `headers` stand for hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", "User-Agent: bench"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [f"Content-Length: {len(body)}"] if body or method in {"POST", "PUT", "PATCH"} else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Line:
    """One kept connection and the answer that it waits for."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.next = 0  # of the requests that it goes through
        self._began = 0.0
        self._head = b""
        self._left = -1  # bytes of the answer that are still to come; -1 while its head is not whole
        self.status = 0
        self.body = b""

    def ask(self, wire: bytes) -> None:
        """Send a request."""
        self._head, self._left, self.body = b"", -1, b""
        self._began = time.perf_counter()
        self.socket.sendall(wire)

    def hear(self, *, keep: bool = False) -> float | None:
        """Read what is there; return how long the answer took once it is whole. With `keep` its body is kept."""
        came = self.socket.recv(262_144)
        if not came:
            raise ConnectionError(f"the server hung up after {self._head!r}")
        if self._left < 0:
            self._head += came
            head, end, came = self._head.partition(b"\r\n\r\n")
            if not end:
                return None
            self._left, self.status = _length(head), int(head[9:12])
        self._left -= len(came)
        if keep:
            self.body += came
        return time.perf_counter() - self._began if self._left <= 0 else None

    def header(self, name: str) -> str:
        """Return a header of the last answer, or nothing."""
        lines = (line.partition(b": ") for line in self._head.partition(b"\r\n\r\n")[0].split(b"\r\n"))
        return next((value.decode() for key, _, value in lines if key.decode().lower() == name), "")

    def fetch(self, wire: bytes) -> tuple[int, bytes, float]:
        """Ask and wait: status, body and seconds."""
        self.ask(wire)
        while (took := self.hear(keep=True)) is None:
            pass
        return self.status, self.body, took

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def play(port: int, requests: Sequence[bytes], *, connections: int = 16, seconds: float = 4.0) -> Answers:
    """Ask `requests` in turn over `connections` for `seconds`; what was under way at the end is waited for.

    Each connection begins at another one of them.
    """
    found, selector = Answers(), selectors.DefaultSelector()
    lines = [Line(port) for _ in range(connections)]
    began = time.perf_counter()
    for number, line in enumerate(lines):
        line.next = number * len(requests) // connections
        selector.register(line.socket, selectors.EVENT_READ, line)
        line.ask(requests[line.next])
    until, waiting = began + seconds, connections
    while waiting:
        ready = selector.select(30)
        if not ready:
            raise TimeoutError("an answer did not come within 30 s")
        for key, _ in ready:
            line = key.data
            took = line.hear()
            if took is None:
                continue
            found.took.append(took)
            found.statuses[line.status] = found.statuses.get(line.status, 0) + 1
            if time.perf_counter() < until:
                line.next = (line.next + 1) % len(requests)
                line.ask(requests[line.next])
            else:
                waiting -= 1
    found.seconds = time.perf_counter() - began
    for line in lines:
        line.close()
    return found


def at_once(port: int, requests: Sequence[bytes]) -> list[tuple[int, float]]:
    """Ask all of `requests` at the same moment, each on a connection of its own; return status and seconds of each."""
    lines, selector, found = [Line(port) for _ in requests], selectors.DefaultSelector(), []
    for line, wire in zip(lines, requests, strict=True):
        selector.register(line.socket, selectors.EVENT_READ, line)
        line.ask(wire)
    while len(found) < len(lines):
        ready = selector.select(30)
        if not ready:
            raise TimeoutError("an answer did not come within 30 s")
        for key, _ in ready:
            took = key.data.hear()
            if took is not None:
                found.append((key.data.status, took))
                selector.unregister(key.fileobj)
    for line in lines:
        line.close()
    return found


class Watch:
    """Asks one address again and again from a process of its own, while something else goes on: `with Watch(...)`."""

    def __init__(self, port: int, path: str = "/healthz", *, token: str = "", apart: float = 0.005) -> None:
        self._port, self._wire, self._apart = port, request("GET", path, token), apart
        self.answers = Answers()

    def __enter__(self) -> "Watch":
        fresh = multiprocessing.get_context("spawn")
        self._end, self._told = fresh.Event(), fresh.Queue()
        self._process = fresh.Process(
            target=_watch, args=(self._port, self._wire, self._apart, self._end, self._told), daemon=True
        )
        self._process.start()
        self._told.get(timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        took, statuses, seconds = self._told.get(timeout=30)
        self._process.join()
        self.answers = Answers(seconds, took, statuses)


def _watch(port: int, wire: bytes, apart: float, end: Event, told: Any) -> None:
    line, took = Line(port), list[float]()
    statuses: dict[int, int] = {}
    line.fetch(wire)
    told.put("begun")
    began = time.perf_counter()
    while not end.is_set():
        status, _, seconds = line.fetch(wire)
        took.append(seconds)
        statuses[status] = statuses.get(status, 0) + 1
        time.sleep(apart)
    told.put((took, statuses, time.perf_counter() - began))
