"""Destroys what was uploaded on tickets that have ended, and forgets them."""

from datetime import datetime

from jobs.runner import Job
from models.stores import Stores


def sweep_tickets(stores: Stores) -> Job:
    """Return the job."""

    async def sweep(_now: datetime) -> int:
        return await stores.tickets.sweep()

    # A raw upload costs money at the storage, but its ticket has lived an hour: a minute more is nothing. Each
    # round takes a hundred, one call to the storage each.
    return Job("sweep_tickets", sweep, every=60, limit=600)
