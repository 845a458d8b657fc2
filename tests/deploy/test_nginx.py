"""nginx in front: what the processes are told, what clients are told when a process is not there to tell it."""

import asyncio
import http.client
import json
import socket
import time

import pytest
import tornado.websocket
from tornado.httpclient import HTTPRequest

from bench.ports import free_port
from handlers.headers import _HELMET, API_POLICY, HSTS
from tests.deploy.nginx import Nginx, read
from tests.deploy.upstream import Upstream
from tests.promptness import PATIENCE

SPOOFED = {
    "X-Real-IP": "6.6.6.6",
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Scheme": "https",
    "X-Forwarded-Host": "evil.example.com",
    "X-Forwarded-Port": "1",
    "Forwarded": "for=6.6.6.6",
    "Via": "1.1 evil",
}


@pytest.fixture(scope="module")
def upstream():
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def nginx(upstream, tmp_path_factory):
    front = Nginx(tmp_path_factory.mktemp("nginx"), [upstream.port])
    front.start()
    yield front
    front.stop()


@pytest.fixture
def lonely(tmp_path):
    """An nginx whose processes are all away."""
    front = Nginx(tmp_path, [free_port(), free_port()])
    front.start()
    yield front
    front.stop()


def assert_problem(answer, status, code):
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json
    assert (problem["type"], problem["status"], problem["code"]) == ("about:blank", status, code)
    assert set(problem) == {"type", "title", "status", "code", "detail", "requestId"}
    assert answer.headers["X-Request-Id"] == problem["requestId"] != ""
    assert answer.headers["Content-Security-Policy"] == API_POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "nginx"
    assert "Strict-Transport-Security" not in answer.headers


def test_nginx_accepts_the_configuration(tmp_path):
    assert Nginx(tmp_path, [8001, 8002]).check() == ""


@pytest.mark.parametrize("path", ["/api/x", "/player", "/media/abc.png?exp=1&sig=2", "/api/media", "/api/files/upload"])
def test_no_header_of_the_client_names_its_address(nginx, path):
    told = nginx.ask("POST" if path.startswith("/api") else "GET", path, headers=SPOOFED).json

    assert told["uri"] == path
    assert told["headers"]["X-Real-Ip"] == "127.0.0.1"
    assert told["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert told["headers"]["X-Forwarded-Proto"] == "http"
    assert told["headers"]["X-Scheme"] == "http"
    assert told["headers"]["Host"] == f"127.0.0.1:{nginx.port}"
    assert not {"X-Forwarded-Host", "X-Forwarded-Port", "Forwarded", "Via"} & set(told["headers"])


def test_a_repeated_address_header_is_overwritten_too(nginx):
    raw = b"GET /api/x HTTP/1.1\r\nHost: a\r\n" + b"X-Forwarded-For: 6.6.6.6\r\n" * 3 + b"X_Real_IP: 6.6.6.6\r\n\r\n"
    told = nginx.say(raw).json["headers"]

    assert told["X-Forwarded-For"] == "127.0.0.1"
    assert "6.6.6.6" not in json.dumps(told)


def test_a_sane_request_id_goes_through_and_another_is_replaced(nginx):
    kept = nginx.ask("GET", "/api/x", headers={"X-Request-Id": "mine-1.2_3"}).json["headers"]["X-Request-Id"]
    made = [
        nginx.ask("GET", "/api/x", headers={"X-Request-Id": odd} if odd else {}).json["headers"]["X-Request-Id"]
        for odd in (None, "a" * 65, 'with "quotes"', "a b", "<b>")
    ]

    assert kept == "mine-1.2_3"
    assert len(set(made)) == 5
    assert all(len(each) == 32 and each.isalnum() for each in made)


@pytest.mark.parametrize("path", ["/ws/screen", "/ws/dashboard", "/ws/chat"])
def test_sockets_are_upgraded_and_told_the_same(nginx, path):
    async def talk():
        request = HTTPRequest(f"ws://127.0.0.1:{nginx.port}{path}", headers=SPOOFED)
        socket_ = await tornado.websocket.websocket_connect(request)
        told = json.loads(await socket_.read_message())
        await socket_.write_message("hello")
        echoed = await socket_.read_message()
        socket_.close()
        assert await socket_.read_message() is None  # closed from the other side as well
        return told, echoed

    told, echoed = asyncio.run(talk())

    assert echoed == "hello"
    assert told["X-Real-Ip"] == told["X-Forwarded-For"] == "127.0.0.1"
    assert told["X-Scheme"] == "http"
    assert told["Host"] == f"127.0.0.1:{nginx.port}"
    assert not {"X-Forwarded-Host", "Forwarded"} & set(told)


def test_nothing_but_a_socket_is_upgraded(nginx):
    told = nginx.ask("GET", "/api/x", headers={"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings"}).json

    assert not {"Upgrade", "Connection"} & set(told["headers"])


def test_answers_of_the_server_are_left_as_they_are(nginx):
    for status in (400, 401, 404, 413, 429, 500, 503):
        answer = nginx.ask("GET", f"/api/x?status={status}")

        assert answer.status == status
        assert answer.json["uri"] == f"/api/x?status={status}"


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/./metrics", "/%6detrics", "/metrics?x=1"])
def test_metrics_are_not_to_be_had(nginx, path):
    assert_problem(nginx.ask("GET", path), 404, "not_found")


def test_the_error_pages_are_no_addresses(nginx):
    assert_problem(nginx.ask("GET", "/_problem/internal"), 404, "not_found")


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(nginx):
    headers = {"Content-Type": "application/json", "Content-Length": str(10**9), "X-Request-Id": "big-1"}
    for path in ("/api/playlists", "/api/media", "/api/files/upload", "/api/display/commands/abc/screenshot"):
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        answer = nginx.say(f"POST {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())

        assert_problem(answer, 413, "too_large")
        assert answer.json["requestId"] == "big-1"


def test_json_that_is_a_little_too_large_is_for_the_server_to_refuse(nginx):
    assert nginx.ask("POST", "/api/playlists", b" " * (256 * 1024 + 1)).json["bytes"] == 256 * 1024 + 1


def test_uploads_reach_the_server_while_they_are_sent(nginx, upstream):
    upstream.first_part.clear()
    size = 40 << 20
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=PATIENCE) as connection:
        connection.sendall(f"POST /api/media HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n".encode())
        connection.sendall(b"x" * (size // 2))
        assert upstream.first_part.wait(PATIENCE)
        connection.sendall(b"x" * (size // 2))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        told = read(answer)
    assert (told.status, told.json["bytes"]) == (200, size)


@pytest.mark.parametrize(
    "raw",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /a HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: rot13\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: " + b"a" * 40000 + b"\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_the_contract_s_answer(nginx, raw):
    assert_problem(nginx.say(raw), 400, "malformed")


def test_a_method_that_nobody_takes_is_named(nginx):
    answer = nginx.ask("TRACE", "/api/x")

    assert_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/api/x", "/", "/media/a.png", "/ws/screen"])
def test_processes_that_are_away_are_unavailable(lonely, path):
    answer = lonely.ask("GET", path)

    assert_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "2"


def test_a_process_that_dies_under_a_request_is_unavailable_and_a_post_is_not_repeated(nginx, upstream):
    upstream.asked.clear()

    assert_problem(nginx.ask("POST", "/silent", b"{}"), 503, "unavailable")
    assert upstream.asked == ["POST"]


def test_another_process_takes_what_one_that_is_away_cannot(upstream, tmp_path):
    front = Nginx(tmp_path, [free_port(), upstream.port])
    front.start()
    try:
        assert {front.ask("POST", "/api/x", b"{}").status for _ in range(6)} == {200}
    finally:
        front.stop()


def test_a_listed_site_may_read_these_errors_and_no_other(nginx):
    known = nginx.ask("GET", "/metrics", headers={"Origin": "https://app.example.com"}).headers
    other = nginx.ask("GET", "/metrics", headers={"Origin": "https://evil.example.com"}).headers

    assert known["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert known["Access-Control-Allow-Credentials"] == "true"
    assert known["Vary"] == other["Vary"] == "Origin"
    assert not [name for name in other if name.startswith("Access-Control")]


def test_tags_and_compressed_answers_stay_apart(nginx):
    answer = nginx.ask("GET", "/api/x", headers={"Accept-Encoding": "gzip", "X-Long": "a" * 4000})

    assert "Content-Encoding" not in answer.headers


def test_the_log_keeps_no_signature(nginx):
    nginx.ask("GET", "/media/abc.png?exp=1&sig=verysecret")

    nginx.ask("GET", "/metrics?sig=verysecret")

    def last_two():
        lines = [json.loads(line) for line in (nginx.prefix / "access.log").read_text().splitlines()]
        return [line["path"] for line in lines[-2:]]

    until = time.monotonic() + PATIENCE
    while last_two() != ["/media/abc.png", "/metrics"]:  # a line is written when its answer has gone
        assert time.monotonic() < until, last_two()
        time.sleep(0.02)
    assert "verysecret" not in (nginx.prefix / "access.log").read_text()


def test_its_headers_are_the_server_s(nginx):
    answer = nginx.ask("GET", "/metrics")

    assert {name: answer.headers[name] for name in _HELMET} == _HELMET


def test_the_sample_for_https_works_and_says_so(upstream, tmp_path):
    front = Nginx(tmp_path, [upstream.port], certificate=True)
    front.start()
    try:
        told = front.ask("GET", "/api/x").json["headers"]
        own = front.ask("GET", "/metrics").headers
    finally:
        front.stop()

    assert told["X-Forwarded-Proto"] == told["X-Scheme"] == "https"
    assert own["Strict-Transport-Security"] == HSTS
