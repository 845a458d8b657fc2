"""What every benchmark hands in: a table on the screen, and a file in bench/results/ that says where it comes from.

    bench/results/<name>.json   {"bench", "command", "machine", "versions", "figures", ...}

`figures` is the bench's own: medians of the turns, with the single turns beside them. Nothing is hidden by
the median: who doubts one reads the turns.
"""

import importlib.metadata
import json
import operator
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
PEERS = Path(__file__).parent / "peers"
_LOAD_AT_START = os.getloadavg()[0]
_HOLDS = {"at least": operator.ge, "at most": operator.le, "under": operator.lt}
_PACKAGES = ("tornado", "uvloop", "motor", "pymongo", "redis", "orjson", "bcrypt")

Turns = Mapping[str, Sequence[Mapping[str, float]]]  # what each server gave in each turn


class Goal(NamedTuple):
    """What was `seen`, and `how` ("at least", "at most", "under") it should stand to what was `asked` for."""

    what: str
    seen: float
    how: str
    asked: float
    unit: str


def medians(turns: Turns) -> dict[str, dict[str, float]]:
    """Return the median of each figure of each server."""
    return {
        name: {figure: statistics.median(turn[figure] for turn in of_one) for figure in of_one[0]}
        for name, of_one in turns.items()
    }


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of `values` lie; the largest where there are few."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def table(heading: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table in Markdown, as docs/performance.md takes it over, and how busy the machine was."""
    print(f"\n{heading}; load {_LOAD_AT_START:.1f} at the start, {os.getloadavg()[0]:.1f} now\n")
    print("|", " | ".join(columns), "|")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("|", " | ".join(value if isinstance(value, str) else f"{value:,.4g}" for value in row), "|")
    sys.stdout.flush()


def judge(*goals: Goal) -> None:
    """Print each goal, what was seen, and whether that reaches it; without goals (part was measured) say so."""
    if not goals:
        print("\nNothing was measured that has a goal.", flush=True)
        return
    rows = [
        [what, f"{how} {asked:,g} {unit}", f"{seen:,.4g} {unit}", "reached" if _HOLDS[how](seen, asked) else "missed"]
        for what, seen, how, asked, unit in goals
    ]
    table("Goals", ("what", "goal", "seen", ""), rows)
    if 2 * (os.cpu_count() or 1) < _LOAD_AT_START:
        print("\nThe machine was busy before this began: these figures tell little.", flush=True)


def write(name: str, **found: Any) -> Path:
    """Write the result file of the bench `name`, and return where it is."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    document = {
        "bench": name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python", "-m", f"bench.{name}", *sys.argv[1:]]),
        "commit": _said("git", "rev-parse", "--short", "HEAD"),
        "machine": machine(),
        "versions": versions(),
        **found,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    print(
        f"\nwritten: {shown}. Git tracks it: commit it if these figures count, else `git checkout {shown}`.", flush=True
    )
    return path


def machine() -> dict[str, Any]:
    """Return what the figures were taken on, and how busy that was just now."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": models[0].partition(": ")[2] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memoryGiB": round(pages * size / 2**30),
        "system": platform.platform(),
        "load1m": round(os.getloadavg()[0], 1),
    }


def versions() -> dict[str, str]:
    """Return the versions of everything that was measured or measured with."""
    found = {"python": platform.python_version()}
    found |= {name: importlib.metadata.version(name) for name in _PACKAGES}
    found["redis-server"] = _said("redis-server", "--version").partition("v=")[2].partition(" ")[0]
    found["node"] = _said("node", "--version")
    for manifest in sorted((PEERS / "node_modules").glob("*/package.json")):
        if manifest.parent.name in {"express", "mongoose", "socket.io", "ws", "jsonwebtoken"}:
            found[f"npm:{manifest.parent.name}"] = json.loads(manifest.read_text())["version"]
    return found


def _said(program: str, *arguments: str) -> str:
    """Return what a program prints, or nothing where it is not there."""
    where = shutil.which(program)
    if where is None:
        return ""
    return subprocess.run([where, *arguments], capture_output=True, text=True, check=False).stdout.strip()
