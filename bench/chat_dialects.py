"""How the two chats are spoken to over a WebSocket: Marquee's frames, and Socket.IO's packets (protocol 4).

Everything is bytes: what measures a server must cost little beside it. A client's frame is masked with zeros,
which leaves its text as it is.
"""

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any, Protocol

_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
)
_PATIENCE_SECONDS = 60.0


def framed(text: bytes, opcode: int = 1) -> bytes:
    """Return a client's frame."""
    size = len(text)
    head = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
    return bytes([0x80 | opcode]) + head + bytes(4) + text


def texts(buffer: bytearray) -> list[bytes]:
    """Take all whole frames off the front of what a server sent, and return their contents."""
    found, at, there = [], 0, len(buffer)
    while there - at >= 2:
        size, head = buffer[at + 1], 2
        if size == 126:
            size, head = int.from_bytes(buffer[at + 2 : at + 4]), 4
        elif size == 127:
            size, head = int.from_bytes(buffer[at + 2 : at + 10]), 10
        if there - at < head + size or there - at < head:
            break
        found.append(bytes(buffer[at + head : at + head + size]))
        at += head + size
    del buffer[:at]
    return found


class Dialect(Protocol):
    """One way to speak. `id` of a frame is an integer that its answer carries."""

    path: str
    greeting: Sequence[tuple[bytes, bytes]]  # (what the server says, what is answered to it), in this order
    beat: bytes  # what keeps a connection alive, as a frame

    def subscribe(self, id: int, room_ids: Sequence[str], after: int | None = None) -> bytes:
        """Return the frame that subscribes to rooms, from an offset on."""

    def send(self, id: int, room_id: str, content: str, client_id: str) -> bytes:
        """Return the frame that sends a message."""

    def answer(self, text: bytes) -> int | None:
        """Return the id of the frame that `text` answers; None where it is no answer. Raises on a refusal."""


class Marquee:
    """Marquee's own frames."""

    path = "/ws/chat"
    greeting: Sequence[tuple[bytes, bytes]] = ((b'"event":"hello"', b""),)
    beat = framed(b"", 0xA)

    def subscribe(self, id: int, room_ids: Sequence[str], after: int | None = None) -> bytes:
        rooms = [{"room": room} | ({} if after is None else {"after": after}) for room in room_ids]
        return self._frame(id, "room.subscribe", {"rooms": rooms})

    def send(self, id: int, room_id: str, content: str, client_id: str) -> bytes:
        return self._frame(id, "message.send", {"room": room_id, "content": content, "clientId": client_id})

    def answer(self, text: bytes) -> int | None:
        if not text.startswith(b'{"reply":'):
            return None
        if b'"ok":true' not in text[:60]:
            raise RuntimeError(f"refused: {text[:300]!r}")
        return int(text[9 : text.index(b",")])

    @staticmethod
    def _frame(id: int, name: str, data: Any) -> bytes:
        return framed(json.dumps({"id": id, "type": name, "data": data}).encode())


class SocketIo:
    """Socket.IO's packets over its websocket transport, with acknowledgements."""

    path = "/socket.io/?EIO=4&transport=websocket"
    greeting: Sequence[tuple[bytes, bytes]] = ((b'0{"sid"', b"40"), (b"40{", b""))
    beat = framed(b"3")

    def subscribe(self, id: int, room_ids: Sequence[str], after: int | None = None) -> bytes:
        rooms = [{"room": room} | ({} if after is None else {"after": after}) for room in room_ids]
        return self._packet(id, "room.subscribe", {"rooms": rooms})

    def send(self, id: int, room_id: str, content: str, client_id: str) -> bytes:
        return self._packet(id, "message.send", {"room": room_id, "content": content, "clientId": client_id})

    def answer(self, text: bytes) -> int | None:
        if not text.startswith(b"43"):
            return None
        if b'"ok":true' not in text[:60]:
            raise RuntimeError(f"refused: {text[:300]!r}")
        return int(text[2 : text.index(b"[")])

    @staticmethod
    def _packet(id: int, name: str, data: Any) -> bytes:
        return framed(f"42{id}{json.dumps([name, data])}".encode())


DIALECTS: dict[str, Dialect] = {"marquee": Marquee(), "express-socketio": SocketIo()}


def connect(dialect: Dialect, port: int, token: str, room_ids: Sequence[str] = ()) -> socket.socket:
    """Open a connection, authenticate, subscribe to `room_ids`, and return its socket when that was answered."""
    line = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_SECONDS)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line.sendall(_HANDSHAKE.format(path=dialect.path, token=token).encode())
    _await(line, b"\r\n\r\n", *[said for said, _ in dialect.greeting[:1]])
    for number, (_, answer) in enumerate(dialect.greeting):
        if answer:
            line.sendall(framed(answer))
            _await(line, dialect.greeting[number + 1][0])
    if room_ids:
        line.sendall(dialect.subscribe(1, room_ids))
        _await(line, b'"offset"')
    return line


def _await(line: socket.socket, *marks: bytes) -> None:
    seen = b""
    while not all(mark in seen for mark in marks):
        came = line.recv(65536)
        if not came:
            raise ConnectionError(f"the server hung up: {seen[:500]!r}")
        seen += came
