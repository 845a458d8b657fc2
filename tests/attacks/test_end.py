"""A server ends in time though its stores stand still, and what waits for them is not waited for."""

import signal
import threading
import urllib.error
import urllib.request

import psutil

from tests.promptness import within

SECONDS = 20  # MARQUEE_DRAIN_SECONDS; what it takes when nothing answers is about 12


def ask(port, path):
    """Ask for something that MongoDB has to answer, whatever becomes of it."""
    body = b'{"email": "nobody@example.com", "password": "whatever it may be"}'
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=30).close()
    except urllib.error.HTTPError as answer:
        answer.close()


def test_a_server_ends_within_its_drain_time_though_its_stores_are_frozen(sites):
    site = sites(count=1)
    (process,) = site.processes
    ask(process.port, "/api/auth/login")
    site.mongodb.members[0].signal(signal.SIGSTOP)
    site.redis.freeze()
    asking = [threading.Thread(target=ask, args=(process.port, "/api/auth/login")) for _ in range(12)]
    for each in asking:
        each.start()

    with within(SECONDS):
        process.signal(signal.SIGTERM)
        status = psutil.Process(process.pid).wait(2 * SECONDS)

    assert status == 0
    for each in asking:
        each.join()
