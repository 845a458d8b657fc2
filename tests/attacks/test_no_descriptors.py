"""A process without a free descriptor: who is in is served, who comes waits, and the log does not fill the disk."""

import asyncio
import os
import resource
import socket
import time
from contextlib import contextmanager

from handlers.accepting import PAUSE_SECONDS

ASK = b"GET /healthz HTTP/1.1\r\nHost: full\r\n\r\n"


@contextmanager
def no_free_descriptor():
    """Let this process open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)  # the lowest free one: all below are taken
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_who_comes_while_no_descriptor_is_free_waits_and_is_served_then(marquee, lines):
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    inside = socket.create_connection(("127.0.0.1", marquee.port))
    inside.sendall(ASK)
    assert (await asyncio.to_thread(inside.recv, 65_536)).startswith(b"HTTP/1.1 200 OK")

    coming = [socket.create_connection(("127.0.0.1", marquee.port)) for _ in range(3)]
    with no_free_descriptor():
        for line in (inside, *coming):
            line.sendall(ASK)
        began = time.monotonic()
        for _ in range(200):
            await asyncio.sleep(0.001)
        full = time.monotonic() - began
    heard = [await asyncio.to_thread(line.recv, 15) for line in (inside, *coming)]
    for line in (inside, *coming):
        line.close()

    assert heard == [b"HTTP/1.1 200 OK"] * 4
    assert not failures, f"{len(failures)} tracebacks, the first of {failures[0]['exception']!r}"
    assert 1 <= len([line for line in lines if line["event"] == "http.not_accepted"]) <= 1 + full / PAUSE_SECONDS
