"""The delivery verifier's people: accounts, REST calls and chat connections."""

import asyncio
import json
import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

ANSWER_SECONDS = 6.0  # above the 4 s after which the server answers that an outcome is unknown
_PASSWORD = "a long sentence for the verifier"
_SIGN_IN = ("email", "password")
_LOST = (OSError, TimeoutError, HTTPClientError)
_NARROW = 65_536  # bytes that the kernel takes for a connection that is not read: it would offer some MB by itself


class Lost(Exception):
    """The connection broke, or no answer came: what was asked may or may not have been done."""


@dataclass
class Person:
    """Somebody with an account; `ports` are those of all server processes.

    With a `home` they wait for that process whenever it dies; else any process does. So all processes keep people.
    """

    name: str
    ports: Sequence[int]
    chance: random.Random
    home: int | None = None
    id: str = ""
    token: str = ""

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask a process for something by REST, another one while one does not answer; return status and JSON."""
        for _ in range(40):
            port = self.chance.choice(self.ports)
            headers = {"Content-Type": "application/json"}
            if self.token:
                headers["Authorization"] = f"Bearer {self.token}"
            request = HTTPRequest(
                f"http://127.0.0.1:{port}{path}", method, headers, None if body is None else json.dumps(body),
                connect_timeout=3, request_timeout=ANSWER_SECONDS, allow_nonstandard_methods=True,
            )  # fmt: skip
            try:
                reply = await AsyncHTTPClient().fetch(request, raise_error=False)
            except _LOST:
                reply = None
            if reply is not None and reply.code < 500:
                return reply.code, json.loads(reply.body) if reply.body else None
            await asyncio.sleep(0.3)
        raise Lost(f"{method} {path} was never answered")

    async def register(self) -> None:
        """Make the account."""
        body = {"email": f"{self.name}@example.com", "username": self.name, "password": _PASSWORD}
        status, session = await self.call("POST", "/api/auth/register", body)
        if status == 409:  # the first try was done after all
            status, session = await self.call("POST", "/api/auth/login", {key: body[key] for key in _SIGN_IN})
        if status not in {200, 201}:
            raise RuntimeError(f"{self.name} could not register: {session}")
        self.id, self.token = session["user"]["id"], session["accessToken"]

    async def renew(self) -> None:
        """Sign in anew: access tokens live for a quarter of an hour only."""
        self.token = ""
        body = {"email": f"{self.name}@example.com", "password": _PASSWORD}
        status, session = await self.call("POST", "/api/auth/login", body)
        if status == 200:
            self.token = session["accessToken"]

    async def connect(self) -> "Line":
        """Open a chat connection to one of the processes, with back-off; returns after `hello`."""
        pause = 0.1
        while True:
            request = HTTPRequest(
                f"ws://127.0.0.1:{self.home or self.chance.choice(self.ports)}/ws/chat",
                headers={"Authorization": f"Bearer {self.token}"}, connect_timeout=3, request_timeout=3,
            )  # fmt: skip
            try:
                line = Line(await websocket_connect(request))
                if (await line.read(3)).get("event") == "hello":
                    return line
            except (Lost, Exception) as e:
                if isinstance(e, Lost) and "4401" in str(e):
                    await self.renew()
            await asyncio.sleep(self.chance.uniform(pause / 2, pause))
            pause = min(pause * 2, 2)


class Line:
    """One chat connection."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.socket = connection
        self._asked = 0

    def narrow(self) -> None:
        """Let the kernel take little for this connection, so that the server soon notices when nobody reads it."""
        stream = self._stream()
        if stream is not None and not stream.closed():
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW)

    def hang_up(self) -> None:
        """Close the connection at once, without the good-byes that one who does not read would wait for."""
        stream = self._stream()
        self.socket.close()
        if stream is not None:
            stream.close()

    def _stream(self) -> Any:
        return getattr(self.socket.protocol, "stream", None)

    async def read(self, seconds: float | None = None) -> dict[str, Any]:
        """Return the next frame. Raises Lost."""
        try:
            message = await asyncio.wait_for(_awaited(self.socket), seconds)
        except TimeoutError as e:
            raise Lost("silence") from e
        if message is None:
            raise Lost(f"closed with {self.socket.close_code}")
        frame: dict[str, Any] = json.loads(message)
        return frame

    async def ask(
        self, type_: str, data: Any, hear: Callable[[dict[str, Any]], None], *, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """Send a frame and return its reply; `hear` gets what comes before. Raises Lost, after `seconds` too."""
        self._asked += 1
        frame = {"id": self._asked, "type": type_, "data": data}
        try:
            await self.socket.write_message(json.dumps(frame))
        except Exception as e:
            raise Lost("closed") from e
        try:
            async with asyncio.timeout(seconds):
                while (reply := await self.read()).get("reply") != self._asked:
                    hear(reply)
        except TimeoutError as e:
            raise Lost("no answer") from e
        return reply


async def _awaited(connection: WebSocketClientConnection) -> str | bytes | None:
    return await connection.read_message()
