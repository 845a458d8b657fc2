"""Taking connections from the kernel: a few in each turn of the loop, and none for a moment when it gives none."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from tornado.ioloop import IOLoop

log = structlog.get_logger("marquee.http")

MOST_ACCEPTED = 8  # connections in a turn of the loop
PAUSE_SECONDS = 0.5  # after a failure: long for a loop, and soon for somebody who waits
Take = Callable[[socket.socket, Any], Awaitable[None] | None]


class Acceptor:
    """Gives `take(connection, address)` those that come to `listening`, from the start until `stop`.

    Tornado takes 128 in a turn. Each costs 0.35 ms until its handshake is done, in steps that they then take together:
    when thousands came at once, every turn was 45 ms long, and a request goes through about ten of them.

    And where the process may open nothing more, Tornado tries again in every turn and logs each failure with its
    traceback, 40,000 in a second, while the connection still waits. Here it waits for PAUSE_SECONDS.
    """

    def __init__(self, listening: socket.socket, take: Take) -> None:
        self._listening = listening
        self._take = take
        self._loop = IOLoop.current()
        self._pause: asyncio.TimerHandle | None = None
        self._loop.add_handler(listening, self._accept, IOLoop.READ)

    def stop(self) -> None:
        """Take no more."""
        if self._pause is None:
            self._loop.remove_handler(self._listening)
        else:
            self._pause.cancel()

    def _accept(self, _listening: Any, _events: int) -> None:
        for _ in range(MOST_ACCEPTED):
            try:
                connection, address = self._listening.accept()
            except BlockingIOError:
                return  # that was all
            except ConnectionAbortedError:
                continue  # gone already
            except OSError as e:  # no descriptor is free, or no memory
                self._wait(e)
                return
            self._take(connection, address)

    def _wait(self, error: OSError) -> None:
        log.error("http.not_accepted", error=error.strerror)
        self._loop.remove_handler(self._listening)
        self._pause = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_handler(self._listening, self._accept, IOLoop.READ)
