"""One connection: who it is, what it may ask and how often, and how it ends.

    open -> (token, at the handshake or in the first frame, within 5 s) -> hello -> frames and events -> closed

No task and no timer belongs to a connection: the node looks at those whose `due` has come, once a second,
and frames are handled in the coroutine in which Tornado reads them, one after the other.
"""

import random
import time
from contextlib import suppress
from typing import Any

import structlog
from tornado.iostream import IOStream

from core.clock import new_id
from core.errors import Forbidden, Problem, RateLimited, Unauthenticated
from core.permissions import Actor
from realtime import dispatch, frames
from realtime.codes import Close
from realtime.endpoint import Endpoint
from realtime.frames import FrameId
from realtime.outbox import Outbox, tune
from realtime.rate import FixedWindow
from realtime.shared import Shared, Transport

log = structlog.get_logger("marquee.socket")


class Connection(Outbox):
    """One client. Made when its handshake is done; `opened` comes first, `lost` last.

    `actor` is None until it is authenticated. `due` is when the node looks at it next (monotonic seconds).
    `place` is the endpoint's own to keep something in.
    """

    # fmt: off
    __slots__ = (
        "_controls_seen", "_deadline", "_frames_seen", "_heard", "_in_lobby", "_token", "_transport", "_wrong",
        "actor", "code", "due", "endpoint", "id", "ip", "place", "shared", "user_agent",
    )
    # fmt: on

    def __init__(
        self, shared: Shared, endpoint: Endpoint, transport: Transport, stream: IOStream, *, ip: str, user_agent: str
    ) -> None:
        super().__init__(shared.node.writer, stream)
        now = time.monotonic()
        self.shared = shared
        self._transport = transport
        self._heard = now
        self._frames_seen = FixedWindow(shared.rules.frames)
        self._controls_seen = FixedWindow(shared.rules.frames)
        self._wrong = FixedWindow(shared.rules.wrong_frames)
        self.endpoint = endpoint
        self.id = new_id()
        self.ip = ip
        self.user_agent = user_agent
        self.actor: Actor | None = None
        self.place: Any = None
        self.code: int | None = None
        self._deadline = self.due = now + shared.rules.auth_seconds
        self._token = ""
        self._in_lobby = False
        tune(stream)

    async def opened(self, token: str | None) -> None:
        """Take up the connection; `token` is what the handshake carried, "" for a header that holds none."""
        self.shared.node.hub.add(self)
        if token is None:
            self._in_lobby = True
            self.shared.lobby.enter(self.ip)
        else:
            await self.authenticate(token)

    def received(self, message: str | bytes) -> Any:
        """Take one frame; returns an awaitable when there is something to wait for before the next."""
        if self.code is not None:
            return None
        self._heard = time.monotonic()
        if len(message) > frames.MAX_FRAME or len(message) * 4 > frames.MAX_FRAME < _bytes_of(message):
            self.close(Close.FRAME_TOO_LARGE)
            return None
        self.shared.node.metrics.frames_received.labels(self.endpoint.name).inc()
        rate = self.shared.rules.frames
        count = self._frames_seen.count(self._heard)
        if count > 2 * rate.count:
            self.close(Close.TOO_MANY_FRAMES)
            return None
        if count > rate.count:
            self.shared.node.metrics.rate_limited.labels("frames").inc()
            self.refuse(_id_of(message), RateLimited(self._frames_seen.left(self._heard), policy="frames"))
            return None
        return dispatch.handle(self, message)

    def heard(self) -> None:
        """Note a sign of life, a ping or a pong; a flood of them is one of frames."""
        self._heard = time.monotonic()
        if self.code is None and self._controls_seen.count(self._heard) > 2 * self.shared.rules.frames.count:
            self.close(Close.TOO_MANY_FRAMES)

    def look(self, now: float) -> None:
        """Do what is due: end what is over time or silent, ping the others."""
        beat = self.shared.rules.heartbeat_seconds
        if now >= self._deadline:
            self.close(Close.UNAUTHENTICATED)
        elif now - self._heard >= 2 * beat:
            self.close(Close.TOO_SLOW)
        else:
            self.push(frames.PING)
            self.due = min(now + beat, self._deadline, max(now, self._heard + 2 * beat))

    def close(self, code: Close, reason: str = "") -> None:
        """End the connection: what the kernel takes at once goes before the close frame, the rest is dropped."""
        if self.code is not None:
            return
        self.code = code
        self.flush()
        self.forget()
        self._transport.close(code, reason or None)
        self._end(code)

    def lost(self, code: int | None) -> None:
        """Note that the connection is no more; `code` is what the client closed it with."""
        if self.code is None:
            self.code = code or 1006
            self.forget()
            self._end(self.code)

    async def verify(self) -> None:
        """Close a screen's connection whose credential is no longer good; one that has a new one stays.

        Raises Unavailable.
        """
        if not await self.shared.gate.is_good(self._token, self.ip):
            self.close(Close.UNAUTHENTICATED)

    # --- authentication ---------------------------------------------------------------------------------------------

    async def authenticate(self, token: str) -> bool:
        """Find out who this is, first or again; return whether it was settled. Closes the connection if not."""
        began = time.monotonic()
        if self.actor is None:
            self._deadline = self.due = float("inf")  # the token came in time; how long we take is our affair
        try:
            actor = await self.shared.gate.admit(token, self.ip)
            if self.shared.node.revoked_since(began, actor.session_id, actor.id):
                actor = await self.shared.gate.admit(token, self.ip)  # what we were told may be stale already
            self._check_actor(actor)
        except Problem as e:
            self.close(_code_of(e), e.code)
        except Exception:
            log.exception("socket.defect", connection=self.id, endpoint=self.endpoint.name)
            self.close(Close.DEFECT)
        if self.code is not None:
            return False
        known, self.actor = self.actor, actor
        self._token = token if actor.kind == "screen" else ""
        self._deadline = self._ends_at(actor)
        # The first ping comes at a random moment, so that a mass reconnect does not beat in step for ever.
        first = random.uniform(0, self.shared.rules.heartbeat_seconds)  # noqa: S311 - a spread, not a secret
        self.due = min(time.monotonic() + first, self._deadline)
        if known is None:
            await self._join()
        return True

    def _check_actor(self, actor: Actor) -> None:
        if actor.kind != self.endpoint.takes:
            raise Unauthenticated
        if self.actor is not None and actor.id != self.actor.id:
            raise Forbidden

    def _ends_at(self, actor: Actor) -> float:
        if actor.expires_at is None:
            return float("inf")
        left = actor.expires_at.timestamp() - self.shared.clock.timestamp()
        return time.monotonic() + max(left, 0) + self.shared.rules.grace_seconds

    async def _join(self) -> None:
        shared = self.shared
        assert self.actor is not None
        self._leave_lobby()
        shared.node.joined(self)
        limits = {
            "frameBytes": frames.MAX_FRAME,
            "frames": shared.rules.frames.count,
            "framesSeconds": shared.rules.frames.seconds,
        }
        hello = {
            "connectionId": self.id,
            self.endpoint.takes: {"id": self.actor.id},
            "heartbeatSeconds": shared.rules.heartbeat_seconds,
            "serverTime": shared.clock.now(),
            "limits": limits | self.endpoint.limits(),
        }
        self.push(frames.event_frame("hello", hello))
        try:
            await self.endpoint.joined(self)
        except Problem as e:
            self.close(_code_of(e), e.code)
        except Exception:
            log.exception("socket.defect", connection=self.id, endpoint=self.endpoint.name)
            self.close(Close.DEFECT)

    # --- frames -----------------------------------------------------------------------------------------------------

    def refuse(self, frame_id: FrameId, problem: Problem) -> None:
        """Answer a frame with what is wrong."""
        self.push(frames.error_frame(frame_id, problem))

    def refuse_wrong(self, frame_id: FrameId, problem: Problem) -> None:
        """Answer a frame that no good client sends; too many of them end the connection."""
        self.refuse(frame_id, problem)
        if self._wrong.count(self._heard) >= self.shared.rules.wrong_frames.count:
            self.close(Close.BAD_FRAMES)

    # --- the end ----------------------------------------------------------------------------------------------------

    def _end(self, code: int) -> None:
        metrics = self.shared.node.metrics
        known = code in _KNOWN_CODES
        metrics.connections_closed.labels(self.endpoint.name, str(code) if known else "other").inc()
        self.due = float("inf")
        del self._transport  # which refers to us: so both go at once, and not when the garbage is looked for
        self._leave_lobby()
        self.shared.node.gone(self)
        actor = self.actor.id if self.actor is not None else None
        log.info("socket.closed", endpoint=self.endpoint.name, connection=self.id, actor=actor, code=code, ip=self.ip)

    def _leave_lobby(self) -> None:
        if self._in_lobby:
            self._in_lobby = False
            self.shared.lobby.leave(self.ip)

    def _overflow(self) -> None:
        self.shared.node.metrics.slow_clients.inc()
        log.info("socket.too_slow", connection=self.id, endpoint=self.endpoint.name, waiting=self.waiting)
        self.close(Close.TOO_SLOW)

    def _dropped(self) -> None:
        self.shared.node.metrics.dropped.inc()


_KNOWN_CODES = frozenset({1000, 1001, 1005, 1006, *Close})


def _code_of(problem: Problem) -> Close:
    codes = {401: Close.UNAUTHENTICATED, 403: Close.FORBIDDEN, 404: Close.UNAUTHENTICATED, 429: Close.TOO_MANY_FRAMES}
    return codes.get(problem.status, Close.TRY_LATER)


def _bytes_of(message: str | bytes) -> int:
    return len(message) if isinstance(message, bytes) else len(message.encode("utf-8", "surrogatepass"))


def _id_of(message: str | bytes) -> FrameId:
    with suppress(Problem):
        return frames.frame_id(frames.parse(message))
    return None
