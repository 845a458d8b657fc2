"""A WebSocket client close to the wire: it reads when it is told to, and sends what no library would."""

import asyncio
import json
import os
import socket
import struct


def masked(payload, opcode=0x1, fin=True):
    """Return a client's frame."""
    head = bytes(((0x80 if fin else 0) | opcode,))
    size = len(payload)
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 65536:
        head += bytes((0x80 | 126,)) + struct.pack("!H", size)
    else:
        head += bytes((0x80 | 127,)) + struct.pack("!Q", size)
    mask = os.urandom(4)
    key = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)


class Wire:
    """One connection. `status` and `head` are the handshake's answer."""

    opened = []  # noqa: RUF012 - what the test's end has to hang up (conftest.py)

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, path, token=None, *, headers=(), receive_buffer=None):
        raw = socket.socket()
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=raw, limit=65536)
        wire = cls(reader, writer)
        cls.opened.append(wire)
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *([f"Authorization: Bearer {token}"] if token is not None else []),
            *headers,
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        wire.head = (await reader.readuntil(b"\r\n\r\n")).decode()
        wire.status = int(wire.head.split()[1])
        return wire

    async def send(self, document):
        """Send one JSON text frame."""
        self.writer.write(masked(document if isinstance(document, bytes) else json.dumps(document).encode()))
        await self.writer.drain()

    async def frame(self):
        """Return `(opcode, payload)` of the next frame of the server."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(size)

    async def read(self):
        """Return the next text frame, parsed; pings are passed over."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 1:
                return json.loads(payload)
            if opcode == 8:
                raise ConnectionError(f"closed with {struct.unpack('!H', payload[:2])[0] if payload else None}")

    async def closed_with(self):
        """Read on to the close frame and return its code; answer it as a good client does."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 8:
                self.writer.write(masked(payload[:2], 0x8))
                return struct.unpack("!H", payload[:2])[0]

    def hang_up(self):
        self.writer.close()
