"""Removes files that were never sent, and those whose message or room has gone."""

from datetime import datetime

from jobs.runner import Job
from models.stores import Stores


def sweep_unused_files(stores: Stores) -> Job:
    """Return the job."""

    async def sweep(_now: datetime) -> int:
        return await stores.files.sweep()

    # From the moment that a file is due nobody sees it any more: this only frees its owner's quota and the disk.
    return Job("sweep_unused_files", sweep, every=60, limit=600)
