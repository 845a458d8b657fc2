"""What operators and players read most: `GET /api/screens` and `GET /api/display/manifest`, beside Express + Mongoose.

    .venv/bin/python -m bench.reads [--screens 10000] [--seconds 3] [--turns 3] [--only screens]

Both servers have the same documents under the same indexes in one MongoDB, and are asked the same things over
16 connections, in turns: pages of 50 of 10,000 screens by several filters and sorts, with `total` and cursor; a
manifest of 20 items in full, and one that has not changed (304).

Marquee reads once for those who ask for the same list at the same moment, so lists are asked for in three ways:
ten of them by sixteen connections, as people do who look at the first pages; so many that no two connections ask for
the same at a time, where nothing is shared; and one by all. Marquee looks up sessions, counts rate limits in
Redis, joins the live state of screens from Redis, counts metrics and writes a log line; the peer verifies its JWT.
"""

import argparse
import json
import os
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pymongo

from bench import report
from bench.load import Line, play, request
from bench.report import Goal
from bench.screens_site import ScreensSite

APP = Path(__file__).parent / "peers" / "express-socketio" / "app.js"
COPIED = ("workspaces", "screens", "playlists", "emergencies")
GOAL, WITHOUT_GOAL = 1.5, ("different lists", "one list")  # times the peer's requests/s; what is only to be known
DEEP = 16  # pages of each list: 80 requests, of which 16 connections are always five apart
LISTS = (
    "?status=online&sort=-lastSeenAt",
    "?status=online&sort=name",
    "?tag=window&sort=-createdAt",
    "?inSync=true&sort=-name",
    "?status=offline&sort=createdAt",
)
_SIGN = "import('./auth.js').then(({ sign }) => console.log(process.argv.slice(1).map(sign).join(' ')))"


class Peer:
    """The Express server over a copy of the site's documents, from `with` to its end."""

    def __init__(self, site: ScreensSite) -> None:
        peers = pymongo.MongoClient(site.mongodb_url)["peer"]
        for name in COPIED:
            site.database[name].aggregate([{"$out": {"db": peers.name, "coll": name}}])
        self._environ = {
            **os.environ,
            "PEER_MONGODB_URL": site.mongodb_url,
            "PEER_REDIS_URL": site.redis_url,
            "PEER_JWT_SECRET": secrets.token_urlsafe(32),
            "NODE_ENV": "production",
        }

    def __enter__(self) -> "Peer":
        self._process = subprocess.Popen(["node", str(APP)], env=self._environ, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.process = psutil.Process(self._process.pid)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def tokens(self, *subjects: str) -> list[str]:
        """Return a JWT for each of these ids."""
        command = ["node", "-e", _SIGN, *subjects]
        return subprocess.check_output(command, cwd=APP.parent, env=self._environ, text=True).split()


def pages(port: int, token: str, *, deep: int = 2) -> list[bytes]:
    """Return requests for the first `deep` pages of every list."""
    line, found = Line(port), []
    for query in LISTS:
        cursor = ""
        for _ in range(deep):
            wire = request("GET", f"/api/screens{query}{cursor}", token)
            status, body, _ = line.fetch(wire)
            answer = json.loads(body)
            if status != 200 or len(answer["items"]) != 50:
                raise ValueError(f"{query}: {status}, {len(answer.get('items', []))} screens")
            found.append(wire)
            cursor = f"&cursor={answer['next']}"
    line.close()
    return found


def manifests(port: int, tokens: Sequence[str], *, unchanged: bool) -> list[bytes]:
    """Return requests for the manifests of these screens; the `unchanged` ones carry the tag that they have."""
    line, found = Line(port), []
    for token in tokens:
        line.ask(request("GET", "/api/display/manifest", token))
        while line.hear(keep=True) is None:
            pass
        tag = {"If_None_Match": line.header("etag")} if unchanged else {}
        found.append(request("GET", "/api/display/manifest", token, **tag))
    line.close()
    return found


def measure(port: int, process: psutil.Process, wires: Sequence[bytes], seconds: float) -> dict[str, float]:
    """Return requests/s, the server's own processor milliseconds for each, p50 and p99."""
    play(port, wires, seconds=0.5)
    before = process.cpu_times()
    answers = play(port, wires, seconds=seconds)
    after = process.cpu_times()
    if set(answers.statuses) - {200, 304}:
        raise ValueError(f"not all were answered: {answers.statuses}")
    cpu = (after.user + after.system - before.user - before.system) / len(answers.took)
    return {"requests/s": answers.rate, "cpu ms": cpu * 1000, "p50 ms": answers.ms(0.5), "p99 ms": answers.ms(0.99)}


def main() -> None:
    """Measure in turns, print the table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--screens", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", default="", help="measure only what has this in its name")
    asked = parser.parse_args()
    turns: dict[str, dict[str, list[dict[str, float]]]] = {}
    with ScreensSite(asked.screens) as site, Peer(site) as peer:
        some = site.screens[:16]
        owner, *displays = peer.tokens(site.owner_id, *(screen_id for screen_id, _ in some))
        servers: dict[str, tuple[Any, str, list[str]]] = {
            "marquee": (site, site.token, [token for _, token in some]),
            "express": (peer, owner, displays),
        }
        wires = {
            name: {
                "GET /api/screens, ten lists": (lists := pages(server.port, token)),
                "GET /api/screens, different lists": pages(server.port, token, deep=DEEP),
                "GET /api/screens, one list": lists[:1],
                "GET /api/display/manifest": manifests(server.port, tokens, unchanged=False),
                "GET /api/display/manifest, 304": manifests(server.port, tokens, unchanged=True),
            }
            for name, (server, token, tokens) in servers.items()
        }
        for what in (each for each in wires["marquee"] if asked.only in each):
            for _ in range(asked.turns):
                for name, (server, *_others) in servers.items():
                    found = measure(server.port, server.process, wires[name][what], asked.seconds)
                    turns.setdefault(what, {}).setdefault(name, []).append(found)
    show(turns)


def show(turns: dict[str, dict[str, list[dict[str, float]]]]) -> None:
    """Print and write the medians and the ratios."""
    figures, rows, goals = {}, [], []
    for what, of_both in turns.items():
        both = report.medians(of_both)
        ratio = both["marquee"]["requests/s"] / both["express"]["requests/s"]
        figures[what] = {**both, "ratio": ratio}
        if not what.endswith(WITHOUT_GOAL):
            figures[what]["goal"] = GOAL
            goals.append(Goal(f"the peer's requests/s, {what}", ratio, "at least", GOAL, "times"))
        rows += [[what, name, *found.values()] for name, found in both.items()]
        rows.append([what, f"**{ratio:.2f} times**", "", "", "", ""])
    report.table("16 connections", ["", "", "requests/s", "CPU ms each", "p50 ms", "p99 ms"], rows)
    report.judge(*goals)
    report.write("reads", figures=figures, turns=turns)


if __name__ == "__main__":
    main()
