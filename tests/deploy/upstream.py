"""What stands behind nginx in its tests: a real Tornado server that tells what reached it."""

import asyncio
import json
import threading

import tornado.httpserver
import tornado.web
import tornado.websocket


@tornado.web.stream_request_body
class Echo(tornado.web.RequestHandler):
    """Answers with what arrived; counts the body as it comes and notes when its first part came."""

    def prepare(self):
        self.request.connection.set_max_body_size(1 << 30)
        self.bytes = 0

    def data_received(self, chunk):
        self.bytes += len(chunk)
        self.application.settings["first_part"].set()

    def answer(self):
        if self.get_query_argument("status", None):
            self.set_status(int(self.get_query_argument("status")))
        self.write({"headers": dict(self.request.headers.get_all()), "bytes": self.bytes, "uri": self.request.uri})

    get = post = put = answer


class Silent(tornado.web.RequestHandler):
    """Takes the request and closes the connection without an answer, as a process does that is killed."""

    def get(self):
        self.application.settings["asked"].append(self.request.method)
        self.request.connection.stream.close()

    post = get


class Mirror(tornado.websocket.WebSocketHandler):
    def check_origin(self, origin):
        return True

    def open(self):
        self.write_message(json.dumps(dict(self.request.headers.get_all())))

    def on_message(self, message):
        self.write_message(message)


class Upstream:
    """A Tornado server in a thread of its own."""

    def __init__(self):
        self.first_part, self.asked = threading.Event(), []
        self.port = None
        up = threading.Event()
        self.thread = threading.Thread(target=asyncio.run, args=[self.run(up)])
        self.thread.start()
        up.wait()

    async def run(self, up):
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        routes = [(r"/ws/.*", Mirror), (r"/silent", Silent), (r".*", Echo)]
        app = tornado.web.Application(routes, first_part=self.first_part, asked=self.asked)
        server = tornado.httpserver.HTTPServer(app)
        server.listen(0, "127.0.0.1")
        self.port = next(iter(server._sockets.values())).getsockname()[1]
        up.set()
        await self.over.wait()
        server.stop()
        await server.close_all_connections()

    def stop(self):
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join()
