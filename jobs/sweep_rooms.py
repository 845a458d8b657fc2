"""Removes what was written in rooms that were deleted."""

from jobs.runner import Job
from models.stores import Stores


def sweep_rooms(stores: Stores) -> Job:
    """Return the job."""
    # Nobody can read it any more from the deletion on; a large room takes a while.
    return Job("sweep_rooms", stores.room_sweep.sweep, every=60, limit=600)
