"""A TCP line to a server that can be cut, as a laptop's lid or a tunnel does, and mended."""

import socket
import threading
from contextlib import suppress


class Line:
    """Passes everything to `port` and back. Chromium's own offline mode leaves open WebSockets alone; this does not."""

    def __init__(self, port):
        self._target = ("127.0.0.1", port)
        self._is_cut = False
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """End every connection, and each that is tried from now on."""
        self._is_cut = True
        opened, self._open = self._open, []
        for end in opened:
            self._end(end)

    def mend(self):
        """Let new connections through again."""
        self._is_cut = False

    def close(self):
        """Stop for good."""
        self.cut()
        self._end(self._listener)
        self._listener.close()

    @staticmethod
    def _end(end):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                client.close()
                continue
            server = socket.create_connection(self._target)
            self._open += [client, server]
            if self._is_cut:  # just now, and these two were not among those that were ended
                self.cut()
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client), daemon=True).start()

    def _pass(self, source, sink):
        with source, suppress(OSError):
            while chunk := source.recv(16_384):
                sink.sendall(chunk)
        self._end(sink)  # which wakes the thread of the other direction; that closes it
