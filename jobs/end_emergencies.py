"""Writes the end of emergencies that have run out, and gives their screens their playlists back."""

from jobs.runner import Job
from models.stores import Stores


def end_emergencies(stores: Stores) -> Job:
    """Return the job."""
    # Players end an emergency by themselves, to the second; the dashboard and `endedAt` are to be as prompt.
    return Job("end_emergencies", stores.emergencies.end_expired, every=1, limit=60)
