"""The one gateway of routes: every handler module's `routes`, checked before the first request."""

import errno
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.routing import URLSpec
from tornado.web import Application, RequestHandler

from core.settings import Settings, SettingsError
from core.validation import Json
from handlers import (
    auth,
    display,
    docs,
    emergencies,
    files,
    media,
    media_content,
    messages,
    openapi,
    pages,
    playlists,
    rooms,
    screens,
    system,
    users,
    workspaces,
)
from handlers.accepting import Acceptor
from handlers.base import ApiHandler, BaseHandler, Edge, NotFoundHandler
from handlers.endpoint import compile_route, refuse_undeclared
from handlers.requests import MAX_JSON
from handlers.stream import Stream

MODULES = (
    auth,
    users,
    workspaces,
    screens,
    display,
    media,
    playlists,
    emergencies,
    rooms,
    messages,
    files,
    system,
    openapi,
)
Route = tuple[str, type[ApiHandler]]
HEADERS_SECONDS = 75  # for headers to come, and between two requests: longer than nginx keeps an upstream (60 s)


def api_routes() -> list[Route]:
    """Return every route of the REST API with its handler, in the order they are tried."""
    return [route for module in MODULES for route in module.routes]


@cache
def description() -> Json:
    """Return the API's description, made once in a process. Raises ValueError where declarations contradict."""
    return openapi.document(api_routes())


def build(edge: Edge, settings: Settings, sockets: list[tuple[str, type[Any], dict[str, Any]]]) -> Application:
    """Return the application. Raises TypeError where a method lacks its declaration."""
    routes = api_routes()
    refuse_undeclared(routes, RequestHandler.get)
    told = description()
    specs = [URLSpec(compile_route(route), handler, {"edge": edge, "route": route}) for route, handler in routes]
    specs.append(URLSpec(r"/docs/?", docs.DocsHandler, {"edge": edge, "route": "/docs"}))
    specs += [URLSpec(pattern, handler, given) for pattern, handler, given in sockets]
    for name, pattern, content in (*media_content.routes, *files.contents):
        specs.append(URLSpec(pattern, content, {"edge": edge, "route": name}))
    for pattern, handler, given in pages.routes():
        specs.append(URLSpec(pattern, handler, {"edge": edge, **given}))
    return Application(
        specs,
        default_handler_class=NotFoundHandler,
        default_handler_args={"edge": edge, "route": "(none)"},
        settings=settings,
        openapi=told,
        docs=docs.Page(told, [(pattern, given["endpoint"]) for pattern, _, given in sockets]),
        log_function=_no_log,
        compress_response=False,
    )


def bound_port(server: HTTPServer) -> int:
    """Return the port that a listening server was given."""
    return int(next(iter(server._sockets.values())).getsockname()[1])


def _no_log(_handler: BaseHandler) -> None:
    """BaseHandler.on_finish writes the access log."""


def listen(application: Application, port: int, host: str) -> "Server":
    """Serve `application` on `host:port`, with Tornado's defaults replaced (design, section 5: Traps).

    Raises SettingsError where that address is not to be had.
    """
    server = Server(
        application,
        idle_connection_timeout=HEADERS_SECONDS,
        body_timeout=3600,  # a 500 MB video over a slow line; handlers set less where they refuse
        max_header_size=64 * 1024,  # a 20 KB token is a 401, not an unread request
        max_body_size=MAX_JSON * 2,
        chunk_size=64 * 1024,
    )
    with _told_of(port, host):
        server.listen(port, host, backlog=4096)  # thousands that come back at once wait in the kernel
    return server


def refuse_taken(port: int, host: str) -> None:
    """Raise SettingsError where `host:port` is not to be had now, before the work of starting. Nothing stays bound."""
    with _told_of(port, host):
        for bound in bind_sockets(port, host):
            bound.close()


@contextmanager
def _told_of(port: int, host: str) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        name = "MARQUEE_PORT" if e.errno in {errno.EADDRINUSE, errno.EACCES} else "MARQUEE_HOST"
        raise SettingsError(f"{name}: the server cannot listen on {host}:{port}, {os.strerror(e.errno or 0)}.") from e


class Server(HTTPServer):
    """Tornado's HTTP server, with problem+json where it refuses what is not HTTP, and fair to those who are in."""

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Begin to accept connections, a few in each turn of the loop."""
        for listening in sockets:
            self._sockets[listening.fileno()] = listening
            self._handlers[listening.fileno()] = Acceptor(listening, self._handle_connection).stop

    def handle_stream(self, stream: Any, address: Any) -> None:
        """Serve a client, by a stream of our own on its socket."""
        sizes = {"max_buffer_size": stream.max_buffer_size, "read_chunk_size": stream.read_chunk_size}
        settings = cast(Application, self.request_callback).settings["settings"]
        super().handle_stream(Stream(stream.socket, settings, **sizes), address)
