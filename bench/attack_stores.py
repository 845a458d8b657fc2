"""Stores that may be hurt: a Redis and one or three mongods that freeze, die and come back on their ports.

And a proxy before one of them that makes the way to it slow. Nothing here is restarted by itself.
"""

import asyncio
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from bench import delivery_site, signals
from bench.ports import free_port
from deploy.embedded import memory_disk
from deploy.engines import REPLICA_SET, Mongod

_START_SECONDS = 60
_INITIATED_ALREADY = 23  # MongoDB's code for it
_PIECE = 16_384  # bytes a slow way forwards at once


class Redis(delivery_site.Redis):
    """A redis-server that may be frozen too."""

    def freeze(self) -> None:
        """Let it stand still: connections stay open and are not answered."""
        assert self._process is not None
        signals.send(self._process, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class Member:
    """One mongod, always on the same port and data; it logs to `log`."""

    def __init__(self, home: Path, log: Path) -> None:
        home.mkdir()
        self.port = free_port()
        self._log = log
        self._argv = Mongod(home, self.port, volatile=True).argv()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it answers a moment later."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._argv, stdout=log, stderr=subprocess.STDOUT)

    def signal(self, number: int) -> None:
        """Send it a signal; a stop or a kill is waited for."""
        if self._process is not None:
            signals.send(self._process, number)
            if number == signal.SIGKILL:
                self._process = None

    def must_live(self) -> None:
        """Raise RuntimeError, with the end of its log, where it has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            status = self._process.returncode
            raise RuntimeError(f"a mongod ended with status {status}: {self._log.read_text()[-2000:]}")

    def must_serve(self) -> None:
        """Raise LookupError where it is neither primary nor secondary: it starts, or copies what it lacks."""
        answer = self.ask("hello")
        if not answer["isWritablePrimary"] and not answer["secondary"]:
            raise LookupError("the member does not serve yet")

    def ask(self, command: str, value: Any = 1, *, seconds: float = 2, **more: Any) -> dict[str, Any]:
        """Run an administrative command here, whatever the member is, for `seconds` at most. Raises PyMongoError."""
        address, limit = f"127.0.0.1:{self.port}", int(seconds * 1000)
        with MongoClient[dict[str, Any]](address, directConnection=True, timeoutMS=limit) as client:
            return client.admin.command(command, value, **more)


class MongoDB:
    """A replica set of `count`, which elects within about two seconds when its primary has gone.

    Its data lies in memory where there is room, until `stop`: what a disk does meanwhile is not what is tried here.
    """

    def __init__(self, directory: Path, count: int = 1) -> None:
        """The members' logs go to `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        home = Path(tempfile.mkdtemp(prefix="marquee-", dir=memory_disk()))
        self._remove = weakref.finalize(self, shutil.rmtree, home, ignore_errors=True)
        self.members = [Member(home / f"{number}", directory / f"mongod-{number}.log") for number in range(count)]
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        self.url = f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"

    def start(self) -> None:
        """Start all, make them a replica set, and return when it has a primary."""
        for member in self.members:
            member.start()
        rows = [{"_id": n, "host": f"127.0.0.1:{member.port}"} for n, member in enumerate(self.members)]
        settings = {"electionTimeoutMillis": 1500, "heartbeatIntervalMillis": 300, "catchUpTimeoutMillis": 2000}
        config = {"_id": REPLICA_SET, "members": rows, "settings": settings}
        _until(lambda: self._initiate(config), "no replica set was made")
        _until(self.primary, "no primary was elected")

    def _initiate(self, config: dict[str, Any]) -> None:
        """Make them a replica set, unless an earlier try did whose answer came too late.

        Raises PyMongoError, and RuntimeError where one of them cannot be any more.
        """
        for member in self.members:
            member.must_live()
        try:
            # On a busy machine it takes seconds, and a mongod gives it up when its time is over: again and again.
            self.members[0].ask("replSetInitiate", config, seconds=_START_SECONDS / 3)
        except OperationFailure as e:
            if e.code != _INITIATED_ALREADY:
                raise

    def primary(self) -> Member:
        """Return the member that takes writes. Raises LookupError while there is none."""
        for member in self.members:
            with suppress(PyMongoError):
                if member.ask("hello")["isWritablePrimary"]:
                    return member
        raise LookupError("no member is primary")

    def wait(self) -> None:
        """Wait until a primary takes writes, and every member is there to take over."""
        _until(self.primary, "no primary was elected")
        for member in self.members:
            _until(member.must_serve, "a mongod did not come back")

    def stop(self) -> None:
        """End all, frozen ones too."""
        for member in self.members:
            member.signal(signal.SIGKILL)
        self._remove()


def _until(attempt: Any, otherwise: str) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            attempt()
        except (PyMongoError, LookupError) as e:
            if time.monotonic() > until:
                raise TimeoutError(f"{otherwise} in {_START_SECONDS} s: {e}") from e
            time.sleep(0.05)
        else:
            return


class SlowWay:
    """A TCP proxy on a thread of its own. Each way, `delay` seconds pass before bytes go on, `rate` bytes/s at most.

    Both may be changed at any time; none is as fast as the loop. Order is kept, and nothing is lost.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = free_port()
        self.delay, self.rate = 0.0, 0.0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Listen."""
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        listening = asyncio.start_server(self._take, "127.0.0.1", self.port)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()

    def stop(self) -> None:
        """Break everything and end the thread."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # transports say goodbye in the loop's next turns

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        out: asyncio.StreamWriter | None = None
        try:
            there, out = await asyncio.open_connection("127.0.0.1", self._target)
            pumps = [asyncio.create_task(self._pump(reader, out)), asyncio.create_task(self._pump(there, writer))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for each in (writer, out):
                if each is not None:
                    each.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while part := await reader.read(_PIECE):
                await self._pass(len(part))
                writer.write(part)
                await writer.drain()

    async def _pass(self, size: int) -> None:
        """Wait as the way is now; one that is mended lets go of what waits."""
        began = self._loop.time()
        while (left := began + self.delay + (size / self.rate if self.rate else 0) - self._loop.time()) > 0:
            await asyncio.sleep(min(left, 0.05))
