"""Logins: how long bcrypt takes, how many people may come at once, and what everybody else feels of it.

    .venv/bin/python -m bench.logins [--turns 5]

No peer: bcrypt's cost is the same in every language. What differs is whether a server stays awake meanwhile, and
whether it says no at once when it is asked more than it can do.
"""

import argparse
import json
import statistics
import time

from bench import report
from bench.load import Watch, at_once, request
from bench.report import Goal
from bench.screens_site import PASSWORD, ScreensSite

GOAL_LONE_MS, GOAL_HEALTH_MS = 500, 50
COUNTS = (1, 2, 3, 4, 8, 16, 40)


def login() -> bytes:
    """Return the request of somebody who signs in."""
    body = json.dumps({"email": "owner@example.com", "password": PASSWORD}).encode()
    return request("POST", "/api/auth/login", "", body, Content_Type="application/json")


def together(port: int, count: int, turns: int) -> dict[str, float]:
    """Let `count` sign in at once, `turns` times; return what they and the others waited for (medians, maxima)."""
    slowest, served, refused = [], [], []
    with Watch(port) as watch:
        for _ in range(turns):
            answers = at_once(port, [login()] * count)
            if {status for status, _ in answers} - {200, 503}:
                raise ValueError(f"neither signed in nor put off: {answers}")
            served.append(sum(status == 200 for status, _ in answers))
            slowest.append(max((took for status, took in answers if status == 200), default=0.0))
            refused += [took for status, took in answers if status == 503]
            time.sleep(0.05)
    return {
        "signed in": statistics.median(served),
        "slowest ms": statistics.median(slowest) * 1000,
        "put off": count - statistics.median(served),
        "put off within ms": max(refused, default=0.0) * 1000,
        "healthz p99 ms": watch.answers.ms(0.99),
        "healthz max ms": watch.answers.ms(1),
    }


def main() -> None:
    """Measure, print the table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    with ScreensSite(0, items=1) as site:
        at_once(site.port, [login()])
        found = {count: together(site.port, count, asked.turns) for count in COUNTS}
    under = max((count for count, figures in found.items() if figures["slowest ms"] < GOAL_LONE_MS), default=0)
    report.table("People who sign in at once", ["", *found[1]], [[str(n), *found[n].values()] for n in COUNTS])
    print(f"\nAll of {under} at once are in within {GOAL_LONE_MS} ms.")
    report.judge(
        Goal("/healthz p99 while 16 sign in", found[16]["healthz p99 ms"], "at most", GOAL_HEALTH_MS, "ms"),
        Goal("a lone login", found[1]["slowest ms"], "at most", GOAL_LONE_MS, "ms"),
    )
    goals = {"lone ms": GOAL_LONE_MS, "healthz p99 ms at 16": GOAL_HEALTH_MS}
    report.write("logins", figures={str(n): found[n] for n in COUNTS} | {"at once under 500 ms": under}, goals=goals)


if __name__ == "__main__":
    main()
