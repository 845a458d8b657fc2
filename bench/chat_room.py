"""A room of 1,000 members, all connected to one process: how many deliveries a second, beside the peer.

    .venv/bin/python -m bench.chat_room [--members 1000] [--writers 4] [--seconds 4] [--turns 3]

Writers are members too; each sends its next message when its last one was acknowledged. Every message is committed by
the majority and goes through Redis before it is handed out. What was sent is waited for: all of it comes.
"""

import argparse
import time

from bench import chat_writers, report
from bench.chat_crowd import Crowd
from bench.chat_fill import Filled
from bench.chat_site import ChatSite, Side
from bench.chat_writers import Seat
from bench.report import Goal

GOAL = 1.2  # times the peer's deliveries/s
_WAIT_SECONDS = 60.0


def measure(side: Side, asked: argparse.Namespace) -> dict[str, float]:
    """Let the writers write; return the figures."""
    seats = [Seat(side.ports[0], token, side.rooms[0]) for token in side.tokens[: asked.writers]]
    readers = side.tokens[asked.writers :]
    with Crowd(side.name, side.ports, readers, side.rooms[:1], sample=100) as crowd:
        chat_writers.busy(side.dialect, seats, 1.0)
        crowd.begin()
        time.sleep(1)
        while crowd.report().count > 0:  # the last ones of the first second
            crowd.begin()
            time.sleep(0.5)
        cpu, began = side.cpu(), time.perf_counter()
        sent = chat_writers.busy(side.dialect, seats, asked.seconds, warm=0.0)
        due, seen = len(sent.took) * len(readers), crowd.report()
        while seen.count < due and time.perf_counter() < began + _WAIT_SECONDS:
            time.sleep(0.02)
            seen = crowd.report()
        took = time.perf_counter() - began - chat_writers.SEATED_SECONDS
        cpu = side.cpu() - cpu
    return {
        "deliveries/s": seen.count / took,
        "messages/s": len(sent.took) / took,
        "us CPU a delivery": cpu / max(seen.count, 1) * 1e6,
        "shown p50 ms": report.percentile(seen.late, 0.5) * 1000,
        "shown": seen.count / due,
    }


def main() -> None:
    """Measure in turns, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    turns: dict[str, list[dict[str, float]]] = {}
    with ChatSite(Filled(people=asked.members + asked.writers, messages=50)) as sides:
        for _ in range(asked.turns):
            for side in sides:
                turns.setdefault(side.name, []).append(measure(side, asked))
    found = report.medians(turns)
    columns = list(found["marquee"])
    rows = [[name, *figures.values()] for name, figures in found.items()]
    report.table(f"A room of {asked.members} members, {asked.writers} writers", ["server", *columns], rows)
    ratio = found["marquee"]["deliveries/s"] / found["express-socketio"]["deliveries/s"]
    report.judge(Goal("the peer's deliveries/s", ratio, "at least", GOAL, "times"))
    report.write("chat_room", figures={"medians": found, "turns": turns, "ratio": ratio, "goal": GOAL})


if __name__ == "__main__":
    main()
