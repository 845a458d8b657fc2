"""What several tests of the API need: patience, what uploads have left, and a server that loses commits."""

from urllib.parse import urlsplit

import pytest

from core import deadline
from handlers import base as handlers
from models import base, client, idempotency, room_commits, transactions
from models.addresses import STEP
from realtime import dispatch
from tests.api.commit_proxy import CommitProxy

LONG = 40.0  # seconds: above all that a machine stands still for, and below the 50 that a test's client waits
_HURTS_MONGODB = {"own_mongodb", "proxy", "vault"}


@pytest.fixture(autouse=True)
def _patience_with_mongodb(request):
    """Let an answer come as late as the machine lets it, but in tests that take MongoDB away or lose its answers.

    It is cut off after 4.3 s else: a 503, whose caller asks again. Tests ask once, and most of what they make first is
    people, with a dozen steps each.
    """
    with pytest.MonkeyPatch.context() as patched:
        if not _HURTS_MONGODB & set(request.fixturenames):
            patched.setattr(client, "OPERATION_MS", LONG * 1000)
            patched.setattr(idempotency, "RELEASE_SECONDS", LONG)
            for module in (base, room_commits, transactions):
                patched.setattr(module, "SECONDS", LONG)
            patched.setattr(base, "DEADLINE_SECONDS", LONG)
            for module in (handlers, dispatch):
                patched.setattr(module, "ANSWER_SECONDS", LONG)
            for function in (base.in_time, deadline.answer_due.__init__):  # which know it as their default
                patched.setattr(function, "__defaults__", (LONG,))
        yield


@pytest.fixture
def after_a_mark(clock):
    """Put the clock to a mark at which the addresses of files change: for minutes they are the same from now on."""
    step = STEP.total_seconds()
    clock.advance(seconds=step - clock.timestamp() % step)


@pytest.fixture
def left(marquee):
    """Return what uploads have left on the disk: entries of `incoming`, and files of `media`."""

    def look():
        data = marquee.settings.data_dir
        files = [path for path in (data / "media").rglob("*") if path.is_file()]
        return sorted((data / "incoming").iterdir()), sorted(path.name for path in files)

    return look


@pytest.fixture
def proxy(settings):
    """A proxy before MongoDB that loses commits."""
    proxy = CommitProxy(urlsplit(settings.mongodb_url).port)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def behind(proxy, servers, marquee):
    """A second server, which reaches MongoDB through `proxy` alone."""
    return servers(mongodb_url=f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true")
