"""Writes the end of commands that no screen took in time, and tells whoever gave them."""

from jobs.runner import Job
from models.stores import Stores


def expire_commands(stores: Stores) -> Job:
    """Return the job."""
    # Reads show an expired command as expired at once; only the event waits for this.
    return Job("expire_commands", stores.commands.expire, every=2, limit=60)
