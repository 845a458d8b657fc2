"""Revocation without Redis: each process asks MongoDB every second what has been revoked, and closes it."""

import structlog
from tornado.ioloop import PeriodicCallback

from core.errors import Problem
from models.access import Access
from realtime.node import Node

log = structlog.get_logger("marquee.revocations")
POLL_MS = 1000  # half of the two seconds that a revocation may take


class Revocations:
    """The control events of Redis say the same, faster; this says it always. Each finding is named for seconds.

    So all that follows is harmless when repeated: sessions are closed, screens verified, rights looked at again.
    """

    def __init__(self, access: Access, node: Node) -> None:
        self._access = access
        self._node = node
        self._known: set[str] = set()
        self._poll = PeriodicCallback(self.look, POLL_MS)

    def start(self) -> None:
        """Begin to ask."""
        self._poll.start()

    def stop(self) -> None:
        """Ask no more."""
        self._poll.stop()

    async def look(self) -> None:
        """Ask once. MongoDB away: the next round finds it, for it looks back further than a second."""
        try:
            found = await self._access.latest()
        except Problem as e:
            log.warning("revocations.unknown", code=e.code)
            return
        fresh = set(found.sessions) - self._known
        self._known = set(found.sessions)
        if fresh:
            self._node.close_sessions(fresh)
        for screen_id in found.screens:
            self._node.verify_screen(screen_id)
        for user_id in found.users:
            self._node.recheck(user_id)
