"""A playlist changes: how long until the last of 1,000 screens has heard that it is to fetch its manifest.

    .venv/bin/python -m bench.push [--screens 1000] [--rounds 40]

From the moment that the operator's PUT is sent to the moment that the last screen's socket has `manifest.changed`:
the transaction, 1,000 revisions computed and written, and as many frames through Redis.
"""

import argparse
import json
import time

from bench import report
from bench.load import Line, request
from bench.report import Goal
from bench.screen_crowd import ScreenCrowd
from bench.screens_site import ScreensSite

GOAL_MS = 100


def main() -> None:
    """Measure, print the table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--screens", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=40)
    asked = parser.parse_args()
    with ScreensSite(asked.screens, items=10) as site:
        took = rounds(site, asked.rounds)
    columns = {share: report.percentile(took, share) * 1000 for share in (0.5, 0.9, 0.99)}
    figures = {"p50 ms": columns[0.5], "p90 ms": columns[0.9], "p99 ms": columns[0.99], "max ms": max(took) * 1000}
    heading = f"A playlist change, known to the last of {asked.screens} screens ({asked.rounds} rounds)"
    report.table(heading, list(figures), [list(figures.values())])
    report.judge(Goal("p99, to the last screen", figures["p99 ms"], "at most", GOAL_MS, "ms"))
    report.write("push", figures=figures, goals={"p99 ms": GOAL_MS}, turns=[1000 * each for each in took])


def rounds(site: ScreensSite, count: int) -> list[float]:
    """Change the playlist `count` times; return the seconds of each to the last screen."""
    path = f"/api/playlists/{site.playlist_id}"
    items = site.ask("GET", path)["items"]
    crowd = ScreenCrowd(site.port, [token for _, token in site.screens])
    line, took = Line(site.port), []
    for number in range(count + 3):
        crowd.drain()
        changed = [{key: item[key] for key in ("id", "mediaId")} | {"durationMs": 5000 + number} for item in items]
        body = json.dumps({"items": changed}).encode()
        wire = request("PUT", f"{path}/items", site.token, body, Content_Type="application/json")
        began = time.perf_counter()
        line.ask(wire)
        took.append(crowd.all_hear(b"manifest.changed") - began)
        while line.hear() is None:
            pass
        time.sleep(0.1)
    crowd.close()
    return took[3:]  # the first ones warm up


if __name__ == "__main__":
    main()
