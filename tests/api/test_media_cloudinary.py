"""Media at Cloudinary through the whole server: uploads, direct uploads, and everything that goes wrong on the way."""

import asyncio
import hashlib
import urllib.request
from datetime import timedelta

import pytest
from urllib3 import Timeout

from tests import samples
from tests.promptness import eventually
from tests.unit.cloudinary_standin import Cloudinary
from tests.uploads import form, upload

pytestmark = pytest.mark.usefixtures("jobs_by_hand")
SECONDS, SLOW = 1.5, 3.0  # that a call may take where slow ones are given up, and that a slow one takes


@pytest.fixture
def standin():
    with Cloudinary(slow_seconds=SLOW) as running:
        yield running


@pytest.fixture
def marquee(servers, standin):
    return servers(storage="cloudinary", cloudinary_url=standin.url)


def lose_patience(marquee):
    """Let calls to the storage end within SECONDS from now on, and not in the half minute of a busy machine."""
    marquee.stores.media._storage._account.timeout = Timeout(SECONDS)


async def fetched(url):
    return await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=30).read())


async def until(api, who, media_id, *states):
    for _ in range(1200):
        media = (await api.get(f"/api/media/{media_id}", who)).json
        if media["status"] in states:
            return media
        await asyncio.sleep(0.025)
    raise AssertionError(media)


async def settled(standin, *names):
    """Wait until only `names` lie there: the raw upload is destroyed right after its media is ready."""
    return await eventually(lambda: standin.names() == sorted(names))


async def swept(marquee, clock, standin, names):
    """Sweep as the job does within a minute, and return whether only `names` are left."""
    for _ in range(6):
        clock.advance(seconds=10)
        await marquee.stores.orphans.sweep()
    left = standin.names()
    clock.ahead = timedelta()
    return left == names


async def ticket(api, who, workspace, content, content_type="image/png"):
    ask = {"name": "Direct", "bytes": len(content), "contentType": content_type, "workspaceId": workspace}
    reply = await api.post("/api/media/upload-ticket", ask, who)
    assert reply.status == 200, reply.body
    return reply.json


async def post(given, content):
    body, content_type = form(content, fields=given["fields"])
    request = urllib.request.Request(given["url"], body, {"Content-Type": content_type})
    return await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=30).read())


async def test_an_upload_lies_there_and_is_served_from_there(api, editor, workspace, standin):
    content = samples.image_bytes(exif=samples.exif())

    media = (await upload(api, content, editor, workspaceId=workspace)).json

    assert standin.names() == [f"image/marquee/{media['sha256']}", f"image/marquee/thumbs/{media['sha256']}"]
    served = await fetched(media["url"])
    assert (hashlib.sha256(served).hexdigest(), len(served)) == (media["sha256"], media["bytes"])
    assert samples.MAKER.encode() not in served
    assert (await fetched(media["thumbnailUrl"]))[8:12] == b"WEBP"
    assert (await api.delete(f"/api/media/{media['id']}", editor)).status == 204
    assert standin.names() == []


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("error", 503, "unavailable"),
        ("cut", 503, "unavailable"),
        ("lost", 503, "unavailable"),
        ("full", 507, "storage_full"),
        ("large", 413, "too_large"),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
async def test_what_fails_there_leaves_nothing_anywhere(
    api, editor, workspace, marquee, clock, standin, how, status, code, which
):
    assert await failed(api, editor, workspace, marquee, standin, how, which) == (status, code)
    assert await swept(marquee, clock, standin, [])


@pytest.mark.parametrize("which", [0, 1])
async def test_what_is_too_slow_there_leaves_nothing_anywhere(api, editor, workspace, marquee, clock, standin, which):
    lose_patience(marquee)
    assert await failed(api, editor, workspace, marquee, standin, "slow", which) == (503, "unavailable")
    await asyncio.sleep(SLOW)  # it is done there after all, long after we have given up
    assert await swept(marquee, clock, standin, [])


async def failed(api, editor, workspace, marquee, standin, how, which):
    """Let an upload fail in this way in its first or second step there; return status and code of the answer."""
    standin.fail("upload", *[None] * which, how)
    if which:
        standin.fail("destroy", "error")

    reply = await upload(api, samples.image_bytes(), editor, workspaceId=workspace)

    assert list((marquee.settings.data_dir / "incoming").iterdir()) == []
    assert (await api.get("/api/media", editor)).json["items"] == []
    return reply.status, reply.code


async def test_a_repeat_after_a_lost_answer_makes_one_media(api, editor, workspace, standin):
    standin.fail("upload", None, "lost")
    key = {"Idempotency-Key": "again"}

    lost = await upload(api, samples.image_bytes(), editor, workspaceId=workspace, headers=key)
    again = await upload(api, samples.image_bytes(), editor, workspaceId=workspace, headers=key)

    assert (lost.status, again.status) == (503, 201)
    assert len(standin.names()) == 2
    assert len((await api.get("/api/media", editor)).json["items"]) == 1


async def test_a_deletion_that_fails_there_is_made_good(api, editor, workspace, marquee, clock, standin):
    media = (await upload(api, samples.image_bytes(), editor, workspaceId=workspace)).json
    standin.fail("destroy", "error", "slow")
    lose_patience(marquee)

    assert (await api.delete(f"/api/media/{media['id']}", editor)).status == 204

    assert len(standin.names()) == 2
    assert await swept(marquee, clock, standin, [])


async def test_a_direct_upload_becomes_media_like_any_other(api, editor, workspace, standin, heard):
    content = samples.image_bytes("PNG", exif=samples.exif())
    given = await ticket(api, editor, workspace, content)
    await post(given, content)

    completed = await api.post(f"/api/media/upload-ticket/{given['ticketId']}/complete", None, editor)
    again = await api.post(f"/api/media/upload-ticket/{given['ticketId']}/complete", None, editor)

    assert (completed.status, completed.json["status"], completed.json["url"]) == (201, "processing", None)
    assert completed.headers["Location"] == f"/api/media/{completed.json['id']}"
    assert (again.status, again.json["id"]) == (200, completed.json["id"])
    media = await until(api, editor, completed.json["id"], "ready", "failed")
    assert (media["status"], media["name"], media["width"]) == ("ready", "Direct", 640)
    served = await fetched(media["url"])
    assert hashlib.sha256(served).hexdigest() == media["sha256"]
    assert samples.MAKER.encode() not in served
    assert await settled(standin, f"image/marquee/{media['sha256']}", f"image/marquee/thumbs/{media['sha256']}")
    assert [e.type for e in heard if e.type.startswith("media.")] == ["media.created", "media.updated"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "Nothing has been uploaded"), (samples.image_bytes("PNG")[:-200] + bytes(200), "")],
    ids=["nothing", "broken"],
)
async def test_a_direct_upload_that_is_no_media_fails_and_is_destroyed(api, editor, workspace, standin, content, said):
    given = await ticket(api, editor, workspace, content or b"x")
    if content:
        await post(given, content)

    completed = await api.post(f"/api/media/upload-ticket/{given['ticketId']}/complete", None, editor)

    media = await until(api, editor, completed.json["id"], "failed")
    assert said in media["failure"]
    assert media["failure"]
    assert await settled(standin)


async def test_a_direct_upload_survives_the_server_that_took_it(api, editor, workspace, marquee, clock, standin):
    content = samples.image_bytes("PNG")
    given = await ticket(api, editor, workspace, content)
    await post(given, content)
    standin.fail("download", "error", "error")
    path = f"/api/media/upload-ticket/{given['ticketId']}/complete"
    media = (await api.post(path, None, editor)).json
    await eventually(lambda: len(standin.mishaps) == 1)
    await asyncio.sleep(0.1)
    await marquee.stores.processing.stop()

    clock.ahead = timedelta(seconds=11)
    assert await marquee.stores.processing.work_on_due() == 1
    assert (await api.get(f"/api/media/{media['id']}", editor)).json["status"] == "processing"
    clock.ahead = timedelta(minutes=2)
    assert await marquee.stores.processing.work_on_due() == 1
    clock.ahead = timedelta()

    assert (await api.get(f"/api/media/{media['id']}", editor)).json["status"] == "ready"


async def test_the_same_content_by_ticket_is_said_to_be_there(api, editor, workspace, standin):
    content = samples.image_bytes("PNG")
    await upload(api, content, editor, workspaceId=workspace)
    given = await ticket(api, editor, workspace, content)
    await post(given, content)

    completed = await api.post(f"/api/media/upload-ticket/{given['ticketId']}/complete", None, editor)

    media = await until(api, editor, completed.json["id"], "failed")
    assert "already" in media["failure"]
    assert (await api.delete(f"/api/media/{media['id']}", editor)).status == 204
    assert len([name for name in standin.names() if "incoming" not in name]) == 2


async def test_an_unused_ticket_ends_and_what_came_on_it_is_destroyed(api, editor, workspace, marquee, clock, standin):
    content = samples.image_bytes("PNG")
    given = await ticket(api, editor, workspace, content)
    await post(given, content)
    assert len(standin.names()) == 1

    clock.ahead = timedelta(minutes=61)
    path = f"/api/media/upload-ticket/{given['ticketId']}/complete"
    late = await api.post(path, None, editor)
    clock.ahead = timedelta(minutes=66)
    await marquee.stores.orphans.sweep()
    clock.ahead = timedelta()

    assert (late.status, late.code) in {(410, "gone"), (401, "token_expired")}
    assert standin.names() == []
    assert (await api.post(path, None, editor)).status == 404


async def test_a_ticket_is_refused_for_what_would_be_refused_anyway(api, editor, stranger, workspace):
    async def ask(who=editor, **changes):
        body = {"name": "x", "bytes": 10, "contentType": "image/png", "workspaceId": workspace, **changes}
        reply = await api.post("/api/media/upload-ticket", body, who)
        return reply.status, reply.json["detail"] if reply.code == "too_large" else reply.code

    assert await ask(contentType="image/svg+xml") == (415, "unsupported_type")
    assert await ask(bytes=20_000_001) == (413, "Media of this kind may have at most 20 MB.")
    assert await ask(bytes=0) == (422, "invalid")
    assert await ask(stranger) == (404, "not_found")
    given = await ticket(api, editor, workspace, b"x")
    path = f"/api/media/upload-ticket/{given['ticketId']}/complete"
    assert (await api.post(path, None, stranger)).status == 404
    assert (await api.post("/api/media/upload-ticket/nope/complete", None, editor)).status == 404
