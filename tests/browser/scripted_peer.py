"""A WebSocket server that answers exactly as a test tells it: for what the real one says only on a bad day."""

import asyncio
import json
import threading
from pathlib import Path

from tornado import web, websocket
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

WEB = Path(__file__).resolve().parents[2] / "web"


class Peer:
    """A socket server in a thread of its own: `script(n, handler, frame)` says what the nth connection does."""

    def __init__(self):
        self.frames = []
        self.connections = 0
        self.script = lambda n, handler, frame: None
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,))
        self._thread.start()
        ready.wait(60)

    def _serve(self, ready):
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._listen, ready)
        self._loop.run_forever()
        self._loop.run_until_complete(self._server.close_all_connections())
        self._loop.close()

    def _listen(self, ready):
        sock, port = bind_unused_port()
        self._server = HTTPServer(
            web.Application([
                (r"/ws", _Handler, {"peer": self}),
                (r"/shared/(.*)", web.StaticFileHandler, {"path": str(WEB / "shared")}),
                (r"/", _Blank),
            ], log_function=lambda handler: None)
        )  # fmt: skip
        self._server.add_socket(sock)
        self.url = f"http://127.0.0.1:{port}"
        ready.set()

    def stop(self):
        """End the thread and all that it serves."""
        self._loop.call_soon_threadsafe(self._server.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


class _Blank(web.RequestHandler):
    def get(self):
        self.finish("<!doctype html><title>blank</title><link rel=icon href='data:,'>")


class _Handler(websocket.WebSocketHandler):
    def initialize(self, peer):
        self.peer = peer

    def open(self):
        self.peer.connections += 1
        self.number = self.peer.connections

    def on_message(self, message):
        frame = json.loads(message)
        self.peer.frames.append((self.number, frame))
        self.peer.script(self.number, self, frame)

    def say(self, *frames):
        """Send frames."""
        for frame in frames:
            self.write_message(json.dumps(frame))
