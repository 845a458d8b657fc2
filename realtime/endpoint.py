"""What one socket address offers: the frames that it takes, and what happens around a connection's life."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.validation import Json, Schema, check

if TYPE_CHECKING:
    from realtime.connection import Connection

Run = Callable[["Connection", Json], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class FrameType:
    """One type of client frame: what its `data` must be, and the coroutine that acts on it.

    `run` returns the reply's `data` (None for nothing to say) or raises a Problem, exactly as the REST twin's
    store call does. `read` checks `data`; the default is the schema alone. One that is `patient` has no deadline of
    its own (core/deadline.py), only its steps have: what thousands ask for at once is better late than asked again.
    """

    schema: Schema
    run: Run
    doc: str = ""
    read: Callable[[Json], Json] | None = None
    patient: bool = False

    def checked(self, data: Json) -> Json:
        """Return `data` as the schema lets it through, or raise Invalid."""
        return self.read(data) if self.read is not None else check(data, self.schema, what="data")


class Endpoint:
    """Base of `/ws/screen`, `/ws/dashboard` and `/ws/chat`: one object of each in a process.

    `name` labels metrics and logs, `takes` is the kind of actor that may connect, `frames` the types beside
    `auth` and `ping`, which every socket has.
    """

    name: str
    takes: Literal["user", "screen"] = "user"

    def __init__(self) -> None:
        self.frames: dict[str, FrameType] = {}

    def limits(self) -> dict[str, int]:
        """Return what `hello` tells beside the limits that all sockets share."""
        return {}

    async def joined(self, connection: "Connection") -> None:
        """Act on a connection that has just been authenticated and greeted. Problems close it."""

    async def left(self, connection: "Connection") -> None:
        """Act on the end of a connection that had joined. Its subscriptions are gone already."""

    async def recheck(self, connection: "Connection") -> None:
        """Look again at what the connection may hear: its user's rights have changed.

        A Problem that it raises brings it the call again a second later.
        """
