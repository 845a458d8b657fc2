"""9,000 screens on one process: memory of an idle socket, what their beats cost, and how soon a silent one is missed.

    .venv/bin/python -m bench.sockets [--screens 9000] [--peers 9000]

The screens authenticate, are idle (resident memory each, beside as many sockets of Socket.IO), then beat every 15 s.
Fifty of them beat once and fall silent: they are due as offline after three missed beats.
"""

import argparse
import json
import subprocess
import time
from typing import Any

import psutil

from bench import report
from bench.fanout import PEERS, Crowd, kinds
from bench.report import Goal
from bench.screen_crowd import ScreenCrowd, text_frame
from bench.screens_site import ScreensSite

BEAT_SECONDS, MISSED, SILENT = 15, 3, 50
GOALS = {"bytes/socket": 20_000, "core share": 0.5, "late s": BEAT_SECONDS}


def peer(count: int) -> float:
    """Return the resident bytes of an idle socket of Socket.IO, of `count`."""
    kind = kinds("")["socket.io"]
    with subprocess.Popen(["node", str(PEERS / "fanout-socketio.js")], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().split()[0])
            Crowd(port, "", 20, kind).close()
            before = resident(server.pid)
            crowd = Crowd(port, "", count, kind)
            after = resident(server.pid)
            crowd.close()
            return (after - before) / count
        finally:
            server.kill()


def resident(pid: int) -> int:
    """Return a process's resident memory, once it has settled: the least of two seconds."""
    process, seen = psutil.Process(pid), []
    for _ in range(10):
        time.sleep(0.2)
        seen.append(process.memory_info().rss)
    return int(min(seen))


class Beating:
    """All sockets of a crowd beat every BEAT_SECONDS, spread over that time; the first SILENT ones only once."""

    def __init__(self, crowd: ScreenCrowd, revision: str) -> None:
        self._crowd = crowd
        data = {"status": "online", "appliedRevision": revision, "metrics": {"cpu": 0.31, "freeMb": 412}}
        self._frame = text_frame(json.dumps({"type": "heartbeat", "id": 1, "data": data}).encode())
        self.beats = 0
        self.silent_since = 0.0
        self._next = 0

    def go_on(self, seconds: float, *, everybody: bool = False) -> None:
        """Beat for `seconds`; `everybody` includes those that will fall silent."""
        sockets = self._crowd.sockets if everybody else self._crowd.sockets[SILENT:]
        began, sent, rate = time.monotonic(), 0, len(sockets) / BEAT_SECONDS
        while (passed := time.monotonic() - began) < seconds:
            while sent < passed * rate:
                sockets[self._next % len(sockets)].sendall(self._frame)
                self._next, sent = self._next + 1, sent + 1
            self._crowd.drain()
            time.sleep(0.005)
        self.beats += sent
        if everybody:
            for one in self._crowd.sockets[:SILENT]:
                one.sendall(self._frame)
            self.silent_since = time.monotonic()


def late(site: ScreensSite, beating: Beating) -> tuple[list[float], float, int]:
    """Beat on; return how late (seconds) each silent screen was missed, the core's share and the beats meanwhile."""
    silent, found, before = {one for one, _ in site.screens[:SILENT]}, [], site.process.cpu_times()
    began, beats = time.monotonic(), beating.beats
    due = beating.silent_since + BEAT_SECONDS * MISSED
    while silent and time.monotonic() < due + 2 * BEAT_SECONDS:
        beating.go_on(0.5)
        query = {"_id": {"$in": list(silent)}, "status": "offline"}
        gone = {each["_id"] for each in site.database.screens.find(query, {"_id": 1})}
        found += [time.monotonic() - due] * len(gone)
        silent -= gone
    after = site.process.cpu_times()
    if silent:
        raise TimeoutError(f"{len(silent)} silent screens were not missed")
    share = (after.user + after.system - before.user - before.system) / (time.monotonic() - began)
    return found, share, beating.beats - beats


def measure(site: ScreensSite) -> dict[str, Any]:
    """Connect all, let them be idle, and let them beat."""
    tokens = [token for _, token in site.screens]
    ScreenCrowd(site.port, tokens[:20]).close()
    before = resident(site.process.pid)
    began = time.perf_counter()
    crowd = ScreenCrowd(site.port, tokens)
    connected = time.perf_counter() - began
    idle = (resident(site.process.pid) - before) / len(tokens)
    beating = Beating(crowd, site.database.screens.find_one({"_id": site.screens[0][0]})["revision"])
    beating.go_on(BEAT_SECONDS, everybody=True)
    lateness, share, beats = late(site, beating)
    crowd.close()
    return {
        "connected in s": connected,
        "bytes/socket": idle,
        "core share": share,
        "CPU ms/beat": share * (lateness[-1] + BEAT_SECONDS * MISSED) / beats * 1000,
        "late s": max(lateness),
        "beating bytes/socket": (resident(site.process.pid) - before) / len(tokens),
    }


def main() -> None:
    """Measure, print the table and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--screens", type=int, default=9000)
    parser.add_argument("--peers", type=int, default=9000)
    asked = parser.parse_args()
    with ScreensSite(asked.screens, items=5) as site:
        marquee = measure(site)
    others = peer(asked.peers)
    figures = {"marquee": marquee, "socket.io bytes/socket": others}
    rows = [*marquee.items(), (f"bytes/socket of Socket.IO ({asked.peers})", others)]
    report.table(f"{asked.screens} screens", ["", ""], rows)
    report.judge(
        Goal("memory of an idle screen", marquee["bytes/socket"] / 1000, "at most", GOALS["bytes/socket"] / 1000, "KB"),
        Goal("the same, beside Socket.IO's", marquee["bytes/socket"] / 1000, "at most", others / 1000, "KB"),
        Goal("all beating", marquee["core share"], "at most", GOALS["core share"], "cores"),
        Goal("a silent screen is offline, after it is due", marquee["late s"], "at most", GOALS["late s"], "s"),
    )
    report.write("sockets", figures=figures, goals=GOALS)


if __name__ == "__main__":
    main()
