"""Ports for servers that are stopped and started again on the same one."""

import secrets
import socket

# Below what Linux hands out by itself (from 32768): otherwise an outgoing connection of anybody may have taken the
# port by the time its server comes back. And apart from the embedded stores' (20000 to 31999).
_PORTS = range(10_000, 20_000)


def free_port() -> int:
    """Return a port of the loopback on which nobody listens now."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
