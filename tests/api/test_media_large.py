"""Large videos are answered before they are looked at, and end as ready or failed whatever happens meanwhile."""

import asyncio
import os
import time

import pytest

from core.errors import NotFound
from models import large_uploads
from models.processing import HELD
from tests import samples
from tests.uploads import upload

pytestmark = pytest.mark.usefixtures("jobs_by_hand")


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch):
    """So that the tests need no videos of 16 MB."""
    monkeypatch.setattr(large_uploads, "LARGE", 1)


@pytest.fixture
def film(tmp_path):
    """A small video's content."""
    return samples.video(tmp_path / "film.mp4").read_bytes()


@pytest.fixture
def asleep(marquee, monkeypatch):
    """Let nobody work on media, as when the process dies with its answer; the test says when somebody does."""
    monkeypatch.setattr(marquee.stores.processing, "_start", lambda media_id: None)


@pytest.fixture
def waiting(marquee):
    """Return the names of the uploads that wait."""

    def names():
        folder = marquee.settings.data_dir / "waiting"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    return names


@pytest.fixture
def used(marquee):
    """Return how many bytes the workspace's quota counts."""

    async def count(workspace):
        held = await marquee.ground.collection("quotas").get({"_id": workspace})
        return held["bytes"] if held else 0

    return count


async def ended(api, who, media_id):
    async with asyncio.timeout(50):
        while (media := (await api.get(f"/api/media/{media_id}", who)).json)["status"] == "processing":
            await asyncio.sleep(0.02)
    return media


async def settled(waiting):
    """Wait until nothing waits: the upload goes right after its media is written down."""
    async with asyncio.timeout(20):
        while waiting():
            await asyncio.sleep(0.02)


async def test_a_large_video_is_processing_in_the_answer_and_ready_later(
    api, editor, workspace, film, heard, waiting, used
):
    reply = await upload(api, film, editor, "film.mp4", workspaceId=workspace, tags="a,b")
    first, media = reply.json, await ended(api, editor, reply.json["id"])
    await settled(waiting)

    assert (reply.status, first["status"], first["type"], first["bytes"]) == (201, "processing", "video", len(film))
    assert (first["sha256"], first["url"], first["thumbnailUrl"], first["durationMs"]) == (None, None, None, None)
    assert (first["name"], first["tags"], first["contentType"]) == ("film.mp4", ["a", "b"], "video/mp4")
    assert (media["status"], media["failure"], media["version"]) == ("ready", None, 1)
    assert (media["name"], media["tags"]) == ("film.mp4", ["a", "b"])
    assert media["durationMs"] > 0
    served = await api.get(media["url"])
    assert (served.status, len(served.body)) == (200, media["bytes"])
    assert [e.type for e in heard if e.type.startswith("media.")] == ["media.created", "media.updated"]
    assert await used(workspace) == media["bytes"]


async def test_a_bad_one_fails_and_leaves_nothing(api, editor, workspace, film, marquee, waiting, used):
    reply = await upload(api, film[: len(film) // 2], editor, "film.mp4", workspaceId=workspace)
    media = await ended(api, editor, reply.json["id"])
    await settled(waiting)

    assert (reply.status, reply.json["status"]) == (201, "processing")
    assert (media["status"], media["failure"], media["bytes"], media["url"]) == (
        "failed",
        "This MP4 is cut off.",
        0,
        None,
    )
    assert await used(workspace) == 0
    assert list((marquee.settings.data_dir / "incoming").iterdir()) == []
    again = await upload(api, film[: len(film) // 2], editor, "film.mp4", workspaceId=workspace)
    assert (again.status, again.json["id"] == media["id"]) == (201, False)


async def test_the_same_again_is_the_media_that_is_there_processing_or_ready(api, editor, workspace, film, waiting):
    first = (await upload(api, film, editor, "a.mp4", workspaceId=workspace)).json
    meanwhile = await upload(api, film, editor, "b.mp4", workspaceId=workspace)
    await ended(api, editor, first["id"])
    later = await upload(api, film, editor, "c.mp4", workspaceId=workspace)
    await settled(waiting)

    assert (meanwhile.status, meanwhile.json["id"], meanwhile.json["name"]) == (200, first["id"], "a.mp4")
    assert (later.status, later.json["id"], later.json["status"]) == (200, first["id"], "ready")


async def test_what_an_image_may_have_is_refused_at_once(api, editor, workspace, film, waiting):
    reply = await upload(api, film, editor, "film.mp4", workspaceId=workspace, durationMs=5000)

    assert (reply.status, reply.json["errors"][0]["path"]) == (422, "durationMs")
    assert waiting() == []


async def test_images_are_checked_while_their_sender_waits(api, editor, workspace):
    reply = await upload(api, samples.image_bytes(), editor, "a.jpg", workspaceId=workspace)

    assert (reply.status, reply.json["status"]) == (201, "ready")


async def test_one_that_is_processing_cannot_be_played_yet(api, editor, workspace, film, asleep):
    media = (await upload(api, film, editor, "film.mp4", workspaceId=workspace)).json

    ask = {"name": "Day", "workspaceId": workspace, "items": [{"mediaId": media["id"]}]}

    assert (await api.post("/api/playlists", ask, editor)).status == 422


async def test_another_process_takes_up_what_a_dead_one_has_left(
    api, editor, workspace, film, marquee, other, asleep, waiting, clock
):
    media = (await upload(api, film, editor, "film.mp4", workspaceId=workspace)).json
    await marquee.stores.processing._hold(media["id"])  # it died in the middle of the work

    assert await other.stores.processing.work_on_due() == 0
    clock.advance(seconds=HELD.total_seconds() + 1)
    assert await other.stores.processing.work_on_due() == 1

    assert (await ended(api, editor, media["id"]))["status"] == "ready"
    assert waiting() == []


async def test_one_that_takes_long_is_held_on(api, editor, workspace, film, marquee, other, asleep, clock, monkeypatch):
    monkeypatch.setattr("models.processing.HELD", HELD / 600)
    media = (await upload(api, film, editor, "film.mp4", workspaceId=workspace)).json

    async with marquee.stores.processing._holding(media["id"]):
        docs = marquee.ground.collection("media")
        until = (await docs.get({"_id": media["id"]}))["work"]["until"]
        async with asyncio.timeout(20):
            while (await docs.get({"_id": media["id"]}))["work"]["until"] <= until:
                await asyncio.sleep(0.02)


async def test_a_server_that_stops_lets_go_of_its_work(api, editor, workspace, film, marquee, other):
    media = (await upload(api, film, editor, "film.mp4", workspaceId=workspace)).json
    await marquee.stores.processing.stop()
    await other.stores.processing.work_on_due()

    assert (await ended(api, editor, media["id"]))["status"] == "ready"


async def test_one_that_is_deleted_meanwhile_leaves_nothing(
    api, editor, workspace, film, marquee, asleep, waiting, used
):
    media = (await upload(api, film, editor, "film.mp4", workspaceId=workspace)).json

    assert (await api.delete(f"/api/media/{media['id']}", editor)).status == 204
    await marquee.stores.processing._work(media["id"])
    assert len(waiting()) == 1
    await sweep(marquee)

    assert waiting() == []
    assert await used(workspace) == 0


async def test_one_that_is_deleted_during_the_work_is_not_counted(api, editor, workspace, film, marquee, asleep, used):
    media = (await upload(api, film, editor, "film.mp4", workspaceId=workspace)).json
    held = await marquee.stores.processing._hold(media["id"])
    assert (await api.delete(f"/api/media/{media['id']}", editor)).status == 204

    with pytest.raises(NotFound):
        await marquee.stores.processing._take_in(held)

    assert await used(workspace) == 0


async def sweep(marquee):
    """Sweep as the job does a minute later."""
    folder = marquee.settings.data_dir / "waiting"
    for path in folder.iterdir():
        os.utime(path, (time.time() - 120, time.time() - 120))
    await marquee.stores.orphans.sweep_files()


async def test_only_what_is_nobodys_is_swept(api, editor, workspace, film, marquee, asleep, waiting):
    await upload(api, film, editor, "film.mp4", workspaceId=workspace)
    claimed = waiting()
    (marquee.settings.data_dir / "waiting" / "stray.part").write_bytes(b"x")

    await sweep(marquee)

    assert waiting() == claimed


async def test_one_over_the_quota_is_refused_and_leaves_nothing(api, editor, workspace, film, marquee, waiting, used):
    await marquee.ground.collection("quotas").insert({"_id": workspace, "bytes": 20_000_000_000})

    reply = await upload(api, film, editor, "film.mp4", workspaceId=workspace)

    assert (reply.status, reply.code) == (413, "quota_exceeded")
    assert waiting() == []


async def test_a_repeat_under_the_same_key_is_the_same_media(api, editor, workspace, film, waiting):
    key = {"Idempotency-Key": "again"}

    replies = [await upload(api, film, editor, "film.mp4", headers=key, workspaceId=workspace) for _ in range(2)]

    assert [reply.status for reply in replies] == [201, 201]
    assert replies[0].json == replies[1].json
    assert (await ended(api, editor, replies[0].json["id"]))["status"] == "ready"
    await settled(waiting)
