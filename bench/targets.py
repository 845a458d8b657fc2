"""The client's own targets, with 16 requests at once: reads, uploads, realtime, logins, and the database underneath.

    .venv/bin/python -m bench.targets [--seconds 2]

Everything is measured from outside. What the server's own metrics say of the same time stands behind it: requests by
route, from the headers read to the answer written, handing events to sockets, and database operations, each with its
wait for a thread. Metrics are sums and buckets, so of these there are averages, and bounds of p50 and p99.
"""

import argparse
import json
import multiprocessing
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from bench import report, videos
from bench.load import Answers, Line, at_once, play, request
from bench.logins import login
from bench.report import Goal
from bench.screen_crowd import ScreenCrowd, text_frame
from bench.screens_site import ScreensSite
from bench.uploads import MB, send

AT_ONCE = 16
GOALS = {"read": 1000, "upload": 5000, "realtime": 100, "query": 300, "login": 500}  # milliseconds
Row = tuple[str, str, float, float, float]  # which target, what, p50, p99, goal: milliseconds
Own = tuple[str, str, float, float, float, float]  # the same by the server's metrics: average, bounds of p50 and p99
METRICS = {
    "marquee_http_request_seconds": "read",
    "marquee_fanout_seconds": "realtime",
    "marquee_store_seconds": "query",
}
LOGIN, UPLOAD = "/api/auth/login", "/api/media"
FEWEST = 10  # of which an average is told
MOST = 12  # that are told of each target: the slowest
SPAWN = multiprocessing.get_context("spawn")


def reads(site: ScreensSite, seconds: float) -> Iterator[Row]:
    """Ask for everything that people and screens look at, 16 at once, kind by kind."""
    screen, token = site.screens[0]
    paths = {
        "/api/screens?status=online&sort=name": site.token,
        "/api/screens?search=berlin": site.token,
        f"/api/screens/{screen}": site.token,
        "/api/overview": site.token,
        "/api/playlists": site.token,
        f"/api/playlists/{site.playlist_id}": site.token,
        "/api/media": site.token,
        "/api/display/manifest": token,
        "/api/users/profile": site.token,
        "/api/rooms": site.token,
        "/api/messages?room=general&limit=50": site.token,
    }
    for path, whose in paths.items():
        answers = play(site.port, [request("GET", path, whose)], connections=AT_ONCE, seconds=seconds)
        if set(answers.statuses) != {200}:
            raise ValueError(f"{path}: {answers.statuses}")
        what = path.replace(screen, "{id}").replace(site.playlist_id, "{id}")
        yield "read", f"GET {what}", answers.ms(0.5), answers.ms(0.99), GOALS["read"]


def uploads(site: ScreensSite, path: Path) -> Iterator[Row]:
    """Upload 50 MB alone and 16 at once."""
    for count in (1, AT_ONCE):
        took: list[float] = []

        def one(took: list[float] = took) -> None:
            began = time.perf_counter()
            send(site, path)
            took.append(time.perf_counter() - began)

        senders = [threading.Thread(target=one) for _ in range(count)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        if len(took) != count:
            raise ValueError("an upload failed")
        yield row("upload", f"50 MB video, {count} at once", took, GOALS["upload"])


def realtime(site: ScreensSite, rounds: int = 40) -> Iterator[Row]:
    """Edit a screen while 16 connections read; take the time until a dashboard was told."""
    dashboard = ScreenCrowd(site.port, [site.token], path="/ws/dashboard", ready=b"hello")
    frame = {"type": "subscribe", "id": 1, "data": {"workspaceId": site.workspace_id}}
    dashboard.sockets[0].sendall(text_frame(json.dumps(frame).encode()))
    dashboard.all_hear(b'"reply"')
    wire = request("GET", "/api/playlists", site.token)
    for busy in (False, True):
        took: list[float] = []
        # A process of its own: the readers' work would be in the time that is measured here.
        readers = SPAWN.Process(target=play, args=(site.port, [wire]), kwargs={"seconds": rounds * 0.1})
        if busy:
            readers.start()
            time.sleep(1)
        line = Line(site.port)
        for number in range(rounds):
            body = json.dumps({"location": f"Hall {number}"}).encode()
            path, began = f"/api/screens/{site.screens[number][0]}", time.perf_counter()
            line.ask(request("PATCH", path, site.token, body, Content_Type="application/json"))
            took.append(dashboard.all_hear(b"screen.updated") - began)
            while line.hear() is None:
                pass
            time.sleep(0.05)
        if busy:
            readers.join()
        yield row("realtime", f"an edit, on a dashboard{', 16 reading' if busy else ''}", took, GOALS["realtime"])


def logins(site: ScreensSite) -> Iterator[Row]:
    """Sign in alone, ten times."""
    took = [at_once(site.port, [login()])[0][1] for _ in range(10)]
    yield row("login", "a lone login", took, GOALS["login"])


def row(target: str, what: str, took: Sequence[float], goal: float) -> Row:
    """Return a line of the table."""
    answers = Answers(took=list(took))
    return target, what, answers.ms(0.5), answers.ms(0.99), goal


@dataclass
class Histogram:
    """What a server has counted of one thing: how often, how long in all, and how often at most so long (seconds)."""

    count: float = 0.0
    sum: float = 0.0
    within: dict[float, float] = field(default_factory=dict)

    def take(self, sample: Any, bound: str) -> None:
        """Take a sample of the metrics' text."""
        if sample.name.endswith("_bucket"):
            self.within[float(bound)] = sample.value
        elif sample.name.endswith("_sum"):
            self.sum = sample.value
        else:
            self.count = sample.value

    def since(self, before: "Histogram") -> "Histogram":
        """Return what has come since `before`."""
        within = {bound: count - before.within[bound] for bound, count in self.within.items()}
        return Histogram(self.count - before.count, self.sum - before.sum, within)

    def figures(self) -> tuple[float, float, float]:
        """Return the average and the bounds of p50 and p99, in milliseconds."""
        p50, p99 = (min(bound for bound, n in self.within.items() if n >= share * self.count) for share in (0.5, 0.99))
        return self.sum / self.count * 1000, p50 * 1000, p99 * 1000


Counted = dict[str, dict[str, Histogram]]  # by metric, by what its labels say


def counted(site: ScreensSite) -> Counted:
    """Ask the server for what it has counted until now."""
    found: Counted = {}
    for family in text_string_to_metric_families(site.fetch(request("GET", "/metrics"))[1].decode()):
        for sample in family.samples if family.name in METRICS else ():
            labels = dict(sample.labels)
            bound = labels.pop("le", "")
            of_one = found.setdefault(family.name, {})
            of_one.setdefault(" ".join(labels.values()), Histogram()).take(sample, bound)
    return found


def told(before_uploads: Counted, after: Counted) -> Iterator[Own]:
    """Return the server's own figures, the slowest of each target first. Uploads have a route that reads have too."""
    for metric, target in METRICS.items():
        histograms = (after if target == "query" else before_uploads)[metric]
        often = {what: each.figures() for what, each in histograms.items() if each.count >= FEWEST}
        for what, figures in sorted(often.items(), key=lambda each: -each[1][0])[:MOST]:
            kind = "login" if what == LOGIN else target
            yield kind, what or "one event to all sockets", *figures, GOALS[kind]
    requests = [moment["marquee_http_request_seconds"][UPLOAD] for moment in (before_uploads, after)]
    yield "upload", f"{UPLOAD}, 50 MB", *requests[1].since(requests[0]).figures(), GOALS["upload"]


def main() -> None:
    """Measure, print the tables and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=2)
    asked = parser.parse_args()
    with ScreensSite(1000, MARQUEE_WORKSPACE_QUOTA_BYTES=str(10**12)) as site:
        film = videos.write(site.directory / "film.mp4", 50 * MB)
        rows = [*logins(site), *reads(site, asked.seconds), *realtime(site)]
        before_uploads = counted(site)
        rows += uploads(site, film)
        own = list(told(before_uploads, counted(site)))
    figures = show("16 requests at once, from outside", ("p50 ms", "p99 ms"), rows)
    by_the_server = show(
        "The same by the server's own metrics", ("average ms", "p50 at most ms", "p99 at most ms"), own
    )
    report.judge(*goals_of(rows, own))
    report.write("targets", figures=figures, byTheServer=by_the_server)


def goals_of(rows: Sequence[Row], own: Sequence[Own]) -> Iterator[Goal]:
    """Yield the goals. The slowest of each target counts: its p99 from outside, of queries the average."""
    for target, goal in GOALS.items():
        what, figures = ("average", own) if target == "query" else ("p99", [(*each[:2], each[3]) for each in rows])
        yield Goal(f"the slowest {target}, {what}", max(f[2] for f in figures if f[0] == target), "at most", goal, "ms")


def show(heading: str, columns: Sequence[str], rows: Sequence[Row | Own]) -> list[dict[str, Any]]:
    """Print a table, with how many times a goal is of its p99; return its rows with their columns' names."""
    columns = ("target", "what", *columns, "goal ms")
    report.table(heading, [*columns, "margin"], [[*each, f"{each[-1] / each[-2]:.1f} times"] for each in rows])
    return [dict(zip(columns, each, strict=True)) for each in rows]


if __name__ == "__main__":
    main()
