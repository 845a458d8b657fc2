"""How costs grow: per screen, per connection and per message, from 100 to 10,000, on one process.

    .venv/bin/python -m bench.growth [--most 10000]

Each figure is what one more costs where there are n already, so a flat line is what one wants. The server's own
processor time is in it, not its stores'; times of answers have everything in them. Writes a table and plots.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence

from bench import plot, report
from bench.load import Line, play, request
from bench.screen_crowd import ScreenCrowd
from bench.screens_site import ScreensSite

SIZES = (100, 300, 1000, 3000, 10_000)
Found = dict[str, float]


def used(site: ScreensSite, work: Callable[[], int]) -> float:
    """Return the milliseconds of processor time that the server took for each of what `work` counts."""
    before = site.process.cpu_times()
    count = work()
    after = site.process.cpu_times()
    return (after.user + after.system - before.user - before.system) / count * 1000


def lone(port: int, wire: bytes, times: int = 40) -> float:
    """Return the median milliseconds of an answer when nobody else asks."""
    line = Line(port)
    took = [line.fetch(wire)[2] for _ in range(times)]
    line.close()
    return report.percentile(took, 0.5) * 1000


def per_screen(site: ScreensSite, sizes: Sequence[int]) -> dict[int, Found]:
    """Ask for lists, the overview and a manifest where there are so many screens."""
    found = {}
    for size in sizes:
        site.add_screens(size - len(site.screens))
        pages = request("GET", "/api/screens?status=online&sort=-lastSeenAt", site.token)
        found[size] = {
            "GET /api/screens, ms": lone(site.port, pages),
            "GET /api/overview, ms": lone(site.port, request("GET", "/api/overview", site.token)),
            "GET /api/display/manifest, ms": lone(
                site.port, request("GET", "/api/display/manifest", site.screens[-1][1])
            ),
            "CPU of a list, ms": used(site, lambda pages=pages: len(play(site.port, [pages], seconds=1).took)),
        }
    return found


def per_connection(site: ScreensSite, sizes: Sequence[int]) -> dict[int, Found]:
    """Connect more and more screens; return what one more costs, in memory and in processor time."""
    crowds, found, before = [], {}, site.process.memory_info().rss
    for size in sizes:
        there = sum(len(crowd.sockets) for crowd in crowds)
        tokens = [token for _, token in site.screens[there:size]]

        def connect(tokens: list[str] = tokens) -> int:
            crowds.append(ScreenCrowd(site.port, tokens))
            return len(tokens)

        cpu = used(site, connect)
        for crowd in crowds:
            crowd.drain()
        time.sleep(0.5)
        found[size] = {
            "memory of each, KB": (site.process.memory_info().rss - before) / size / 1000,
            "CPU to connect one, ms": cpu,
        }
    for crowd in crowds:
        crowd.close()
    return found


def per_message(site: ScreensSite, sizes: Sequence[int]) -> dict[int, Found]:
    """Fill a room; return what one more message costs, and reading the newest 50."""
    found, there, lines = {}, 0, [Line(site.port) for _ in range(16)]
    room = site.ask("POST", "/api/rooms", {"name": "growth", "type": "public"})["id"]
    history = request("GET", f"/api/messages?room={room}&limit=50", site.token)
    middle = request("GET", f"/api/messages?room={room}&limit=50&around=50", site.token)
    for size in sizes:

        def fill(count: int = size - there) -> int:
            wires = [message(site.token, room, f"Message {number} of a room that fills.") for number in range(count)]
            for start in range(0, count, len(lines)):
                asked = list(zip(lines, wires[start : start + len(lines)], strict=False))
                for line, wire in asked:
                    line.ask(wire)
                for line, _ in asked:
                    while line.hear() is None:
                        pass
            return count

        cpu = used(site, fill)
        there = size
        found[size] = {
            "CPU to send one, ms": cpu,
            "a lone send, ms": lone(site.port, message(site.token, room, "One more."), 20),
            "the newest 50, ms": lone(site.port, history),
            "50 around the 50th, ms": lone(site.port, middle),
        }
    return found


def message(token: str, room: str, content: str) -> bytes:
    """Return the request that sends a message."""
    body = json.dumps({"room": room, "content": content}).encode()
    return request("POST", "/api/messages", token, body, Content_Type="application/json")


def main() -> None:
    """Measure, print the tables, draw the plots and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--most", type=int, default=SIZES[-1])
    asked = parser.parse_args()
    sizes = [size for size in SIZES if size <= asked.most]
    with ScreensSite(sizes[0], items=10) as site:
        found = {
            "screen": per_screen(site, sizes),
            "connection": per_connection(site, sizes),
            "message": per_message(site, sizes),
        }
    report.RESULTS.mkdir(exist_ok=True)
    for what, by_size in found.items():
        columns = list(by_size[sizes[0]])
        rows = [[f"{size:,}", *figures.values()] for size, figures in by_size.items()]
        report.table(f"What one more {what} costs", ["there are", *columns], rows)
        series = {name: [(size, figures[name]) for size, figures in by_size.items()] for name in columns}
        plot.lines(report.RESULTS / f"growth-{what}.svg", f"Cost per {what}", "ms (or KB)", series)
    print("\nNo goal was set: a flat line is what one wants.")
    report.write("growth", figures=found)


if __name__ == "__main__":
    main()
