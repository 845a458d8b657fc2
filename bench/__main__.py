"""Runs the benchmarks, one after the other: `make bench`, or `make bench ARGS="NAME ..."` for some.

All of them take about half an hour, and want a quiet machine. One alone takes its options too:
`make bench ARGS="reads --help"`. Each prints its goals, if it has any, and whether they were reached, and writes its
figures to bench/results/NAME.json. docs/performance.md has what was seen, with the date and the versions.
"""

import shutil
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
ALONE = {"push", "uploads", "logins", "targets", "growth", "chat_processes", "delivery"}  # beside no peer from npm
BENCHES = {
    "fanout": "one event to 1,000 sockets, and what an idle socket costs",
    "reads": "screen lists and manifests, beside Express and Mongoose",
    "push": "a playlist change, until the last of 1,000 screens knows",
    "sockets": "9,000 screens: memory, beats, and how soon a silent one is missed",
    "uploads": "50 MB beside a bare handler, and four of 500 MB at once",
    "logins": "people who sign in at once, and what the others feel of it",
    "targets": "the client's own targets, with 16 requests at once",
    "growth": "what one more screen, connection or message costs, from 100 to 10,000",
    "chat_history": "the newest 50 messages of a room over HTTP",
    "chat_send": "messages sent and acknowledged, alone, in one room and in many",
    "chat_processes": "the same with two and four processes, and what their turns on a busy room cost",
    "chat_shown": "from sending on one process to showing on another",
    "chat_room": "deliveries in a room of 1,000 members",
    "chat_resume": "1,000 clients that come back at once, 100 messages behind",
    "chat_memory": "what an idle chat connection costs",
    "delivery": "whether the chat loses, repeats or disorders anything under faults",
}


def install_peers() -> None:
    """Install the peers from npm, again when the lock has changed."""
    wanted, there = PEERS / "package-lock.json", PEERS / "node_modules" / ".package-lock.json"
    if not shutil.which("npm"):
        print("There is no npm on the PATH: what is measured beside a peer from it cannot be.", file=sys.stderr)
    elif not there.exists() or there.stat().st_mtime < wanted.stat().st_mtime:
        print("Installing the peers to measure beside, into bench/peers/node_modules.", flush=True)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=PEERS, check=True)


def main() -> int:
    """Run those that were named, or all."""
    names, options = sys.argv[1:] or list(BENCHES), list[str]()
    if names[0] in {"-h", "--help"}:
        print(__doc__, *[f"{name:15} {about}" for name, about in BENCHES.items()], sep="\n")
        return 0
    if len(names) > 1 and names[1].startswith("-"):
        names, options = names[:1], names[1:]
    if unknown := [name for name in names if name not in BENCHES]:
        print(f"There is no benchmark {unknown[0]}. There are: {', '.join(BENCHES)}.", file=sys.stderr)
        print('One alone takes options: make bench ARGS="reads --help"', file=sys.stderr)
        return 2
    if not ALONE.issuperset(names) and "--help" not in options:
        install_peers()
    for name in names:
        print(f"\n{name}: {BENCHES[name]}", flush=True)
        if status := subprocess.run([sys.executable, "-m", f"bench.{name}", *options], check=False).returncode:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
