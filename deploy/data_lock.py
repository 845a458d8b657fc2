"""Who has the stores of a data directory: one server at a time, known by a lock that outlives its death.

The lock is an flock on `stores.lock`, inherited by the watchdog and both stores, so it is free exactly
when the last of them has ended, even where the server was killed. The file's content says whose it is
and on what ports, for the next start and for commands that run beside the server.
"""

import contextlib
import fcntl
import json
import os
import secrets
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from deploy.engines import EmbeddedStoresError

# A server that was killed leaves stores that are still writing; the watchdog gives them 20 s.
_HANDOVER_LIMIT = 25.0
# Below the ports that Linux hands out by itself, so that no outgoing connection takes ours meanwhile.
_PORTS = range(20000, 32000)


class DataLock:
    """The lock on one data directory, held by this process until the block ends (and by whom it was passed on to)."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock. Raises EmbeddedStoresError when a living server has it, or nobody living gives it back."""
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = data_dir / "stores.lock"
        self.descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._take()
        except BaseException:
            os.close(self.descriptor)
            raise
        self._ports: dict[str, int] = _read(self._path).get("ports", {})
        self._taken: set[int] = set()
        self._write({})

    def port(self, name: str) -> int:
        """Return a free loopback port for the store `name`: the one it had last time, if that is still free."""
        port = self._ports.get(name, 0)
        while port not in _PORTS or port in self._taken or not is_free(port):
            port = secrets.choice(_PORTS)
        self._taken.add(port)
        self._ports[name] = port
        return port

    def announce(self, urls: dict[str, str]) -> None:
        """Write down that the stores answer at `urls`."""
        self._write(urls)

    def _take(self) -> None:
        deadline = time.monotonic() + _HANDOVER_LIMIT
        while True:
            try:
                return fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = _read(self._path)
                if _lives(owner) or time.monotonic() > deadline:
                    raise EmbeddedStoresError(
                        f"Another server (process {owner.get('pid', 'unknown')}) runs its own stores in "
                        f"{self._path.parent}: stop it, set another MARQUEE_DATA_DIR, or give both servers "
                        "the same MARQUEE_MONGODB_URL and MARQUEE_REDIS_URL."
                    ) from None
                time.sleep(0.1)

    def _write(self, urls: dict[str, str]) -> None:
        me = os.getpid()
        content = {"pid": me, "born": psutil.Process(me).create_time(), "ports": self._ports, "urls": urls}
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, json.dumps(content).encode(), 0)

    def __enter__(self) -> "DataLock":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self.descriptor)


def urls_in_use(data_dir: Path) -> dict[str, str] | None:
    """Return the URLs (by store name) of the stores that a server runs in `data_dir` now; None if none does."""
    try:
        descriptor = os.open(data_dir / "stores.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(data_dir / "stores.lock").get("urls") or None
    else:
        return None
    finally:
        os.close(descriptor)


def _read(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):  # absent, or being written at this moment
        content = json.loads(path.read_bytes())
        if isinstance(content, dict):
            return content
    return {}


def _lives(owner: dict[str, Any]) -> bool:
    """Tell whether the process that wrote `owner` still runs: the same one, not a later bearer of its number."""
    try:
        process = psutil.Process(owner["pid"])
        same = abs(float(process.create_time()) - float(owner["born"])) < 1
        return same and bool(process.status() != psutil.STATUS_ZOMBIE)
    except (KeyError, TypeError, ValueError, psutil.NoSuchProcess):
        return False


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of the loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
