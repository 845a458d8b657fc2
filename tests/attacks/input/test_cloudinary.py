"""Cloudinary slow, broken, and succeeding with a lost answer, for whatever is stored there: no orphan after a minute.

Media by upload: tests/api/test_media_cloudinary.py.
"""

import asyncio
import urllib.request
from datetime import timedelta

import pytest
from urllib3 import Timeout

from models.storage.cloudinary import READ_SECONDS
from tests import samples
from tests.api.displays import pair
from tests.promptness import eventually
from tests.unit.cloudinary_standin import Cloudinary
from tests.uploads import form, upload

pytestmark = pytest.mark.usefixtures("jobs_by_hand")
SECONDS, SLOW = 1.5, 3.0  # that a call may take, and that a slow one takes
WAYS = ["slow", "error", "garbage", "cut", "lost", "limit"]
NOTE = b"Milk, bread, and a ladder.\n"


@pytest.fixture
def standin():
    with Cloudinary(slow_seconds=SLOW) as running:
        yield running


@pytest.fixture
def marquee(servers, standin):
    return servers(storage="cloudinary", cloudinary_url=standin.url)


@pytest.fixture
def give_up_after(marquee):
    """Set how long a call may take: not long where one is slow on purpose, for others may be slow by themselves."""

    def set_(seconds):
        marquee.stores.media._storage._account.timeout = Timeout(seconds)

    return set_


async def over(standin, action, how):
    """Wait until a mishap has come about, and is over at the storage too: a slow one is done there after all."""
    await eventually(lambda: (action, how) not in standin.mishaps and not standin.serving)


@pytest.fixture
def rows(marquee):
    """Return how many documents tell of content."""

    async def count():
        collections = ("media", "files", "quotas", "tickets")
        return {name: await marquee.ground.collection(name).count({}) for name in collections}

    return count


@pytest.fixture
def a_minute_later(marquee, clock):
    """Let a minute pass, with the sweep that runs in it."""

    async def pass_():
        for _ in range(6):
            clock.advance(seconds=10)
            await marquee.stores.orphans.sweep()
        clock.ahead = timedelta()

    return pass_


def is_clean(marquee, standin):
    return standin.names() == [] and list((marquee.settings.data_dir / "incoming").iterdir()) == []


@pytest.mark.parametrize("how", WAYS)
async def test_a_file_that_cannot_be_stored_is_503_and_leaves_nothing(
    api, owner, marquee, standin, rows, give_up_after, a_minute_later, how
):
    before = await rows()
    for content, name in ((NOTE, "notes.txt"), (samples.image_bytes(), "photo.jpg")):
        for which in (0, 1) if name == "photo.jpg" else (0,):
            standin.fail("upload", *[None] * which, how)
            if which:  # or else it is deleted at once, and comes to lie there after that
                standin.fail("destroy", "error")

            give_up_after(SECONDS if how == "slow" else READ_SECONDS)
            reply = await upload(api, content, owner, name, path="/api/files/upload")
            give_up_after(READ_SECONDS)

            assert (reply.status, reply.code) == (503, "unavailable"), (name, which)
            assert reply.headers["Retry-After"]
            await over(standin, "upload", how)
            await a_minute_later()
            standin.mishaps.clear()
            assert is_clean(marquee, standin), (name, which, standin.names())
    assert await rows() == before
    assert (await upload(api, NOTE, owner, "notes.txt", path="/api/files/upload")).status == 201


@pytest.mark.parametrize("how", ["slow", "error", "lost"])
async def test_a_screenshot_that_cannot_be_stored_is_503_and_leaves_nothing(
    api, owner, workspace, marquee, standin, give_up_after, a_minute_later, how
):
    screen = (await pair(api, owner, workspace))[0].screen
    command = (await api.post(f"/api/screens/{screen.id}/commands", {"name": "screenshot"}, as_=owner)).json["id"]
    path = f"/api/display/commands/{command}/screenshot"
    options = {"raw": samples.image_bytes(), "headers": {"Content-Type": "image/jpeg"}}
    standin.fail("upload", how)
    standin.fail("destroy", "error")

    give_up_after(SECONDS if how == "slow" else READ_SECONDS)
    failed = await api.put(path, as_=screen, **options)
    give_up_after(READ_SECONDS)
    await over(standin, "upload", how)
    await a_minute_later()

    assert (failed.status, failed.code) == (503, "unavailable")
    assert is_clean(marquee, standin)
    standin.mishaps.clear()
    assert (await api.put(path, as_=screen, **options)).status == 200
    assert len(standin.names()) == 1


async def complete(api, owner, content):
    """Upload directly, and say so; return the path that says it again, and the media."""
    ask = {"name": "Direct", "bytes": len(content), "contentType": "image/png"}
    ticket = (await api.post("/api/media/upload-ticket", ask, owner)).json
    body, content_type = form(content, fields=ticket["fields"])
    sent = urllib.request.Request(ticket["url"], body, {"Content-Type": content_type})
    await asyncio.to_thread(lambda: urllib.request.urlopen(sent, timeout=30).read())
    path = f"/api/media/upload-ticket/{ticket['ticketId']}/complete"
    return path, (await api.post(path, None, owner)).json


@pytest.mark.parametrize("failing", ["upload", "destroy"])
@pytest.mark.parametrize("how", ["slow", "error", "lost"])
async def test_a_direct_upload_that_fails_half_way_leaves_only_what_is_ready(
    api, owner, marquee, standin, clock, give_up_after, a_minute_later, how, failing
):
    standin.fail(failing, *([None] if failing == "upload" else []), how)  # the browser's own upload comes first
    give_up_after(SECONDS if how == "slow" else READ_SECONDS)

    path, media = await complete(api, owner, samples.image_bytes("PNG"))

    async def is_ready():
        clock.advance(seconds=10)
        await marquee.stores.orphans.sweep()
        await marquee.jobs.run("process_media")
        return (await marquee.ground.collection("media").get({"_id": media["id"]}))["status"] == "ready"

    assert await eventually(is_ready)
    await over(standin, failing, how)
    await eventually(lambda: not marquee.stores.processing._working)  # which notes what it could not destroy
    give_up_after(READ_SECONDS)
    await a_minute_later()
    again = await api.post(path, None, owner)
    assert (again.status, again.json["id"], again.json["status"]) == (200, media["id"], "ready")
    sha256 = again.json["sha256"]
    assert standin.names() == [f"image/marquee/{sha256}", f"image/marquee/thumbs/{sha256}"]
