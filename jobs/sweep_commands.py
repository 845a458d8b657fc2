"""Deletes commands that were given a month ago, with their screenshots."""

from jobs.runner import Job
from models.stores import Stores


def sweep_commands(stores: Stores) -> Job:
    """Return the job."""
    # Nobody sees a command disappear an hour late; a first round may have a month's screenshots to remove.
    return Job("sweep_commands", stores.commands.sweep, every=3600, limit=900)
