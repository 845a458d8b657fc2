"""Frames as they lie on the wire: JSON to WebSocket bytes and back (RFC 6455, contract section 11).

A frame that the server sends is built once and shared by every connection that gets it, so everything
here returns finished bytes: header and payload together, unmasked, in one text frame. Frames may be
joined by plain concatenation.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from core.clock import rfc3339
from core.errors import Invalid, Malformed, Problem
from core.validation import check, parse_json

MAX_FRAME = 65_536  # bytes of a client's frame; more is 1009
PING = b"\x89\x00"
FrameId = str | int | None

_TEXT = 0x81  # FIN and the text opcode
_MOST_ID_DIGITS = 2**53  # the largest integers that JavaScript keeps exactly
_ENVELOPE = {"id", "type", "data"}


class ClientFrame(NamedTuple):
    """What a client asks: `data` is an object whose members nobody has checked yet."""

    type: str
    data: dict[str, Any]


def text_frame(payload: bytes) -> bytes:
    """Return `payload` (UTF-8) as one unmasked text frame; the length takes 7, 16 or 64 bits."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 65_536:
        return bytes((_TEXT, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_TEXT, 127)) + size.to_bytes(8, "big") + payload


def encode(value: Any) -> bytes:
    """Return `value` as JSON; datetimes as the contract writes them."""
    return orjson.dumps(value, default=_moment, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _moment(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


Members = Mapping[str, Any] | orjson.Fragment  # of an object, or the object as finished JSON


def event(name: str, data: Members, *, channel: str | None = None, offset: int | None = None) -> bytes:
    """Return the JSON of an event; `offset` is left out of those that have none."""
    frame: dict[str, Any] = {"event": name}
    if channel is not None:
        frame["channel"] = channel
    if offset is not None:
        frame["offset"] = offset
    frame["data"] = data if isinstance(data, orjson.Fragment) else dict(data)
    return encode(frame)


def event_frame(name: str, data: Members, *, channel: str | None = None) -> bytes:
    """Return the frame of an event that one connection alone gets."""
    return text_frame(event(name, data, channel=channel))


def reply_frame(frame_id: FrameId, data: Mapping[str, Any] | None = None) -> bytes:
    """Return the frame that says yes to the client's frame `frame_id`; `data` is always an object."""
    return text_frame(encode({"reply": frame_id, "ok": True, "data": dict(data or {})}))


def error_frame(frame_id: FrameId, problem: Problem) -> bytes:
    """Return the frame that says no; `frame_id` is None where the client gave none or it could not be read."""
    return text_frame(encode({"reply": frame_id, "ok": False, "error": problem.frame()}))


def parse(message: str | bytes) -> dict[str, Any]:
    """Read one client frame's JSON object. Raises Malformed: binary frames, no JSON, repeated keys, no object."""
    if isinstance(message, bytes):
        raise Malformed(detail="Frames are text frames with one JSON object each.")
    document = parse_json(message)
    if not isinstance(document, dict):
        raise Malformed(detail="A frame is one JSON object.")
    return document


def frame_id(document: Mapping[str, Any]) -> FrameId:
    """Return the client's `id`, None where there is none. Raises Invalid for what could not be sent back."""
    given = document.get("id")
    if given is None:
        return None
    if isinstance(given, str) and len(given) <= 64 and _encodable(given):
        return given
    if isinstance(given, int) and not isinstance(given, bool) and abs(given) <= _MOST_ID_DIGITS:
        return given
    raise Invalid.field("id", "must be a string of up to 64 characters or an integer up to 2**53")


def envelope(document: Mapping[str, Any]) -> ClientFrame:
    """Return type and data of a frame. Raises Invalid."""
    kind, data = document.get("type"), document.get("data")
    if not isinstance(kind, str):
        raise Invalid.field("type", "must be a string" if "type" in document else "is required")
    if data is not None and not isinstance(data, dict):
        raise Invalid.field("data", "must be an object")
    unknown = document.keys() - _ENVELOPE
    if unknown:
        check(dict(document), _STRICT)  # finds the words, and refuses keys that could not be sent back
    return ClientFrame(kind, data or {})


_STRICT: dict[str, dict[str, Any]] = {
    "id": {"type": ["string", "integer"], "nullable": True},
    "type": {"type": "string"},
    "data": {"type": "dict", "nullable": True},
}


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
