"""Uploads: the throughput of 50 MB beside a bare handler, and what four of 500 MB at once do to everybody else.

    .venv/bin/python -m bench.uploads [--turns 5] [--large 490]

A 50 MB video goes to Marquee (multipart parsed, hashed, written to disk, checked and stripped in a process of its
own) and to a bare Tornado handler that hashes the same bytes and keeps nothing, in turns. Marquee answers before it
has checked a video this large; `ready` is when it is done with that too. Then four of 500 MB come at once.
"""

import argparse
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import report, videos
from bench.load import Line, Watch, request
from bench.report import Goal
from bench.screens_site import ScreensSite, form

GOAL_RATIO, GOAL_GROWTH_MB, GOAL_HEALTH_MS = 0.6, 48, 50
MB = 1_000_000


def floor(stack: ExitStack) -> int:
    """Start the bare handler and return its port."""
    command = [sys.executable, "-m", "bench.upload_floor"]
    server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(server.kill)
    assert server.stdout is not None
    return int(server.stdout.readline())


def one(site: ScreensSite, floor_port: int, video: bytearray) -> tuple[float, float, float]:
    """Upload one video to both; return the seconds to Marquee's answer, to `ready`, and to the floor's answer."""
    body, content_type = form(bytes(videos.fresh(video)), "film.mp4")
    wire = request("POST", "/api/media", site.token, body, Content_Type=content_type)
    began = time.perf_counter()
    media = site.answered(*site.fetch(wire))
    answered = time.perf_counter() - began
    while media["status"] == "processing":
        time.sleep(0.01)
        media = site.ask("GET", f"/api/media/{media['id']}")
    ready = time.perf_counter() - began
    if media["status"] != "ready":
        raise ValueError(f"a good video is {media['status']}: {media['failure']}")
    site.ask("DELETE", f"/api/media/{media['id']}")
    line = Line(floor_port)
    _, _, bare = line.fetch(request("POST", "/", "", body, Content_Type=content_type))
    line.close()
    return answered, ready, bare


def four(site: ScreensSite, path: Path) -> dict[str, float]:
    """Upload four large videos at once, piece by piece; return what that did to memory and to `/healthz`."""
    process = site.process
    before = peak = process.memory_info().rss
    began = time.perf_counter()
    with Watch(site.port) as watch, ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send, site, path) for _ in range(4)]
        while not all(sender.done() for sender in senders):
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.02)
        for sender in senders:
            sender.result()  # a refused upload is no measurement
    seconds = time.perf_counter() - began
    return {
        "memory growth MB": (peak - before) / MB,
        "healthz p50 ms": watch.answers.ms(0.5),
        "healthz p99 ms": watch.answers.ms(0.99),
        "healthz max ms": watch.answers.ms(1),
        "seconds": seconds,
    }


def send(site: ScreensSite, path: Path) -> None:
    """Send the file as an upload of its own, with other bytes in the middle, and wait for the answer."""
    border, size = secrets.token_hex(12), path.stat().st_size
    head = f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="f.mp4"\r\n\r\n'.encode()
    tail = f"\r\n--{border}--\r\n".encode()
    lines = [
        "POST /api/media HTTP/1.1",
        "Host: bench",
        f"Authorization: Bearer {site.token}",
        f"Content-Length: {len(head) + size + len(tail)}",
        f"Content-Type: multipart/form-data; boundary={border}",
    ]
    line, sent = Line(site.port), 0
    line.ask("\r\n".join([*lines, "", ""]).encode() + head)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            if sent <= size // 2 < sent + len(piece):
                piece = secrets.token_bytes(16) + piece[16:]
            sent += len(piece)
            line.socket.sendall(piece)
    line.socket.sendall(tail)
    while line.hear(keep=True) is None:
        pass
    if line.status != 201:
        raise ValueError(f"an upload was answered {line.status}: {line.body[:300]!r}")


def main() -> None:
    """Measure in turns, print the tables and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--large",
        type=int,
        default=490,
        help="megabytes of each of the four, or 2 per cent more",
    )
    asked = parser.parse_args()
    with ExitStack() as stack:
        site = stack.enter_context(ScreensSite(0, items=1, MARQUEE_WORKSPACE_QUOTA_BYTES=str(10**12)))
        floor_port = floor(stack)
        video = bytearray(videos.write(site.directory / "small.mp4", 50 * MB).read_bytes())
        one(site, floor_port, video)
        turns: dict[str, list[dict[str, float]]] = {}
        for _ in range(asked.turns):
            for name, seconds in zip(("marquee", "until ready", "floor"), one(site, floor_port, video), strict=True):
                turns.setdefault(name, []).append({"seconds": seconds, "MB/s": len(video) / MB / seconds})
        large = videos.write(site.directory / "large.mp4", asked.large * MB)
        show(turns, four(site, large), asked.large)


def show(turns: dict[str, list[dict[str, float]]], at_once: dict[str, float], size: int) -> None:
    """Print and write what was found."""
    figures: dict[str, Any] = report.medians(turns)
    ratio = figures["marquee"]["MB/s"] / figures["floor"]["MB/s"]
    rows = [[name, found["seconds"] * 1000, found["MB/s"]] for name, found in figures.items()]
    report.table("One upload of 50 MB", ["", "ms", "MB/s"], rows)
    report.table(f"Four of {size} MB at once", list(at_once), [list(at_once.values())])
    report.judge(
        Goal("the floor's throughput", ratio, "at least", GOAL_RATIO, "times"),
        Goal("four at once: memory growth", at_once["memory growth MB"], "at most", GOAL_GROWTH_MB, "MB"),
        Goal("four at once: /healthz p99", at_once["healthz p99 ms"], "at most", GOAL_HEALTH_MS, "ms"),
    )
    goals = {"ratio": GOAL_RATIO, "memory growth MB": GOAL_GROWTH_MB, "healthz p99 ms": GOAL_HEALTH_MS}
    report.write("uploads", figures={**figures, "ratio": ratio, "four": at_once}, goals=goals, turns=turns)


if __name__ == "__main__":
    main()
