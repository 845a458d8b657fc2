"""Notices when MongoDB is away or slow, so that nobody is called offline whose beats it refused."""

from jobs.runner import Job
from models.stores import Stores


def watch_mongodb(stores: Stores) -> Job:
    """Return the job. It runs everywhere: who does not lead now may lead next, and has to know of the last outage."""
    # Beats are refused when nothing was answered for 4.3 s: one look a second misses no such time.
    return Job("watch_mongodb", stores.absences.watch, every=1, limit=10, everywhere=True)
