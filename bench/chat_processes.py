"""Sending with one, two and four processes: 32 writers in one room, where processes meet, and in a room each.

    .venv/bin/python -m bench.chat_processes [--counts 1,2,4] [--writers 32] [--seconds 3] [--turns 3]

`without turns` is Marquee whose processes do not take turns on a room in which they met (models/room_turns.py): what is
left then is MongoDB's write conflict. `retries/s` counts the batches that met another process's. More processes than
cores, with MongoDB beside them, show what meeting costs and not how it scales.
"""

import argparse
import sys

from bench import report
from bench.chat_fill import Filled
from bench.chat_send import one, seats
from bench.chat_site import ChatSite, Side

_TURNLESS = [sys.executable, "-m", "bench.turnless_server"]


def measure(side: Side, writers: int, seconds: float) -> dict[str, dict[str, float]]:
    """Measure one site; return its figures by where the writers sat."""
    places = {"one room": False, "a room each": True}
    return {where: one(side, seats(side, writers, apart=apart), seconds) for where, apart in places.items()}


def main() -> None:
    """Measure in turns, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--counts", default="1,2,4")
    parser.add_argument("--writers", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    turns: dict[str, list[dict[str, float]]] = {}
    wanted = Filled(people=asked.writers, rooms=asked.writers, messages=50)
    for count in map(int, asked.counts.split(",")):
        kinds = {"with turns": None, "without turns": _TURNLESS} if count > 1 else {"with turns": None}
        for kind, command in kinds.items():
            with ChatSite(wanted, processes=count, names=("marquee",), command=command) as sides:
                for _ in range(asked.turns):
                    for where, figures in measure(sides[0], asked.writers, asked.seconds).items():
                        turns.setdefault(f"{count}, {where}, {kind}", []).append(figures)
    found = report.medians(turns)
    columns = list(next(iter(found.values())))
    rows = [[name, *figures.values()] for name, figures in found.items()]
    report.table("Sending with several processes", ["processes", *columns], rows)
    print("\nNo goal was set: it is to be known.")
    report.write("chat_processes", figures={"medians": found, "turns": turns})


if __name__ == "__main__":
    main()
