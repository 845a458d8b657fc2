"""A thousand clients that missed a hundred messages each come back at once: how long until all are current.

    .venv/bin/python -m bench.chat_resume [--clients 1000] [--missed 100] [--turns 3]

All are connected and say in the same moment up to where they have applied the room. The time runs until the last of
them has read the last message. Meanwhile somebody asks for a room's newest messages over HTTP, again and again.
"""

import argparse
import selectors
import socket
import time

from bench import load, report
from bench.chat_dialects import connect
from bench.chat_fill import Filled
from bench.chat_site import ChatSite, Side
from bench.report import Goal

GOAL_SECONDS, GOAL_OTHER_MS = 5.0, 250.0
_PATIENCE_SECONDS = 60.0


def measure(side: Side, clients: int, missed: int, top: int) -> dict[str, float]:
    """Let everybody come back; return the figures."""
    lines = [connect(side.dialect, side.ports[0], token) for token in side.tokens[:clients]]
    last = f'"seq":{top},'.encode()
    with load.Watch(side.ports[0], "/api/messages?room=general&limit=20", token=side.tokens[-1]) as watch:
        time.sleep(0.5)
        cpu, took = side.cpu(), _resume(side, lines, top - missed, last)
        cpu = side.cpu() - cpu
    for line in lines:
        line.close()
    return {
        "all current s": max(took),
        "half current s": report.percentile(took, 0.5),
        "CPU s": cpu,
        "slowest other ms": max(watch.answers.took) * 1000,
        "other p50 ms": watch.answers.ms(0.5),
    }


def _resume(side: Side, lines: list[socket.socket], after: int, last: bytes) -> list[float]:
    """Ask for what was missed on all lines; return after how many seconds each had the last message."""
    selector, tails, took = selectors.DefaultSelector(), dict.fromkeys(lines, b""), list[float]()
    began = time.perf_counter()
    for line in lines:
        line.setblocking(False)
        line.sendall(side.dialect.subscribe(1, side.rooms[:1], after))
        selector.register(line, selectors.EVENT_READ, line)
    while tails:
        if time.perf_counter() > began + _PATIENCE_SECONDS:
            raise TimeoutError(f"{len(tails)} clients did not become current")
        for key, _ in selector.select(1):
            line = key.data
            text = tails.get(line, b"") + line.recv(262_144)
            if line in tails and last in text:
                took.append(time.perf_counter() - began)
                del tails[line]
            elif line in tails:
                tails[line] = text[-len(last) :]
    return took


def main() -> None:
    """Measure in turns, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--missed", type=int, default=100)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    turns: dict[str, list[dict[str, float]]] = {}
    top = asked.missed + 50
    with ChatSite(Filled(people=asked.clients + 1, messages=top)) as sides:
        for _ in range(asked.turns):
            for side in sides:
                turns.setdefault(side.name, []).append(measure(side, asked.clients, asked.missed, top))
    found = report.medians(turns)
    columns = list(found["marquee"])
    heading = f"{asked.clients} clients resume at once, {asked.missed} messages behind"
    report.table(heading, ["server", *columns], [[name, *figures.values()] for name, figures in found.items()])
    seen = found["marquee"]
    report.judge(
        Goal("all are current", seen["all current s"], "at most", GOAL_SECONDS, "s"),
        Goal("the slowest other request", seen["slowest other ms"], "at most", GOAL_OTHER_MS, "ms"),
    )
    report.write("chat_resume", figures={"medians": found, "turns": turns})


if __name__ == "__main__":
    main()
