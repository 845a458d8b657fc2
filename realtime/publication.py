"""What travels through the broker: an event whose JSON is finished, with the little that a process needs to route it.

On the wire: one line `<d|e> <type> <offset or ->`, then the JSON that clients get. The publisher encodes
once for every process; a receiving process puts the WebSocket header before `body` and parses no JSON.
"""

from typing import NamedTuple

from core.events import Event
from realtime import frames


class Publication(NamedTuple):
    """One event under way. `ephemeral` ones are the first to be dropped; `offset` orders a room's changes."""

    type: str
    offset: int | None
    ephemeral: bool
    body: bytes

    @classmethod
    def of(cls, event: Event) -> "Publication":
        """Encode `event`. Raises TypeError for data that is no JSON: a defect of whoever announced it."""
        body = frames.event(event.type, event.data, channel=event.channel, offset=event.offset)
        return cls(event.type, event.offset, event.ephemeral, body)

    def pack(self) -> bytes:
        """Return the bytes for the broker."""
        offset = "-" if self.offset is None else self.offset
        return f"{'e' if self.ephemeral else 'd'} {self.type} {offset}\n".encode() + self.body


def unpack(payload: bytes) -> Publication:
    """Read what `pack` wrote. Raises ValueError for anything else."""
    head, newline, body = payload.partition(b"\n")
    flag, kind, offset = head.decode().split(" ")
    if not newline or flag not in {"d", "e"}:
        raise ValueError("not a publication")
    return Publication(kind, None if offset == "-" else int(offset), flag == "e", body)
