"""Runs the benchmarks, one after the other, each beside its peers: `python -m bench [NAME ...]`.

They want a quiet machine. docs/performance.md has what they printed here, with the date and the versions.
"""

import shutil
import subprocess
import sys
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
BENCHES = {
    "fanout": "one event to 1,000 sockets, and what an idle socket costs",
    "delivery": "whether the chat loses, repeats or disorders anything under faults",
}


def install_peers() -> None:
    """Install the peers from npm, once; without npm they are left out and the printed table lacks them."""
    if shutil.which("npm") and not (PEERS / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=PEERS, check=True)


def main() -> int:
    """Run those that were named, or all."""
    names = sys.argv[1:] or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        print(f"There is no benchmark {unknown[0]}. There are: {', '.join(BENCHES)}.", file=sys.stderr)
        return 2
    install_peers()
    for name in names:
        print(f"\n{name}: {BENCHES[name]}", flush=True)
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
