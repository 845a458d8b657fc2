"""Brings everybody into the room `general`: accounts from before the chat, and registrations that broke off."""

from jobs.runner import Job
from models.stores import Stores


def fill_general(stores: Stores) -> Job:
    """Return the job."""
    # Each enters at their first look anyway; this is for being listed and mentioned before that.
    return Job("fill_general", stores.general.fill, every=600, limit=300)
