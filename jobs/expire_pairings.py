"""Deletes pairings that ended a day ago."""

from jobs.runner import Job
from models.stores import Stores


def expire_pairings(stores: Stores) -> Job:
    """Return the job."""
    # A code's end is checked with every read: this removes what nobody will ask for any more.
    return Job("expire_pairings", stores.pairings.sweep, every=600, limit=60)
