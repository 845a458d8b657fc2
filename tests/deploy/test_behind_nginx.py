"""Two processes of the server behind a real nginx: one server, to whoever asks."""

import asyncio
import contextlib
import hashlib
import http.client
import json
import signal
import threading
import time

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from handlers.headers import _HELMET
from tests.deploy.nginx import Nginx
from tests.deploy.processes import Server
from tests.samples import image_bytes

JSON = {"Content-Type": "application/json"}
ALICE = {"email": "alice@example.com", "username": "alice", "password": "a long enough sentence"}


@contextlib.contextmanager
def two_processes(folder, store_urls):
    """Two processes on one database, told to trust loopback as their proxy, and an nginx in front of them."""
    settings = {
        "MARQUEE_MONGODB_URL": store_urls.mongodb,
        "MARQUEE_MONGODB_DATABASE": f"behind_{folder.name[-20:]}",
        "MARQUEE_REDIS_URL": store_urls.redis,
        "MARQUEE_REDIS_PREFIX": folder.name,
        "MARQUEE_TRUSTED_PROXIES": "127.0.0.1",
        "MARQUEE_RATE_ANONYMOUS": "100000/15m",
        "MARQUEE_LOG_LEVEL": "warning",
    }
    with contextlib.ExitStack() as stack:
        processes = [Server(folder / "data", **settings) for _ in range(2)]
        for process in processes:
            stack.callback(process.end, signal.SIGKILL)
        nginx = Nginx(folder / "nginx", [process.url.rpartition(":")[2] for process in processes])
        nginx.start()
        stack.callback(nginx.stop)
        yield nginx, processes


@pytest.fixture(scope="module")
def both(tmp_path_factory, store_urls):
    with two_processes(tmp_path_factory.mktemp("behind"), store_urls) as pair:
        yield pair


@pytest.fixture
def front(both):
    return both[0]


@pytest.fixture
def processes(both):
    return both[1]


@pytest.fixture(scope="module")
def alice(both):
    """The session of somebody who registered through nginx."""
    while (made := post(both[0], "/api/auth/register", ALICE, **{"Idempotency-Key": "alice"})).status == 503:
        time.sleep(1)  # the machine is too busy for an answer in time
    return made.json


def post(front, path, body, **headers):
    return front.ask("POST", path, json.dumps(body), JSON | headers)


def test_an_account_made_in_one_process_is_known_to_the_other(front, alice):
    bearer = {"Authorization": f"Bearer {alice['accessToken']}", "X-Forwarded-For": "6.6.6.6", "X-Real-IP": "6.6.6.6"}

    for _ in range(6):  # whichever answers
        answer = front.ask("GET", "/api/auth/sessions", headers=bearer)
        assert answer.status == 200
        assert [each["ip"] for each in answer.json["items"]] == ["127.0.0.1"]


def test_errors_look_the_same_from_every_layer(front):
    ours = front.ask("GET", "/api/nothing", headers={"X-Request-Id": "same-1"})
    nginx = front.ask("GET", "/metrics", headers={"X-Request-Id": "same-1"})

    assert ours.json == nginx.json
    for answer in (ours, nginx):
        assert answer.status == 404
        assert {name: answer.headers[name] for name in _HELMET} == _HELMET
        assert answer.headers["X-Request-Id"] == "same-1"
        assert not any(character.isdigit() for character in answer.headers["Server"])
    ignored = {"date", "content-length", "connection", "ratelimit", "ratelimit-policy"}
    named = [{name.lower() for name in answer.headers} - ignored for answer in (ours, nginx)]
    assert named[0] == named[1]


def test_metrics_are_to_be_had_from_the_process_and_not_through_the_proxy(front, processes):
    assert front.ask("GET", "/metrics").status == 404
    assert processes[0].fetch("/metrics").startswith(b"# HELP")


def test_a_socket_goes_through(front, alice):
    async def talk():
        request = HTTPRequest(
            f"ws://127.0.0.1:{front.port}/ws/dashboard", headers={"Origin": f"http://127.0.0.1:{front.port}"}
        )
        connection = await websocket_connect(request)
        await connection.write_message(json.dumps({"type": "auth", "data": {"token": alice["accessToken"]}}))
        hello = json.loads(await connection.read_message())
        await connection.write_message(json.dumps({"id": 1, "type": "ping"}))
        pong = json.loads(await connection.read_message())
        connection.close()
        assert await connection.read_message() is None  # closed from the other side as well
        return hello, pong

    hello, pong = asyncio.run(talk())
    assert hello["event"] == "hello"
    assert (pong["reply"], pong["ok"]) == (1, True)


def test_media_go_in_and_out_through_the_proxy(front, alice):
    picture = image_bytes("PNG", 300, 200)
    multipart = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n%s\r\n--b--\r\n' % picture
    headers = {"Authorization": f"Bearer {alice['accessToken']}", "Content-Type": "multipart/form-data; boundary=b"}

    made = front.ask("POST", "/api/media", multipart, headers)
    assert made.status == 201, made.body
    media = made.json
    whole = front.ask("GET", media["url"])
    part = front.ask("GET", media["url"], headers={"Range": "bytes=10-19"})
    same = front.ask("GET", media["url"], headers={"If-None-Match": whole.headers["ETag"]})

    assert hashlib.sha256(whole.body).hexdigest() == media["sha256"]
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert (same.status, same.body) == (304, b"")
    assert front.ask("GET", media["url"].replace("sig=", "sig=x")).status == 403


@pytest.mark.parametrize("path", ["/healthz", "/api/auth/sessions", "/api/nothing", "/player", "/api/openapi.json"])
def test_a_connection_that_the_server_closes_was_announced(processes, path):
    connection = http.client.HTTPConnection(processes[0].url.rpartition("/")[2], timeout=30)
    for _ in range(5):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        if answer.headers["Connection"] == "close":
            break
    connection.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_nobody_notices_when_one_process_of_two_ends(store_urls, tmp_path, how):
    seen, over = [], threading.Event()

    def keep_asking():
        while not over.is_set():
            seen.append(front.ask("GET", "/api/auth/sessions").status)

    with two_processes(tmp_path, store_urls) as (front, processes):
        asker = threading.Thread(target=keep_asking)
        asker.start()
        try:
            while len(seen) < 20:
                assert asker.is_alive()
                time.sleep(0.01)
            processes[0].end(how)
            after = len(seen)
            while len(seen) < after + 50:
                assert asker.is_alive()
                time.sleep(0.01)
        finally:
            over.set()
            asker.join()

    assert set(seen) == {401}
