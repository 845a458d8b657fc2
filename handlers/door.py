"""What a WebSocket's handshake needs of the gateway: the same address, token, origin and header rules as REST."""

from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from core.settings import Settings
from handlers import headers, requests


class Door:
    """See `realtime.sockets.Door`, which this is; the two layers do not import each other."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def ip(self, request: HTTPServerRequest) -> str:
        """Return the client's address, behind trusted proxies too."""
        return requests.client_ip(request, self._settings.trusted_proxies)

    def token(self, request: HTTPServerRequest) -> str | None:
        """Return the bearer token, "" for a header that holds none, None without a header."""
        return requests.bearer(request)

    def request_id(self, request: HTTPServerRequest) -> str:
        """Return the request's id."""
        return requests.request_id(request)

    def knows_origin(self, origin: str, host: str) -> bool:
        """Tell whether pages of `origin` may connect."""
        return headers.origin_is_known(origin, host, self._settings)

    def protect(self, handler: RequestHandler) -> None:
        """Set the protective headers."""
        headers.protect(handler, self._settings, page=False)
