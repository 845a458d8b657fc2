"""Removes stored content that no document refers to any more, or never did."""

from datetime import datetime

from jobs.runner import Job
from models.stores import Stores


def sweep_contents(stores: Stores) -> Job:
    """Return the job."""

    async def sweep(_now: datetime) -> int:
        return await stores.blobs.sweep()

    # Nothing unused is to lie there for longer than a minute, and what is due is found by an index.
    return Job("sweep_contents", sweep, every=15, limit=600)
