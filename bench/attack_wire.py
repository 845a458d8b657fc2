"""A WebSocket client close to the wire: it reads when it is told to, and sends what no library would."""

import asyncio
import json
import os
import socket
import struct
from typing import Any

_KEY = "bWFycXVlZS1hdHRhY2stMQ=="  # any 16 bytes will do
CUT_OFF = "cut off"  # how an end begins that came without a close frame


class Refused(Exception):
    """The handshake was not answered with 101, or the connection ended."""


def frame(payload: bytes, opcode: int = 0x1) -> bytes:
    """Return one whole frame as clients send it."""
    size, mask = len(payload), os.urandom(4)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    key = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class Wire:
    """One connection, from its handshake on. Nothing is read but what is asked for; pings are not answered."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int, path: str, token: str, *, room_for: int = 0) -> "Wire":
        """Connect as the owner of `token`; the kernel keeps `room_for` bytes (0: its own choice). Raises Refused."""
        raw = socket.socket()
        if room_for:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room_for)
        raw.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=raw, limit=1 << 16)
        except OSError as e:
            raw.close()
            raise Refused(str(e)) from e
        wire = cls(reader, writer)
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {_KEY}", f"Authorization: Bearer {token}"]
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode())
            answer = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError) as e:
            wire.drop()
            raise Refused(str(e)) from e
        if not answer.startswith(b"HTTP/1.1 101"):
            wire.drop()
            raise Refused(answer.split(b"\r\n")[0].decode())
        return wire

    def send(self, document: Any) -> None:
        """Send one text frame."""
        self._writer.write(frame(json.dumps(document).encode()))

    def send_raw(self, sent: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(sent)

    async def read(self) -> dict[str, Any]:
        """Return the next text frame, parsed. Raises Refused with the close code when the connection ends."""
        while True:
            opcode, payload = await self._frame()
            if opcode == 0x1:
                document: dict[str, Any] = json.loads(payload)
                return document
            if opcode == 0x8:
                raise Refused(str(struct.unpack("!H", payload[:2])[0]) if payload else "closed")

    async def ends(self) -> str:
        """Read to the end and hang up; return the close code, or how else it ended."""
        try:
            while True:
                await self.read()
        except Refused as e:
            return str(e)
        finally:
            self.drop()

    async def _frame(self) -> tuple[int, bytes]:
        try:
            first, second = await self._reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack("!H", await self._reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
            return first & 0x0F, await self._reader.readexactly(size)
        except (OSError, asyncio.IncompleteReadError) as e:
            raise Refused(f"{CUT_OFF}: {type(e).__name__}") from e

    def pause(self) -> None:
        """Take nothing from the kernel any more."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def resume(self) -> None:
        """Read again."""
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    def die(self) -> None:
        """Reset the connection, as the kernel does for a process that dies."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.drop()

    def drop(self) -> None:
        """Hang up at once."""
        self._writer.transport.abort()
