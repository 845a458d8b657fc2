"""Takes up media that are still `processing` and that nobody works on: after a pause, or after a process died."""

from datetime import datetime

from jobs.runner import Job
from models.stores import Stores


def process_media(stores: Stores) -> Job:
    """Return the job. It runs everywhere, so that one long video does not hold up the rest."""

    async def work(_now: datetime) -> int:
        return await stores.processing.work_on_due()

    # An uploader waits for this. The limit is that of a round which hangs: it then lets go of its media.
    return Job("process_media", work, every=5, limit=1500, everywhere=True)
