"""Ports for servers that are stopped and started again on the same one."""

import fcntl
import os
import random
import tempfile
from functools import cache
from pathlib import Path

from deploy.data_lock import is_free

# Below what Linux hands out by itself (from 32768): otherwise an outgoing connection of anybody may have taken the
# port by the time its server comes back. And apart from the embedded stores' (20000 to 31999).
_PORTS = range(10_000, 20_000)
_taken: set[int] = set()


def free_port() -> int:
    """Return a port of the loopback on which nobody listens now, and that nobody else here is given.

    It is this process's until it ends: seconds may pass before its server listens, and others look for ports too.
    Raises RuntimeError when there is none.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        if port not in _taken and _claim(port) and is_free(port):
            _taken.add(port)
            return port
    raise RuntimeError(f"none of the ports from {_PORTS[0]} to {_PORTS[-1]} is free")


@cache
def _claims() -> int:
    """Open the file in which each byte that is locked stands for a port that is somebody's."""
    path = Path(tempfile.gettempdir()) / f"marquee-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _claim(port: int) -> bool:
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True
