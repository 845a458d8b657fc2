"""What clients do to sockets, in its short form; one by one they are in tests/realtime (connection, fanout, storm).

`python -m bench.attack --faults loris,deaf,flood,large,dying,storm` is the long form.
"""

import asyncio

import pytest

from bench import attack
from handlers import application, requests


@pytest.mark.timeout(300)
def test_others_are_undisturbed_memory_is_bounded_and_all_come_back(io_loop, tmp_path):
    faults = ("loris", "deaf", "flood", "large", "dying", "storm")
    plan = attack.Plan(faults=faults, seconds=2, slowest=12, calm=0.2, heal=60, uploads=False, sockets=500, storm=500)

    crowd = io_loop.run_sync(lambda: attack.run(plan, tmp_path), timeout=280)

    assert crowd.found == [], f"{crowd.judge}\n{crowd.violations}"
    statuses = crowd.judge.statuses
    assert set(statuses) <= {200, 201, 204, 401, 429, 503}
    assert statuses[503] <= statuses.total() / 50, "nobody else was refused, but by a machine that others load too"
    assert list(crowd.judge.back) == [500], "all that were cut off, members and screens, are back and current"


@pytest.fixture
def hasty(owner, servers, monkeypatch):
    """A server that waits for half a second only; people come in by another one."""
    monkeypatch.setattr(application, "HEADERS_SECONDS", 0.5)
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.5)
    return servers()


@pytest.mark.parametrize("begun", ["X-Slow: ", "\r\n"], ids=["headers", "a body"])
async def test_who_sends_byte_by_byte_does_not_hold_a_connection(owner, hasty, begun):
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port)
    head = f"POST /api/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {owner.token}\r\nContent-Length: 9000\r\n"
    writer.write(f"{head}Content-Type: application/json\r\n{begun}".encode())

    async def drip():
        while True:
            writer.write(b" ")
            await asyncio.sleep(0.1)

    dripping = asyncio.ensure_future(drip())
    try:
        async with asyncio.timeout(30):
            answer = await reader.read()
    except ConnectionError:  # a byte was on its way when the server hung up
        answer = b""
    finally:
        dripping.cancel()
        writer.close()

    assert answer == b""
    async with asyncio.timeout(30):
        while hasty.metrics.registry.get_sample_value("marquee_http_requests_in_progress"):
            await asyncio.sleep(0.02)
