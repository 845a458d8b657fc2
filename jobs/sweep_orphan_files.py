"""Removes what uploads left behind in this machine's folders `incoming` and `waiting`: of dead processes, of nobody."""

from datetime import datetime

from jobs.runner import Job
from models.stores import Stores


def sweep_orphan_files(stores: Stores) -> Job:
    """Return the job. It runs everywhere, for processes on several machines need not share a disk."""

    async def sweep(_now: datetime) -> int:
        return await stores.orphans.sweep_files()

    return Job("sweep_orphan_files", sweep, every=60, limit=300, everywhere=True)
