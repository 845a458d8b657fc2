"""Many screens' sockets in one process, raw: what they cost is the server's, not the client's."""

import selectors
import socket
import time
from collections.abc import Sequence

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120\r\n\r\n"
)
AT_ONCE = 50  # that connect at the same time
PING = b"\x89"
PER_ADDRESS = 20_000  # connections from one address of the loopback to one port: it has 28,000 ports


def text_frame(text: bytes) -> bytes:
    """Return a client's text frame; a mask of zeros leaves the text as it is."""
    size = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126]) + len(text).to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + text


class ScreenCrowd:
    """The sockets of these tokens, greeted and told their revision."""

    def __init__(
        self, port: int, tokens: Sequence[str], *, path: str = "/ws/screen", ready: bytes = b"manifest."
    ) -> None:
        """Connect them all; one is there when it was sent `ready`. Raises TimeoutError, ConnectionError."""
        self.selector = selectors.DefaultSelector()
        self.sockets: list[socket.socket] = []
        for start in range(0, len(tokens), AT_ONCE):
            self.drain()
            self._connect(port, tokens[start : start + AT_ONCE], path, ready)

    def _connect(self, port: int, tokens: Sequence[str], path: str, ready: bytes) -> None:
        waiting = {}
        for token in tokens:
            address = f"127.0.0.{2 + len(self.sockets) // PER_ADDRESS}"
            one = socket.create_connection(("127.0.0.1", port), source_address=(address, 0))
            one.sendall(HANDSHAKE.format(path=path, token=token).encode())
            one.setblocking(False)
            self.selector.register(one, selectors.EVENT_READ)
            self.sockets.append(one)
            waiting[one] = b""
        while waiting:
            for one, came in self._read(30):
                if not came:
                    raise ConnectionError("the server hung up")
                if one in waiting:
                    waiting[one] += came
                    if ready in waiting[one]:
                        del waiting[one]

    def _read(self, seconds: float) -> list[tuple[socket.socket, bytes]]:
        found = self.selector.select(seconds)
        if not found:
            raise TimeoutError("nothing came")
        read = [(key.fileobj, key.fileobj.recv(65536)) for key, _ in found]  # type: ignore[union-attr]
        for one, came in read:
            if came[:1] == PING:  # one that comes behind another frame is passed over: the next one is answered
                one.sendall(b"\x8a" + bytes([0x80 | came[1]]) + bytes(4) + came[2 : 2 + came[1]])  # type: ignore[union-attr]
        return read  # type: ignore[return-value]

    def drain(self) -> None:
        """Read whatever has come, without waiting. Who was hung up on is left alone from then on."""
        while self.sockets and self.selector.select(0):
            for one, came in self._read(0):
                if not came:
                    self.selector.unregister(one)

    def all_hear(self, mark: bytes, seconds: float = 30) -> float:
        """Wait until every socket was sent `mark`; return the moment (perf_counter) at which the last one had it."""
        missing = set(self.sockets)
        until = time.monotonic() + seconds
        while missing:
            for one, came in self._read(max(0.0, until - time.monotonic())):
                if mark in came:
                    missing.discard(one)
        return time.perf_counter()

    def close(self) -> None:
        """Hang up."""
        self.selector.close()
        for one in self.sockets:
            one.close()
