"""From the sending on one process to the showing on another: 200 members, at 50, 200 and 400 messages a second.

    .venv/bin/python -m bench.chat_shown [--members 200] [--rates 50,200,400] [--seconds 4] [--turns 3]

Eight members write on the first process, all members have the room open on the second; a tenth of them look at the
clock. The time runs from before the frame is sent until its event is read, so the commit by the majority is in it. At
400 messages/s to 200 members a process hands out 80,000 a second.
"""

import argparse

from bench import chat_writers, report
from bench.chat_crowd import Crowd
from bench.chat_fill import Filled
from bench.chat_site import ChatSite, Side
from bench.chat_writers import Seat
from bench.report import Goal

GOAL_MS, GOAL_RATE = 25.0, 200
_WRITERS = 8


def measure(side: Side, members: int, rate: int, seconds: float) -> dict[str, float]:
    """Send at one rate; return the figures."""
    seats = [Seat(side.ports[0], token, side.rooms[0]) for token in side.tokens[:_WRITERS]]
    with Crowd(side.name, side.ports[-1:], side.tokens[_WRITERS : _WRITERS + members], side.rooms[:1]) as crowd:
        chat_writers.paced(side.dialect, seats, 0.5, rate)
        crowd.begin()
        sent = chat_writers.paced(side.dialect, seats, seconds, rate)
        seen = crowd.report()
    return {
        "shown p50 ms": report.percentile(seen.late, 0.5) * 1000,
        "shown p99 ms": report.percentile(seen.late, 0.99) * 1000,
        "acknowledged p50 ms": report.percentile(sent.took, 0.5) * 1000,
        "messages/s": sent.rate,
        "shown": seen.count / (len(sent.took) * members),
    }


def main() -> None:
    """Measure in turns, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--rates", default="50,200,400")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    turns: dict[str, list[dict[str, float]]] = {}
    with ChatSite(Filled(people=asked.members + _WRITERS, messages=50), processes=2) as sides:
        for _ in range(asked.turns):
            for side in sides:
                for rate in map(int, asked.rates.split(",")):
                    figures = measure(side, asked.members, rate, asked.seconds)
                    turns.setdefault(f"{side.name}, {rate}/s", []).append(figures)
    found = report.medians(turns)
    columns = list(next(iter(found.values())))
    rows = [[name, *figures.values()] for name, figures in found.items()]
    report.table(f"Sent on one process, shown on another to {asked.members} members", ["server", *columns], rows)
    judged = [figures["shown p99 ms"] for name, figures in found.items() if name == f"marquee, {GOAL_RATE}/s"]
    report.judge(*[Goal(f"p99 at {GOAL_RATE} messages/s", p99, "under", GOAL_MS, "ms") for p99 in judged])
    report.write("chat_shown", figures={"medians": found, "turns": turns, "goalMs": GOAL_MS})


if __name__ == "__main__":
    main()
