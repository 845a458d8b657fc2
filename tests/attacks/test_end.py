"""A server ends in time though its stores stand still, and what waits for them is not waited for."""

import signal
import threading
import time
import urllib.error
import urllib.request

import psutil

from bench.delivery_site import value_of
from tests.promptness import within

SOME = 5  # requests; of the twelve the limit on logins refuses some at once
SECONDS = 20  # MARQUEE_DRAIN_SECONDS; what it takes when nothing answers is about 12


def ask(port, path):
    """Ask for something that MongoDB has to answer, whatever becomes of it."""
    body = b'{"email": "nobody@example.com", "password": "whatever it may be"}'
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=30).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except OSError:  # who is late finds nobody, or is hung up on
        pass


def waiting(process):
    """Return how many requests a process has taken and not answered, this question left out."""
    return value_of(process.metrics(), "marquee_http_requests_in_progress") - 1


def test_a_server_ends_within_its_drain_time_though_its_stores_are_frozen(sites):
    site = sites(count=1)
    (process,) = site.processes
    ask(process.port, "/api/auth/login")
    site.mongodb.members[0].signal(signal.SIGSTOP)
    site.redis.freeze()
    asking = [threading.Thread(target=ask, args=(process.port, "/api/auth/login")) for _ in range(12)]
    for each in asking:
        each.start()
    while waiting(process) < SOME and all(each.is_alive() for each in asking):
        time.sleep(0.01)

    with within(SECONDS):
        process.signal(signal.SIGTERM)
        status = psutil.Process(process.pid).wait(2 * SECONDS)

    assert status == 0
    for each in asking:
        each.join()
