"""Removes what uploads left behind in this machine's `incoming` folder whose process died."""

from datetime import datetime

from jobs.runner import Job
from models.stores import Stores


def sweep_orphan_files(stores: Stores) -> Job:
    """Return the job. It runs everywhere, for processes on several machines need not share a disk."""

    async def sweep(_now: datetime) -> int:
        return await stores.orphans.sweep_files()

    # Only files that nobody has written to for an hour are taken, so there is no hurry.
    return Job("sweep_orphan_files", sweep, every=600, limit=300, everywhere=True)
