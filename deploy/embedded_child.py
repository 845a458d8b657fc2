"""The watchdog of the embedded stores: starts them, and ends them when the server ends, however that ends.

Run as `python -I -S embedded_child.py <order>`, so it is the standard library only, and one thread. The
order is a JSON object: `parent` (process id), `stores` (name -> `argv`, `log`), `keep` (descriptors that
the stores inherit: the lock on the data directory, so that it is free only when the last of them has
ended) and `remove` (directories to delete at the end).

The parent says `ready` on standard input when the stores answer, and `stop` when it wants them ended. It
may also just be gone: then standard input ends, or, if some other child of it still holds that pipe, our
parent's id changes. Should the watchdog itself be killed, the kernel sends the stores SIGTERM.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# How long a store may take to write what it holds in memory before it is killed, in seconds.
GRACE = 20.0
# How long at most the parent's end goes unnoticed while another process holds its pipe, in seconds.
LOOK = 0.25
# A store that dies once all were ready is started again after this pause, in seconds.
PAUSE = 1.0
PR_SET_PDEATHSIG = 1


def main() -> int:
    """Watch until told to stop, or until the parent is gone; return the exit status."""
    order = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    running: dict[str, subprocess.Popen[bytes]] = {}
    status = 0
    try:
        for name, store in order["stores"].items():
            running[name] = _launch(store, order["keep"])
        _watch(order, running)
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end(list(running.values()))
        for directory in order["remove"]:
            shutil.rmtree(directory, ignore_errors=True)
    return status


def _watch(order: dict[str, Any], running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Return when the stores should end; raise SystemExit(1) when one dies before all were ready."""
    ready = False
    while os.getppid() == order["parent"]:
        if select.select([0], [], [], LOOK)[0]:
            told = os.read(0, 64)
            if not told or b"stop" in told:
                return
            ready = ready or b"ready" in told
        for name, process in running.items():
            if process.poll() is None:
                continue
            print(json.dumps({"died": name, "status": process.returncode}), flush=True)
            if not ready:
                raise SystemExit(1)
            time.sleep(PAUSE)
            running[name] = _launch(order["stores"][name], order["keep"])


def _launch(store: dict[str, Any], keep: list[int]) -> subprocess.Popen[bytes]:
    with Path(store["log"]).open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - the arguments are ours
            store["argv"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=keep,
            env={"LC_ALL": "C", "PATH": os.defpath},  # mongod does not start under a locale that is not installed
            preexec_fn=_die_with_us(),  # noqa: PLW1509 - safe, as this process has one thread
        )


def _die_with_us() -> Callable[[], None]:
    """Return what a store does between fork and exec: ask the kernel to end it when the watchdog ends."""
    watchdog = os.getpid()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def ask() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != watchdog:  # it died before we asked
            os._exit(1)

    return ask


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _stop(*_: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
