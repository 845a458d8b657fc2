"""The client's own targets, with 16 requests at once: reads, uploads, realtime, logins, and the database underneath.

    .venv/bin/python -m bench.targets [--seconds 2]

Everything is measured from outside; reads and database operations also by the server's own metrics, which count
from the headers read to the answer written, and each operation with its wait for a thread.
"""

import argparse
import json
import multiprocessing
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import report, videos
from bench.load import Answers, Line, at_once, play, request
from bench.logins import login
from bench.screen_crowd import ScreenCrowd, text_frame
from bench.screens_site import ScreensSite
from bench.uploads import MB, send

AT_ONCE = 16
GOALS = {"read": 1000, "upload": 5000, "realtime": 100, "query": 300, "login": 500}  # milliseconds
Row = tuple[str, str, float, float, float]  # which target, what, p50, p99, goal: milliseconds
SPAWN = multiprocessing.get_context("spawn")
_SAMPLE = re.compile(r"^(\w+?)(?:_(sum|count|bucket))?\{([^}]*)\} (\S+)$", re.M)


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
        yield "read", f"GET {path.replace(screen, '{id}')}", answers.ms(0.5), answers.ms(0.99), GOALS["read"]


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


def queries(site: ScreensSite) -> Iterator[Row]:
    """Take the server's own averages of its database operations, the slowest first, and the bounds of their p99."""
    text = site.fetch(request("GET", "/metrics"))[1].decode()
    sums: dict[str, dict[str, float]] = {}
    buckets: dict[str, list[tuple[float, float]]] = {}
    for name, kind, labels, value in _SAMPLE.findall(text):
        if name not in {"marquee_store_seconds", "marquee_http_request_seconds"} or not kind:
            continue
        given = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        bound = given.pop("le", "")
        key = f"{name.removeprefix('marquee_')} {' '.join(given.values())}"
        if kind == "bucket":
            buckets.setdefault(key, []).append((float(bound), float(value)))
        else:
            sums.setdefault(key, {})[kind] = float(value)
    for key, of_one in sorted(sums.items(), key=lambda each: -each[1]["sum"] / max(each[1]["count"], 1)):
        if key.startswith("store") and of_one["count"] >= 20:
            p99 = next(le for le, below in buckets[key] if below >= 0.99 * of_one["count"])
            yield "query", key, of_one["sum"] / of_one["count"] * 1000, p99 * 1000, GOALS["query"]


def main() -> None:
    """Measure, print the table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=2)
    asked = parser.parse_args()
    with ScreensSite(1000, MARQUEE_WORKSPACE_QUOTA_BYTES=str(10**12)) as site:
        film = videos.write(site.directory / "film.mp4", 50 * MB)
        rows = [*logins(site), *reads(site, asked.seconds), *realtime(site), *uploads(site, film)]
        rows += list(queries(site))[:12]
    shown = [[target, what, p50, p99, goal, f"{goal / p99:.1f} times"] for target, what, p50, p99, goal in rows]
    heading = "16 requests at once; of queries the average and the bound of the p99, by the server's own metrics"
    report.table(heading, ["target", "", "p50 ms", "p99 ms", "goal ms", "margin"], shown)
    figures = [dict(zip(("target", "what", "p50 ms", "p99 ms", "goal ms"), each, strict=True)) for each in rows]
    report.write("targets", figures=figures)


if __name__ == "__main__":
    main()
