"""The clients that tests speak through: HTTP and WebSocket to a real server, and the people who use it."""

import json
from dataclasses import dataclass, field
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httputil import HTTPHeaders
from tornado.websocket import websocket_connect

PASSWORD = "a long enough sentence"


@dataclass
class Reply:
    """An answer: `json` is the parsed body, None where it is no JSON."""

    status: int
    headers: HTTPHeaders
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if "json" in self.headers.get("Content-Type", "") else None

    @property
    def code(self):
        """The problem's code."""
        return self.json["code"]


@dataclass
class Person:
    """Somebody with an account, or a screen: `token` is what `as_=` sends."""

    id: str
    token: str
    email: str = ""
    username: str = ""
    session: dict = field(default_factory=dict)


class Api:
    """Speaks HTTP to one server. `as_` is a Person, a token, or None for nobody."""

    def __init__(self, port, check=None):
        self.base = f"http://127.0.0.1:{port}"
        self.port = port
        self._http = AsyncHTTPClient(force_instance=True, max_clients=200)
        self._check = check
        self._sockets = []

    async def ask(self, method, path, body=None, as_=None, headers=None, raw=None, **options) -> Reply:
        """Send a request; `body` is sent as JSON, `raw` (bytes) as it is."""
        sent = HTTPHeaders(headers or {})
        token = as_.token if isinstance(as_, Person) else as_
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if raw is None and body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        url = path if path.startswith("http") else self.base + path
        request = HTTPRequest(
            url,
            method,
            sent,
            raw,
            allow_nonstandard_methods=True,
            follow_redirects=False,
            request_timeout=50,
            **options,
        )
        answered = await self._http.fetch(request, raise_error=False)
        if answered.code == 599:
            raise answered.error
        reply = Reply(answered.code, answered.headers, answered.body or b"")
        if self._check is not None:
            self._check(method, path, reply)
        return reply

    async def get(self, path, as_=None, **options):
        return await self.ask("GET", path, None, as_, **options)

    async def post(self, path, body=None, as_=None, **options):
        return await self.ask("POST", path, body, as_, **options)

    async def put(self, path, body=None, as_=None, **options):
        return await self.ask("PUT", path, body, as_, **options)

    async def patch(self, path, body=None, as_=None, **options):
        return await self.ask("PATCH", path, body, as_, **options)

    async def delete(self, path, as_=None, **options):
        return await self.ask("DELETE", path, None, as_, **options)

    async def socket(self, path, as_=None, headers=None, **options):
        """Open a WebSocket; with `as_` it authenticates at the handshake."""
        sent = HTTPHeaders(headers or {})
        token = as_.token if isinstance(as_, Person) else as_
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        request = HTTPRequest(f"ws://127.0.0.1:{self.port}{path}", headers=sent)
        self._sockets.append(Socket(await websocket_connect(request, **options)))
        return self._sockets[-1]

    async def person(self, username, **changes) -> Person:
        """Register somebody."""
        email = changes.pop("email", f"{username}@example.com")
        reply = await self.post("/api/auth/register", {"email": email, "password": PASSWORD, "username": username})
        assert reply.status == 201, reply.body
        session = reply.json
        return Person(session["user"]["id"], session["accessToken"], email, username, session)

    def close(self):
        for socket in self._sockets:
            socket.hang_up()
        self._http.close()


class Socket:
    """A WebSocket connection that speaks JSON."""

    def __init__(self, connection):
        self.connection = connection
        self._stream = connection.protocol.stream

    async def read(self):
        """Return the next frame, parsed; None when the server has closed."""
        message = await self.connection.read_message()
        return None if message is None else json.loads(message)

    async def until(self, matches):
        """Return the next frame for which `matches(frame)`; frames before it are dropped."""
        while (frame := await self.read()) is not None:
            if matches(frame):
                return frame
        raise AssertionError(f"closed with {self.close_code}")

    async def event(self, name):
        """Return the next event called `name`."""
        return await self.until(lambda frame: frame.get("event") == name)

    async def send(self, type_, data=None, id_=None):
        """Send one frame."""
        frame = {
            "type": type_,
            **({"data": data} if data is not None else {}),
            **({"id": id_} if id_ is not None else {}),
        }
        await self.connection.write_message(json.dumps(frame))

    async def request(self, type_, data=None, id_=1):
        """Send one frame and return its reply."""
        await self.send(type_, data, id_)
        return await self.until(lambda frame: frame.get("reply") == id_)

    async def closed(self):
        """Wait for the server to close, and return the close code."""
        while await self.read() is not None:
            pass
        return self.close_code

    @property
    def close_code(self):
        return self.connection.close_code

    def close(self):
        self.connection.close()

    def hang_up(self):
        """Close now: Tornado's client does not read the server's answer behind frames that nobody has read."""
        self.close()
        self._stream.close()
