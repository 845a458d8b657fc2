"""What an idle chat connection costs in memory, with five rooms subscribed, beside the peer.

    .venv/bin/python -m bench.chat_memory [--connections 2000] [--rooms 5] [--turns 3]

Resident memory of the server process with all connections, less what it had with the first 600: what the first ones
cost only once is no connection's. That is code and caches, and above all what work on many at once leaves free in the
heap: up to 500 who come are told of each other (realtime/presence_news.py), which takes 6 to 12 MB for a moment,
and that was counted as 3 to 6 KB of each of 2,000 connections. So the first ones are more than those 500, and each
look comes after a round of renewed leases. The peer is told to collect its garbage before each: V8 does so when it sees
fit, and what it had not yet done before the first look made 0.4 to 11 KB out of the same connections. Each turn has a
server of its own; medians. Everybody is somebody else, in rooms that all share.
"""

import argparse
import signal
import time

from bench import report
from bench.chat_crowd import Crowd
from bench.chat_fill import Filled
from bench.chat_site import NAMES, ChatSite, Side
from bench.report import Goal
from realtime.presence import RENEW_SECONDS
from realtime.presence_news import MOST_CONNECTED

GOAL_KB = 25.0
_FIRST = MOST_CONNECTED + 100
_SETTLE_SECONDS = RENEW_SECONDS + 3.0
_COLLECTIONS = 3  # of garbage: what one has found to be free, the next ones give back
_IDLE_SECONDS = 5.0  # while which the processor's time is counted


def resident(side: Side) -> int:
    """Return the resident bytes of the one server, once all is quiet."""
    time.sleep(_SETTLE_SECONDS)
    (server,) = side.servers
    if side.name != "marquee" and server.process is not None:
        for _ in range(_COLLECTIONS):
            server.process.send_signal(signal.SIGUSR2)
            time.sleep(1)
    return server.usage()[1]


def measure(side: Side, rooms: int) -> dict[str, float]:
    """Connect everybody and look at the memory."""
    with Crowd(side.name, side.ports, side.tokens[:_FIRST], side.rooms[:rooms]):
        before = resident(side)
        with Crowd(side.name, side.ports, side.tokens[_FIRST:], side.rooms[:rooms]):
            after, cpu = resident(side), side.cpu()
            time.sleep(_IDLE_SECONDS)
            share = (side.cpu() - cpu) / _IDLE_SECONDS
    connections = len(side.tokens) - _FIRST
    return {"KB a connection": (after - before) / connections / 1024, "cores while idle": share}


def main() -> None:
    """Measure, and print the table: each turn on fresh servers, for memory is seldom given back."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--rooms", type=int, default=5)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    turns: dict[str, list[dict[str, float]]] = {}
    for _ in range(asked.turns):
        for name in NAMES:
            wanted = Filled(people=asked.connections + _FIRST, rooms=asked.rooms, messages=10)
            with ChatSite(wanted, names=(name,)) as sides:
                turns.setdefault(name, []).append(measure(sides[0], asked.rooms))
    found = report.medians(turns)
    columns = list(found["marquee"])
    heading = f"{asked.connections} idle connections, {asked.rooms} rooms each"
    report.table(heading, ["server", *columns], [[name, *figures.values()] for name, figures in found.items()])
    report.judge(Goal("an idle connection", found["marquee"]["KB a connection"], "at most", GOAL_KB, "KB"))
    report.write("chat_memory", figures={"medians": found, "turns": turns, "goalKb": GOAL_KB})


if __name__ == "__main__":
    main()
