"""Brings stored revisions up to date that a process which died on the way has left behind."""

from datetime import datetime

from jobs.runner import Job
from models.stores import Stores


def reconcile_revisions(stores: Stores) -> Job:
    """Return the job."""

    async def reconcile(_now: datetime) -> int:
        return await stores.revisions.refresh({})

    # A beat mends its own screen, so this is for screens that are offline, and for filters. It reads every screen.
    return Job("reconcile_revisions", reconcile, every=120, limit=110)
