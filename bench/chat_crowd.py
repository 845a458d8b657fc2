"""People who have a chat open and read: a process that holds many connections and counts what comes on them.

    python -m bench.chat_crowd < {"dialect", "ports", "tokens", "rooms", "sample"}, on one line

Prints "ready" when all are subscribed; then answers lines: `begin` forgets what came so far, `report` prints
`{"seen": deliveries, "late": [seconds]}`: all deliveries of new messages, and of every `sample`-th connection how long
after its sending each one came (the sender's clock, in the text, is this machine's). It does no more than that with
what comes, so that it costs little beside the servers.
"""

import json
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from bench.chat_dialects import DIALECTS, connect

_MARK = b'"message.created"'
_STAMP = re.compile(rb"<(\d{6,})>")
_BEAT_SECONDS = 15.0


@dataclass
class Seen:
    """What the crowd has seen."""

    count: int = 0
    late: list[float] = field(default_factory=list)  # seconds


class Readers:
    """The connections, read with one epoll."""

    def __init__(self, dialect: str, ports: Sequence[int], tokens: Sequence[str], rooms: Sequence[str], sample: int):
        self._dialect = DIALECTS[dialect]
        self._poll = select.epoll()
        self._lines: dict[int, socket.socket] = {}
        self._tails: dict[int, bytes] = {}
        self._sampled: set[int] = set()
        self._next_beat = time.monotonic() + _BEAT_SECONDS
        self.seen = Seen()
        for number, token in enumerate(tokens):
            line = connect(self._dialect, ports[number % len(ports)], token, rooms)
            line.setblocking(False)
            self._lines[line.fileno()] = line
            self._tails[line.fileno()] = b""
            if number % sample == 0:
                self._sampled.add(line.fileno())
            self._poll.register(line.fileno(), select.EPOLLIN)
            self._beat()  # thousands take a minute to come in on a busy machine: the first ones must not seem gone

    def serve(self) -> None:
        """Read, and obey the lines that come on standard input, until it ends."""
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        print("ready", flush=True)
        while True:
            for descriptor, _ in self._poll.poll(1.0):
                if descriptor == sys.stdin.fileno():
                    if not self._obey(sys.stdin.readline()):
                        return
                else:
                    self._read(descriptor)
            self._beat()

    def _beat(self) -> None:
        """Say that all are here, when that is due."""
        if time.monotonic() > self._next_beat:
            self._next_beat = time.monotonic() + _BEAT_SECONDS
            for line in self._lines.values():
                line.send(self._dialect.beat)

    def _obey(self, order: str) -> bool:
        if order.startswith("begin"):
            self.seen = Seen()
            print("begun", flush=True)
        elif order.startswith("report"):
            print(json.dumps({"seen": self.seen.count, "late": self.seen.late}), flush=True)
        return bool(order)

    def _read(self, descriptor: int) -> None:
        came = self._lines[descriptor].recv(262_144)
        if not came:
            raise ConnectionError("the server hung up on a reader")
        text = self._tails[descriptor] + came
        self.seen.count += text.count(_MARK)
        if descriptor in self._sampled:
            now = time.monotonic_ns()
            self.seen.late += [(now - int(stamp)) / 1e9 for stamp in _STAMP.findall(text)]
            whole = max(text.rfind(_MARK) + len(_MARK), text.rfind(b">") + 1)
            self._tails[descriptor] = text[whole:] if whole else text
        else:
            self._tails[descriptor] = came[-len(_MARK) + 1 :] if not came.endswith(_MARK) else b""


class Crowd:
    """A crowd in a process of its own, as a context."""

    def __init__(
        self, dialect: str, ports: Sequence[int], tokens: Sequence[str], rooms: Sequence[str], *, sample: int = 10
    ) -> None:
        self._given = {"dialect": dialect, "ports": ports, "tokens": tokens, "rooms": rooms, "sample": sample}

    def __enter__(self) -> "Crowd":
        command = [sys.executable, "-m", "bench.chat_crowd"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._ask(json.dumps(self._given)) != "ready":
            raise RuntimeError("the readers did not come in")
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def begin(self) -> None:
        """Count from now on."""
        self._ask("begin")

    def report(self) -> Seen:
        """Return what was seen since `begin`."""
        told: dict[str, Any] = json.loads(self._ask("report"))
        return Seen(told["seen"], told["late"])

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


if __name__ == "__main__":
    Readers(**json.loads(sys.stdin.readline())).serve()
