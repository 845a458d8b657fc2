"""A TCP proxy that breaks the first long answer off in the middle, as a bad line does."""

import socket
import threading
from contextlib import suppress


class CuttingProxy:
    """Passes everything to `port` and back, but cuts one connection when `cut_after` bytes have come back on it."""

    def __init__(self, port, cut_after):
        self._target = ("127.0.0.1", port)
        self._cut_after = cut_after
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        """Stop, and end every connection."""
        for end in [self._listener, *self._open]:
            end.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._open += [client, server]
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source, sink, back):
        passed = 0
        with suppress(OSError):
            while chunk := source.recv(16_384):
                sink.sendall(chunk)
                passed += len(chunk)
                if back and self.cuts == 0 and passed > self._cut_after:
                    self.cuts += 1
                    break
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
