"""Writes to MongoDB when screens were last seen and what they play, which Redis knew since the last round."""

from jobs.runner import Job
from models.stores import Stores


def flush_heartbeats(stores: Stores) -> Job:
    """Return the job."""
    # Once a minute is what a heartbeat may cost MongoDB (design, section 3). The limit leaves no turn out.
    return Job("flush_heartbeats", stores.beats.flush, every=60, limit=55)
