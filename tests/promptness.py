"""Waiting for what comes about, and promises in seconds, on a machine that others load too."""

import asyncio
import threading
import time
from contextlib import contextmanager

PATIENCE = 30  # seconds: what has not come about by then never does
_TICK = 0.01
# The test's process, MongoDB and Redis take part in most of what is promised: each may be held up as we are.
_TAKING_PART = 3


async def eventually(check, seconds=PATIENCE):
    """Wait until `check()`, which may be a coroutine function, is true; return what it returned."""
    until = time.monotonic() + seconds
    while True:
        found = check()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < until, "it never came true"
        await asyncio.sleep(0.02)


@contextmanager
def within(seconds):
    """Hold that the block ends within `seconds`; what the machine gave to others meanwhile does not count.

    On a machine that does nothing else the limit is `seconds`, and stays so however slow our own code is.
    """
    held_up = _HeldUp()
    held_up.start()
    began = time.monotonic()
    try:
        yield
        took = time.monotonic() - began
    finally:
        held_up.stop()
    told = f"it took {took:.2f} s of {seconds:g} s, and the machine was away for {held_up.seconds:.2f} s"
    assert took < seconds + _TAKING_PART * held_up.seconds, told


class _HeldUp(threading.Thread):
    """Sleeps in small pieces and adds up how much longer they took: `seconds` that others had the machine.

    A thread, not a coroutine: an event loop that our own code holds up is what promises are about. Code of ours that
    computes has the interpreter's lock, for which this thread waits too: the processor was ours then, and that is not
    counted.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.seconds = 0.0
        self._began = time.monotonic(), time.process_time()
        self._ended = threading.Event()

    def run(self):
        looked, worked = self._began
        while not self._ended.wait(_TICK):
            before, looked = looked, time.monotonic()
            worked_before, worked = worked, time.process_time()
            self.seconds += max(0.0, looked - before - max(_TICK, worked - worked_before))

    def stop(self):
        self._ended.set()
        self.join()
