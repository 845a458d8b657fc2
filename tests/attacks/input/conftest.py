"""What attacks by input stand on: a server whose limits are out of the way, and looks at its stores and its log."""

import logging
from dataclasses import replace

import bson
import pytest
import structlog

from core.settings import Rate
from tests.contract.test_matrix import actors, things
from tests.realtime.conftest import _hang_up

__all__ = ["_hang_up", "actors", "things"]  # fixtures
MANY = Rate(1_000_000, 900)
# What changes by asking at all.
RESTLESS = {"idempotency", "jobs"}


@pytest.fixture
def settings(settings):
    return replace(settings, rate_login=MANY, rate_messages=MANY, rate_pairing=MANY, rate_frames=MANY)


@pytest.fixture(autouse=True)
def defects():
    """Hold that no test here finds a defect of ours: nothing is logged as one, by us or by Tornado."""
    heard = _Heard()
    root = logging.getLogger()
    root.addHandler(heard)
    with structlog.testing.capture_logs() as lines:
        yield lines
    root.removeHandler(heard)
    found = [line for line in lines if "defect" in line["event"] or "exc_info" in line]
    assert not found, found
    assert not heard.errors, heard.errors


class _Heard(logging.Handler):
    """Keeps what Tornado and asyncio log as errors."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.errors = []

    def emit(self, record):
        self.errors.append(self.format(record))


@pytest.fixture
def stored(_databases, settings):
    """Return all that the database holds, by collection, to be compared with a later look; not who was seen when."""
    database = _databases[0][settings.mongodb_database]

    def look():
        return {
            name: sorted(bson.encode(document) for document in database[name].find({}, {"lastSeenAt": 0}))
            for name in database.list_collection_names()
            if name not in RESTLESS
        }

    return look


@pytest.fixture
def left(marquee, stored):
    """Return what lies on the disk, and what the database says of it."""

    def look():
        folder = marquee.settings.data_dir
        files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        rows = stored()
        return files, {name: rows.get(name, []) for name in ("media", "files", "blobs", "quotas", "commands")}

    return look
