"""Closes the sockets of sessions and screens that were revoked, wherever that happened, without Redis' help."""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from jobs.runner import Job
from models.stores import Stores


class Sockets(Protocol):
    """This process's sockets. The realtime node is one."""

    def close_sessions(self, session_ids: Iterable[str]) -> None:
        """Close those of revoked sessions."""

    def verify_screen(self, screen_id: str) -> None:
        """Close those of a screen whose credential is no longer good."""

    def recheck(self, user_id: str) -> None:
        """Look again at what a user's sockets may hear."""


def watch_revocations(stores: Stores, sockets: Sockets) -> Job:
    """Return the job. It runs everywhere: each process has sockets of its own."""

    async def watch(_now: datetime) -> int:
        revoked = await stores.access.latest()
        if revoked.sessions:
            sockets.close_sessions(revoked.sessions)
        for screen_id in revoked.screens:
            sockets.verify_screen(screen_id)
        for user_id in revoked.users:
            sockets.recheck(user_id)
        return len(revoked.sessions) + len(revoked.screens) + len(revoked.users)

    # A revocation acts in every process within 2 s (contract, section 2), Redis or not.
    return Job("watch_revocations", watch, every=1, limit=5, everywhere=True)
