"""The server's own stores: a real mongod and a real redis-server, for running Marquee without installing either.

They live under the data directory, on free loopback ports, keep their data between runs, and end when
the server ends, however it ends (`embedded_child.py` sees to that). The server's secrets lie there too.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.data_lock import DataLock, urls_in_use
from deploy.engines import EmbeddedStoresError, Mongod, RedisServer

__all__ = ["EmbeddedStores", "EmbeddedStoresError", "Urls", "ensure_secret", "memory_disk", "running_stores"]

# A cold disk and a journal to replay take mongod some seconds; more than this is a fault.
_START_LIMIT = 60.0
# A port may be taken between the look and the start, a snapshot may be unreadable: two mends are enough.
_TRIES = 3
# What two small stores want. A container's /dev/shm is often only 64 MB, which mongod's journal alone fills.
_MEMORY_DISK, _MEMORY_DISK_BYTES = Path("/dev/shm"), 2 << 30  # noqa: S108 - a directory of our own is made in it

_Engine = Mongod | RedisServer


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the stores answer; one that was not asked for is the empty string."""

    mongodb: str
    redis: str


class EmbeddedStores:
    """A mongod and a redis-server of our own, from `start` to `stop`.

    One server at a time has the stores of a data directory. A store that dies in between is started
    again, on the same port and data. `volatile` stores lie in memory where that is possible, and are gone
    after `stop`: for tests.
    """

    def __init__(self, data_dir: Path, *, mongodb: bool = True, redis: bool = True, volatile: bool = False) -> None:
        """Keep the data in `<data_dir>/mongodb` and `<data_dir>/redis`; nothing is started yet."""
        self._dir = data_dir.resolve()
        self._kinds: list[type[_Engine]] = [*[Mongod] * mongodb, *[RedisServer] * redis]
        self._volatile = volatile
        self._scratch: Path | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._given_up = threading.Event()
        self._stopping = threading.Lock()  # a start that is given up cleans up in its thread, while `stop` runs too

    async def start(self) -> Urls:
        """Start the stores and return their URLs when both answer; see `start_sync`."""
        try:
            return await asyncio.to_thread(self.start_sync)
        except asyncio.CancelledError:
            self._given_up.set()  # the thread cannot be cancelled; it sees this and cleans up
            raise

    async def stop(self) -> None:
        """End the stores and wait for that; once is enough, twice does no harm."""
        await asyncio.to_thread(self.stop_sync)

    def start_sync(self) -> Urls:
        """Start the stores and return their URLs when both answer: after about a second.

        Raises EmbeddedStoresError when a program is not to be found or does not come up, and when
        another server has the stores of this data directory; then nothing stays behind.
        """
        try:
            with DataLock(self._dir) as lock:
                engines = self._start_engines(lock)
                urls = {engine.name: engine.url for engine in engines}
                lock.announce(urls)
            return _urls(urls)
        except BaseException:
            self.stop_sync()
            raise

    def stop_sync(self) -> None:
        """End the stores and wait for that; once is enough, twice does no harm."""
        with self._stopping:
            if self._watchdog is not None:
                self._tell(b"stop\n")
                self._watchdog.wait()  # it has a deadline of its own
                for pipe in (self._watchdog.stdin, self._watchdog.stdout):
                    if pipe is not None:
                        with contextlib.suppress(BrokenPipeError):
                            pipe.close()
                self._watchdog = None
            if self._scratch is not None:
                shutil.rmtree(self._scratch, ignore_errors=True)
                self._scratch = None

    def _start_engines(self, lock: DataLock) -> list[_Engine]:
        for tries_left in reversed(range(_TRIES)):
            engines = self._make_engines(lock)
            try:
                self._launch(engines, lock)
                deadline = time.monotonic() + _START_LIMIT
                for engine in engines:
                    engine.wait_ready(lambda: self._check(engines, deadline))  # noqa: B023 - used before the next turn
                self._tell(b"ready\n")
                return engines
            except _Died as died:
                self.stop_sync()
                if not tries_left or not died.engine.mend(self._log(died.engine)):
                    raise EmbeddedStoresError(str(died)) from None
        raise AssertionError("the last try returns or raises")

    def _make_engines(self, lock: DataLock) -> list[_Engine]:
        base = self._dir
        if self._volatile:
            base = self._scratch = Path(tempfile.mkdtemp(prefix="marquee-", dir=memory_disk())).resolve()
        homes = {Mongod: base / "mongodb", RedisServer: base / "redis"}
        for kind in self._kinds:
            homes[kind].mkdir(mode=0o700, exist_ok=True)
        return [kind(homes[kind], lock.port(kind.name), volatile=self._volatile) for kind in self._kinds]

    def _launch(self, engines: list[_Engine], lock: DataLock) -> None:
        stores = {engine.name: {"argv": engine.argv(), "log": str(self._log(engine))} for engine in engines}
        for engine in engines:
            self._log(engine).unlink(missing_ok=True)
        order = {
            "parent": os.getpid(),
            "stores": stores,
            "keep": [lock.descriptor],
            "remove": [str(self._scratch)] if self._scratch else [],
        }
        with (self._dir / "watchdog.log").open("wb") as log:
            self._watchdog = subprocess.Popen(  # noqa: S603 - the arguments are ours
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("embedded_child.py")), json.dumps(order)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is for the server, which needs its stores until its end
                pass_fds=(lock.descriptor,),
            )

    def _check(self, engines: list[_Engine], deadline: float) -> None:
        """Raise when waiting for the stores has become pointless."""
        if self._given_up.is_set():
            raise EmbeddedStoresError("The start of the embedded stores was given up.")
        if time.monotonic() > deadline:
            raise EmbeddedStoresError(
                f"The embedded stores did not come up in {_START_LIMIT:.0f} s: see the logs in {self._dir}."
            )
        watchdog = self._watchdog
        if watchdog is not None and watchdog.stdout is not None and watchdog.poll() is not None:
            told = json.loads(watchdog.stdout.readline() or b"{}")
            engine = next((each for each in engines if each.name == told.get("died")), engines[0])
            raise _Died(engine, told.get("status"), self._log(engine))

    def _log(self, engine: _Engine) -> Path:
        return self._dir / f"{engine.name}.log"

    def _tell(self, word: bytes) -> None:
        watchdog = self._watchdog
        if watchdog is not None and watchdog.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended by itself, or was told to
                watchdog.stdin.write(word)
                watchdog.stdin.flush()


class _Died(Exception):
    """A store ended before it was ready."""

    def __init__(self, engine: _Engine, status: int | None, log: Path) -> None:
        super().__init__(f"{engine.name} ended with status {status} while it was starting: {log} says why.")
        self.engine = engine


def running_stores(data_dir: Path) -> Urls | None:
    """Return the URLs of the stores that a server runs in `data_dir` now, for commands beside it; None if none does."""
    urls = urls_in_use(data_dir.resolve())
    return _urls(urls) if urls else None


def ensure_secret(path: Path) -> str:
    """Return the secret in `path`: 43 URL-safe characters (256 random bits), made at the first call.

    Only the owner may read the file. However many processes race for it, all get the same secret: the
    file appears whole, under its name, or not at all. Raises EmbeddedStoresError if it is too short.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # O_EXCL, mode 0600
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first: theirs counts
                os.link(draft, path)
        finally:
            Path(draft).unlink()
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    secret = path.read_text().strip()
    if len(secret) < 32:
        raise EmbeddedStoresError(f"The secret in {path} is shorter than 32 characters: remove the file for a new one.")
    return secret


def _urls(by_name: dict[str, str]) -> Urls:
    return Urls(by_name.get(Mongod.name, ""), by_name.get(RedisServer.name, ""))


def memory_disk() -> Path | None:
    """Return a directory in memory that has room for stores; None means the usual place for temporary files."""
    if os.access(_MEMORY_DISK, os.W_OK) and shutil.disk_usage(_MEMORY_DISK).free > _MEMORY_DISK_BYTES:
        return _MEMORY_DISK
    return None
