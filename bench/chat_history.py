"""Reading 50 messages of a room over HTTP: `GET /api/messages?room=general&limit=50`, beside the peer.

    .venv/bin/python -m bench.chat_history [--connections 16] [--seconds 4] [--turns 3]

Both answer with the full shape of the contract, authors and all; one process each, in turns, asked by the same small
client. CPU is the server process's own, for each request. Marquee reads once for those who ask for the same page at
the same moment, so it is measured with all at the newest page, and with each at another one, where nothing is shared.
"""

import argparse
from typing import Any

from bench import load, report
from bench.chat_fill import Filled
from bench.chat_site import ChatSite, Side
from bench.report import Goal

GOAL, JUDGED = 2.0, "the same page"  # times the peer's requests/s; of different pages it is only to be known
MESSAGES = 2000
_PATH = "/api/messages?room=general&limit=50"
PAGES = {
    JUDGED: [_PATH],
    "different pages": [f"{_PATH}&before={seq}" for seq in range(100, MESSAGES, 20)],  # 95: connections stay six apart
}


def measure(side: Side, paths: list[str], asked: argparse.Namespace) -> dict[str, float]:
    """Ask one side for `paths`, in turn, for a while; return its figures."""
    many, people = max(len(side.tokens), len(paths)), side.tokens
    requests = [load.request("GET", paths[n % len(paths)], people[n % len(people)]) for n in range(many)]
    load.play(side.ports[0], requests, connections=asked.connections, seconds=0.5)
    before = side.cpu()
    answers = load.play(side.ports[0], requests, connections=asked.connections, seconds=asked.seconds)
    if set(answers.statuses) != {200}:
        raise RuntimeError(f"{side.name} answered {answers.statuses}")
    cpu = (side.cpu() - before) / len(answers.took) * 1000
    return {"requests/s": answers.rate, "p50 ms": answers.ms(0.5), "p99 ms": answers.ms(0.99), "ms CPU each": cpu}


def main() -> None:
    """Measure in turns, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    turns: dict[str, dict[str, list[dict[str, float]]]] = {}
    with ChatSite(Filled(people=asked.connections, messages=MESSAGES)) as sides:
        for what, paths in PAGES.items():
            for _ in range(asked.turns):
                for side in sides:
                    turns.setdefault(what, {}).setdefault(side.name, []).append(measure(side, paths, asked))
    show(turns)


def show(turns: dict[str, dict[str, list[dict[str, float]]]]) -> None:
    """Print and write the medians and the ratios."""
    figures: dict[str, Any] = {}
    for what, of_both in turns.items():
        found = report.medians(of_both)
        columns = list(found["marquee"])
        report.table(f"History, {what}", ["server", *columns], [[name, *found[name].values()] for name in found])
        times = found["marquee"]["requests/s"] / found["express-socketio"]["requests/s"]
        print(f"\nmarquee / express-socketio: {times:.2f} times the requests/s")
        figures[what] = {**found, "ratio": times}
        if what == JUDGED:
            figures[what]["goal"] = GOAL
            report.judge(Goal(f"the peer's requests/s, {what}", times, "at least", GOAL, "times"))
    report.write("chat_history", figures=figures, turns=turns)


if __name__ == "__main__":
    main()
