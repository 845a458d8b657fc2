"""What a client library would never send, written to the socket by hand."""

import asyncio
import json

import pytest

from tests.promptness import PATIENCE, eventually


async def talk(port, data):
    """Send bytes and return all that comes until the server closes or falls silent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    received = b""
    try:
        while chunk := await asyncio.wait_for(reader.read(65536), PATIENCE if not received else 0.3):
            received += chunk
    except (TimeoutError, ConnectionResetError):
        pass
    writer.close()
    return received


def parse(received):
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), headers, body


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: \x00\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: nine\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nab",
        b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_a_problem_like_any_other(marquee, data):
    status, headers, body = parse(await talk(marquee.port, data))

    assert (status, headers["content-type"]) == (400, "application/problem+json")
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (400, "malformed")
    assert problem["requestId"] == headers["x-request-id"]
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


async def test_one_request_gets_one_answer_however_large_its_body(marquee):
    for path in ("/api/nowhere", "/", "/api/auth/login", "/api/users/profile"):
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n".encode()
        received = await talk(marquee.port, head + b" " * 300_000)

        assert received.count(b"HTTP/1.1 ") == 1, received
        assert b"application/problem+json" in received


@pytest.mark.parametrize("method", [b"BREW", b"TRACE", b"CONNECT", b"PROPFIND"])
async def test_a_method_that_nobody_knows_is_not_allowed(marquee, method):
    status, headers, body = parse(await talk(marquee.port, method + b" /api/workspaces HTTP/1.1\r\nHost: a\r\n\r\n"))

    assert (status, json.loads(body)["code"]) == (405, "method_not_allowed")
    assert headers["allow"] == "GET, POST, HEAD, OPTIONS"


async def test_headers_beyond_bounds_do_not_reach_anybody(marquee):
    received = await talk(marquee.port, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 70_000 + b"\r\n\r\n")

    assert b"200 OK" not in received


async def test_a_continue_is_said_only_to_whom_the_body_is_wanted_from(marquee):
    head = b"POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"

    wanted = await talk(marquee.port, head % (b"/api/auth/login", 10))
    unwanted = await talk(marquee.port, head % (b"/api/users/profile", 10))
    too_large = await talk(marquee.port, head % (b"/api/auth/login", 900_000))

    assert wanted.startswith(b"HTTP/1.1 100")
    assert unwanted.startswith((b"HTTP/1.1 401", b"HTTP/1.1 405"))
    assert too_large.startswith(b"HTTP/1.1 413")


async def test_a_sender_who_goes_away_is_no_longer_counted_as_being_answered(marquee, api):
    _, writer = await asyncio.open_connection("127.0.0.1", marquee.port)
    writer.write(b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")

    async def in_progress(count):  # the question itself is one
        return b"marquee_http_requests_in_progress %d.0" % count in (await api.get("/metrics")).body

    await eventually(lambda: in_progress(2))
    writer.close()

    await eventually(lambda: in_progress(1))


async def test_a_path_that_is_no_utf8_is_malformed(marquee):
    status, _, body = parse(await talk(marquee.port, b"GET /api/users/%ff HTTP/1.1\r\nHost: a\r\n\r\n"))

    assert (status, json.loads(body)["code"]) == (400, "malformed")
