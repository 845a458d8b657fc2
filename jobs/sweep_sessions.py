"""Deletes sessions that ended or were revoked more than a day ago."""

from datetime import datetime

from jobs.runner import Job
from models.stores import Stores


def sweep_sessions(stores: Stores) -> Job:
    """Return the job."""

    async def sweep(_now: datetime) -> int:
        return await stores.sessions.sweep()

    # An ended session is refused with every read: this only removes it.
    return Job("sweep_sessions", sweep, every=600, limit=60)
