"""Tells dashboards how many screens show each running emergency, where that has changed."""

from datetime import datetime

from jobs.runner import Job
from models.stores import Stores


def report_emergency_progress(stores: Stores) -> Job:
    """Return the job."""

    async def report(_now: datetime) -> int:
        return await stores.emergencies.report_progress()

    # Thousands of screens report at once when an emergency starts: one event a second, not one a screen.
    return Job("report_emergency_progress", report, every=1, limit=30)
