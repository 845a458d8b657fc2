"""Headers that every answer carries: protection as Helmet sets it by default, and CORS by allow-list.

tornado-cors cannot be imported with Tornado 6 and knows one fixed origin: docs/decisions/0003-cors.md.
"""

from typing import Any
from urllib.parse import urlsplit

from core.settings import Settings

EXPOSED = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id"
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Range, X-Request-Id"
API_POLICY = "default-src 'none'; frame-ancestors 'none'"

_HELMET = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-XSS-Protection": "0",
}
HSTS = "max-age=31536000; includeSubDomains"


def protect(handler: Any, settings: Settings, *, page: bool) -> None:
    """Set the protective headers; a page's policy lets it load its own scripts, media and sockets."""
    handler.clear_header("Server")
    for name, value in protection(settings, page=page).items():
        handler.set_header(name, value)


def protection(settings: Settings, *, page: bool = False) -> dict[str, str]:
    """Return the protective headers."""
    policy = page_policy(settings) if page else API_POLICY
    hsts = {"Strict-Transport-Security": HSTS} if settings.https else {}
    return {**_HELMET, "Content-Security-Policy": policy, **hsts}


def page_policy(settings: Settings) -> str:
    """Return the policy of the dashboard, the player and the docs: no inline script, own origin, the media's host."""
    media = " https://res.cloudinary.com https://api.cloudinary.com" if settings.storage == "cloudinary" else ""
    parts = [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src 'self' blob: data:{media}",
        f"media-src 'self' blob:{media}",
        f"connect-src 'self' ws: wss:{media}",
        "worker-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
    return "; ".join([*parts, "upgrade-insecure-requests"] if settings.https else parts)


def origin_is_known(origin: str, host: str, settings: Settings) -> bool:
    """Tell whether `origin` is on the CORS list or the server's own, as its Host or public URL says."""
    return origin in settings.cors_origins or is_own_origin(origin, host, settings)


def is_own_origin(origin: str, host: str, settings: Settings) -> bool:
    """Tell whether a page of `origin` came from this server."""
    if settings.public_url is not None:
        public = urlsplit(settings.public_url)
        if origin == f"{public.scheme}://{public.netloc}":
            return True
    return urlsplit(origin).netloc.lower() == host.lower() and origin.startswith(("http://", "https://"))


def allow_origin(handler: Any, settings: Settings) -> None:
    """Set the CORS headers for a listed origin, and none at all for another one."""
    handler.set_header("Vary", "Origin")
    origin = handler.request.headers.get("Origin")
    if origin is None or origin not in settings.cors_origins:
        return
    handler.set_header("Access-Control-Allow-Origin", origin)
    handler.set_header("Access-Control-Allow-Credentials", "true")
    handler.set_header("Access-Control-Expose-Headers", EXPOSED)
    if handler.request.method == "OPTIONS":
        handler.set_header("Access-Control-Allow-Methods", METHODS)
        handler.set_header("Access-Control-Allow-Headers", REQUEST_HEADERS)
        handler.set_header("Access-Control-Max-Age", "600")
