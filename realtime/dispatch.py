"""From a client's text frame to its reply: read, checked, run, answered.

Refusals are the same Problems as in REST, framed. What no good client sends (no JSON, an unknown type, data
that its schema refuses) also counts against the connection; what a store refuses does not.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from core.deadline import ANSWER_SECONDS, answer_due
from core.errors import Invalid, Problem, Unauthenticated
from realtime import frames
from realtime.endpoint import FrameType
from realtime.frames import FrameId

if TYPE_CHECKING:
    from realtime.connection import Connection

log = structlog.get_logger("marquee.socket")


class Asked(NamedTuple):
    """A client's frame, read and checked."""

    id: FrameId
    type: FrameType
    data: dict[str, Any]


async def handle(connection: "Connection", message: str | bytes) -> None:
    """Act on one frame and answer it: always where it has an id or fails, and `ping` always. Never raises."""
    asked = _read(connection, message)
    if asked is None:
        return
    try:
        async with answer_due(None if asked.type.patient else ANSWER_SECONDS):
            data = await asked.type.run(connection, asked.data)
    except Problem as e:
        connection.refuse(asked.id, e)
    except Exception:
        log.exception("socket.defect", connection=connection.id, endpoint=connection.endpoint.name)
        connection.refuse(asked.id, Problem())
    else:
        if asked.id is not None or asked.type is PING:
            connection.push(frames.reply_frame(asked.id, data))


def _read(connection: "Connection", message: str | bytes) -> Asked | None:
    """Read a frame; a wrong one is answered, and None returned."""
    frame_id: FrameId = None
    try:
        document = frames.parse(message)
        frame_id = frames.frame_id(document)
        name, data = frames.envelope(document)
        frame_type = _COMMON.get(name) or connection.endpoint.frames.get(name)
        if connection.actor is None and frame_type is not AUTH:
            raise Unauthenticated(detail="The first frame is auth.")
        if frame_type is None:
            raise Invalid.field("type", "is not a type of this socket")
        checked = frame_type.checked(data)
    except Problem as e:
        connection.refuse_wrong(frame_id, e)
        return None
    # To the first `auth`, hello is the only answer.
    return Asked(None if connection.actor is None else frame_id, frame_type, checked)


async def _auth(connection: "Connection", data: Mapping[str, Any]) -> None:
    await connection.authenticate(data["token"])


async def _ping(connection: "Connection", _data: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"serverTime": connection.shared.clock.now()}


_TOKEN = {"token": {"type": "string", "minlength": 1, "maxlength": 4096, "required": True}}
AUTH = FrameType(_TOKEN, _auth, "Authenticate, or extend a live connection with a fresh access token.", patient=True)
PING = FrameType({}, _ping, "Ask for a reply, for clients that cannot see WebSocket pings.")
_COMMON = {"auth": AUTH, "ping": PING}
