"""Marks screens offline that have gone silent (models/absences.py says what silent is)."""

from jobs.runner import Job
from models.stores import Stores


def mark_offline_screens(stores: Stores) -> Job:
    """Return the job. It reads what has expired and nothing else, so it may look often."""
    # A silent screen is known as soon as it is due, and an operator looks at the list for longer than a second.
    return Job("mark_offline_screens", stores.absences.mark_offline, every=1, limit=60)
