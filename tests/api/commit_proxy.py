"""A TCP proxy before MongoDB that loses commits: on their way there, or their answers on the way back."""

import asyncio
import threading
from contextlib import suppress

from models import room_commits
from tests.promptness import PATIENCE

COMMIT = b"commitTransaction"


async def transactions_over(marquee):
    """Wait until no thread of the room log has a transaction under way; call it while the proxy still loses commits.

    One that nobody waits for any more goes on to its end by itself: its last try may come through to MongoDB after
    the answer that it is unavailable. All threads can meet only when none of them has anything else to do.
    """
    meeting, loop = threading.Barrier(room_commits._THREADS), asyncio.get_running_loop()
    pool = marquee.stores.room_log._commits._pool
    await asyncio.gather(*(loop.run_in_executor(pool, meeting.wait, PATIENCE) for _ in range(meeting.parties)))


class CommitProxy:
    """Forwards everything, until `lose` says what happens to the next commits: `answers` or `commits` are lost.

    `times` is how many of them; then all goes through again. A connection ends with what it lost. It runs in a
    thread of its own, for the driver says its last goodbye with the servers' loop stopped.
    """

    def __init__(self, port):
        self._target = port
        self._lost = None
        self._times = 0
        self._tasks = set()

    def start(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        listening = asyncio.start_server(self._take, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.sleep(0.05)  # transports say goodbye in the loop's next turns

    def lose(self, what, times=1):
        self._lost, self._times = what, times

    def _hits(self, data):
        if COMMIT not in data or self._times <= 0:
            return None
        self._times -= 1
        return self._lost

    async def _take(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        there, out = await asyncio.open_connection("127.0.0.1", self._target)
        muted = asyncio.Event()
        try:
            with suppress(asyncio.CancelledError):
                await asyncio.gather(self._ask(reader, out, writer, muted), self._answer(there, writer, muted))
        finally:
            out.transport.abort()
            writer.transport.abort()
            self._tasks.discard(asyncio.current_task())

    async def _ask(self, reader, out, writer, muted):
        with suppress(OSError):
            while data := await reader.read(1 << 20):
                hit = self._hits(data)
                if hit == "commits":
                    break
                if hit == "answers":
                    muted.set()
                out.write(data)
                await out.drain()
            writer.transport.abort()
            out.close()

    async def _answer(self, there, writer, muted):
        with suppress(OSError):
            while data := await there.read(1 << 20):
                if muted.is_set():
                    break
                writer.write(data)
                await writer.drain()
            writer.transport.abort()
