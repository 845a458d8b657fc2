"""Reading a request: who sent it, its query string, its JSON body. Strict, as the contract's section 1 says."""

import ipaddress
import re
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from tornado.httputil import HTTPServerRequest

from core.errors import Invalid, UnsupportedType
from core.settings import Network
from core.validation import Json, Schema, parse_json

MAX_JSON = 256 * 1024
BODY_SECONDS = 60  # for a JSON body to come; who sends a byte now and then would hold a connection for an hour
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(request: HTTPServerRequest) -> str:
    """Return the caller's own X-Request-Id when it is sane, else a new one."""
    given = request.headers.get("X-Request-Id", "")
    return given if _SANE_REQUEST_ID.fullmatch(given) else new_request_id()


def new_request_id() -> str:
    """Return an id for a request that brought none."""
    return secrets.token_hex(8)


def client_ip(request: HTTPServerRequest, trusted: tuple[Network, ...]) -> str:
    """Return the address of the client: forwarded headers count only when the peer is a trusted proxy.

    Of `X-Forwarded-For` the rightmost address that is not itself a trusted proxy is taken, so a client's
    own entries never win.
    """
    peer = request.remote_ip or ""
    if not _is_in(peer, trusted):
        return peer
    for candidate in reversed(",".join(request.headers.get_list("X-Forwarded-For")).split(",")):
        address = candidate.strip()
        if not _is_address(address):
            break
        if not _is_in(address, trusted):
            return address
    return peer


def was_forwarded(request: HTTPServerRequest) -> bool:
    """Tell whether a proxy stands between, as its headers say."""
    names = ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Forwarded-Proto", "X-Scheme", "Via")
    return any(name in request.headers for name in names)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address == "" and bool(networks)  # a unix socket's peer is whoever may open the socket
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return any(ip in network for network in networks)


def address_in(address: str, networks: tuple[Network, ...]) -> bool:
    """Tell whether an IP address lies in one of `networks`."""
    return _is_in(address, networks)


def bearer(request: HTTPServerRequest) -> str | None:
    """Return the token of `Authorization: Bearer`, "" for a header of another form, None where there is none."""
    values = request.headers.get_list("Authorization")
    if not values:
        return None
    scheme, _, token = values[0].partition(" ")
    return token.strip() if len(values) == 1 and scheme.lower() == "bearer" else ""


def read_query(request: HTTPServerRequest, rules: Schema, read: Callable[[Any], Json]) -> Json:
    """Return the query's parameters as `rules` type them and `read` checks them.

    Unknown, repeated or malformed ones raise Invalid.
    """
    given: Json = {}
    for pair in filter(None, request.query.split("&")):
        raw_name, _, raw_value = pair.partition("=")
        name, value = _decode(raw_name), _decode(raw_value)
        if name in given:
            raise Invalid.field(name[:100], "is given twice")
        given[name] = value
    return read({name: _typed(value, rules.get(name, {}).get("type")) for name, value in given.items()})


def _decode(raw: str) -> str:
    try:
        return unquote_to_bytes(raw.replace("+", " ")).decode()
    except UnicodeDecodeError as e:
        raise Invalid.field("query", "is not UTF-8") from e


def _typed(value: str, kind: Any) -> Any:
    if kind == "integer" and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    if kind == "boolean" and value in {"true", "false"}:
        return value == "true"
    return value


def refuse_encoding(request: HTTPServerRequest) -> None:
    """Raise UnsupportedType for a body with a content encoding."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedType(detail="Bodies are taken without a content encoding.")


def read_json(request: HTTPServerRequest, raw: bytes, read: Callable[[Any], Json]) -> Json:
    """Return the JSON body as `read` lets it through; an absent body equals `{}`."""
    if not raw:
        return read({})
    kind, _, parameter = request.headers.get("Content-Type", "").partition(";")
    if kind.strip().lower() != "application/json":
        raise UnsupportedType(detail="Send the body as application/json.")
    charset = parameter.strip().lower().removeprefix("charset=").strip('"')
    if charset not in {"", "utf-8", "utf8"}:
        raise UnsupportedType(detail="JSON is UTF-8.")
    return read(parse_json(raw))
