"""Sending messages, acknowledged by the majority: one writer alone, 32 in one room, 32 in a room each, beside the peer.

    .venv/bin/python -m bench.chat_send [--writers 32] [--seconds 3] [--turns 3] [--only marquee]

Writers have sockets and hear their room. MongoDB's journal is on disk. bench/chat_processes.py does the same with
several processes.
"""

import argparse
import urllib.request
from typing import Any

from bench import chat_writers, report
from bench.chat_fill import Filled
from bench.chat_site import NAMES, ChatSite, Side
from bench.chat_writers import Seat
from bench.report import Goal

GOALS = {"one room": 2.0, "a room each": 1.0}  # times the peer's messages/s
LONE_GOAL = 2.0  # at most so many times the peer's p50


def seats(side: Side, writers: int, *, apart: bool) -> list[Seat]:
    """Return where the writers sit: all in one room or each in its own, taking the processes in turn."""
    return [
        Seat(side.ports[n % len(side.ports)], side.tokens[n], side.rooms[n if apart else 0]) for n in range(writers)
    ]


def measure(side: Side, asked: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measure one side; return its figures by what was done."""
    plans = {
        "alone": seats(side, 1, apart=False),
        "one room": seats(side, asked.writers, apart=False),
        "a room each": seats(side, asked.writers, apart=True),
    }
    return {what: one(side, plan, asked.seconds) for what, plan in plans.items()}


def one(side: Side, plan: list[Seat], seconds: float) -> dict[str, float]:
    """Let one plan's writers send for `seconds`; return the figures."""
    cpu, retries = side.cpu(), _retries(side)
    sent = chat_writers.busy(side.dialect, plan, seconds)
    all_sent = len(sent.took) * (1 + 1.0 / sent.seconds)  # with those that warmed up
    return {
        "messages/s": sent.rate,
        "p50 ms": report.percentile(sent.took, 0.5) * 1000,
        "p99 ms": report.percentile(sent.took, 0.99) * 1000,
        "ms CPU each": (side.cpu() - cpu) / all_sent * 1000,
        "retries/s": (_retries(side) - retries) / sent.seconds,
    }


def _retries(side: Side) -> float:
    """Return how many transactions of all processes were begun again."""
    if side.name != "marquee":
        return 0.0
    found = 0.0
    for port in side.ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            lines = reply.read().decode().splitlines()
        found += sum(float(line.split()[-1]) for line in lines if line.startswith("marquee_room_retries_total"))
    return found


def main() -> None:
    """Measure in turns, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--writers", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", choices=NAMES)
    asked = parser.parse_args()
    turns: dict[str, list[dict[str, float]]] = {}
    wanted = Filled(people=asked.writers, rooms=asked.writers, messages=50)
    names = (asked.only,) if asked.only else NAMES
    with ChatSite(wanted, names=names) as sides:
        for _ in range(asked.turns):
            for side in sides:
                for what, figures in measure(side, asked).items():
                    turns.setdefault(f"{side.name}, {what}", []).append(figures)
    show(turns)


def show(turns: dict[str, list[dict[str, float]]]) -> None:
    """Print the table and the ratios."""
    found = report.medians(turns)
    columns = list(next(iter(found.values())))
    report.table(
        "Sending, one process", ["server", *columns], [[name, *figures.values()] for name, figures in found.items()]
    )
    ratios: dict[str, Any] = {}
    goals, (mine, peers) = list[Goal](), NAMES
    for what, goal in GOALS.items():
        if f"{peers}, {what}" in found and f"{mine}, {what}" in found:
            ratio = found[f"{mine}, {what}"]["messages/s"] / found[f"{peers}, {what}"]["messages/s"]
            ratios[what] = ratio
            goals.append(Goal(f"the peer's messages/s, {what}", ratio, "at least", goal, "times"))
    if f"{peers}, alone" in found and f"{mine}, alone" in found:
        ratios["alone"] = found[f"{mine}, alone"]["p50 ms"] / found[f"{peers}, alone"]["p50 ms"]
        goals.append(Goal("the peer's p50, alone", ratios["alone"], "under", LONE_GOAL, "times"))
    report.judge(*goals)
    report.write("chat_send", figures={"medians": found, "turns": turns, "ratios": ratios})


if __name__ == "__main__":
    main()
