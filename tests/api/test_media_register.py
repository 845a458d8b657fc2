"""Content comes and goes by many hands at once, and processes die in between: nothing is lost, nothing is left."""

import asyncio
import os
import random
import time

import pytest

from core.errors import Unavailable
from tests import samples
from tests.uploads import upload

pytestmark = pytest.mark.usefixtures("jobs_by_hand")


@pytest.fixture
def second(marquee, servers):
    """Another process's worth of the same server."""
    return servers()


@pytest.fixture
def stored(marquee):
    """Return the names of the files that lie in the storage."""
    folder = marquee.settings.data_dir / "media"
    return lambda: sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_whoever_has_media_has_its_content_however_others_come_and_go(api, second, owner, workspace, stored):
    """Two processes, two workspaces, four people who upload and delete the same two pictures all the time."""
    pictures = [samples.image_bytes(width=64, height=48, color=color) for color in ("red", "blue")]
    bases = [api.base, f"http://127.0.0.1:{second.port}"]
    seen = []

    async def person(number):
        chance = random.Random(number)
        where = {"workspaceId": workspace} if number % 2 else {}
        for _ in range(12):
            base = chance.choice(bases)
            reply = await upload(api, chance.choice(pictures), owner, path=f"{base}/api/media", **where)
            seen.append(reply.status)
            assert reply.status in {200, 201, 409, 503}, reply.body
            if reply.status < 300 and chance.random() < 0.7:
                gone = await api.delete(f"{base}/api/media/{reply.json['id']}", owner)
                assert gone.status in {204, 404}, gone.body

    await asyncio.gather(*[person(number) for number in range(4)])

    left = (await api.get("/api/media", owner)).json["items"]
    for media in left:
        assert (await api.get(media["url"])).status == 200
        assert (await api.get(media["thumbnailUrl"])).status == 200
    assert len(stored()) == 2 * len({media["sha256"] for media in left})
    assert seen.count(201) > 8


async def test_content_that_is_being_dropped_is_not_taken_up(api, marquee, owner):
    media = (await upload(api, samples.image_bytes(), owner)).json
    key = f"{media['sha256']}.jpg"
    blobs = marquee.stores.blobs
    assert await blobs._claim(key)

    async with asyncio.timeout(20):
        with pytest.raises(Unavailable):
            async with blobs.holding(key):
                raise AssertionError("held what is being dropped")


async def test_content_that_somebody_is_storing_is_not_dropped(api, marquee, owner, stored):
    media = (await upload(api, samples.image_bytes(), owner)).json
    key, blobs = f"{media['sha256']}.jpg", marquee.stores.blobs

    async with blobs.holding(key), blobs.holding(key):
        assert (await api.delete(f"/api/media/{media['id']}", owner)).status == 204
        assert not await blobs.drop_unused(key)
        assert len(stored()) == 2

    assert await blobs.drop_unused(key)
    assert stored() == []


async def test_what_a_dead_process_left_is_swept(api, marquee, owner, clock, stored, tmp_path):
    media = (await upload(api, samples.image_bytes(), owner)).json
    orphan = tmp_path / "orphan"
    orphan.write_bytes(b"content")
    dead = marquee.stores.blobs.holding(f"{'ab' * 32}.png")
    await dead.__aenter__()  # and the process dies before it has written its document
    await marquee.stores.media._storage.put(orphan, f"{'ab' * 32}.png")
    assert len(stored()) == 3

    clock.advance(minutes=59)
    assert (await marquee.stores.orphans.sweep())["contents"] == 0
    clock.advance(minutes=2)
    assert (await marquee.stores.orphans.sweep())["contents"] == 1
    clock.advance(days=-1)

    assert stored() == sorted([f"{media['sha256']}.jpg", f"{media['sha256']}.webp"])
    del dead


async def test_a_deletion_whose_process_died_is_finished(api, marquee, owner, clock, stored):
    media = (await upload(api, samples.image_bytes(), owner)).json
    key = f"{media['sha256']}.jpg"
    marquee.stores.media._blobs, blobs = _Dead(marquee.stores.blobs), marquee.stores.blobs

    assert (await api.delete(f"/api/media/{media['id']}", owner)).status == 204
    assert len(stored()) == 2
    assert await blobs._claim(key)  # a dropper that dies as well
    await marquee.stores.orphans.sweep()
    assert len(stored()) == 2

    clock.advance(minutes=4)
    await marquee.stores.orphans.sweep()
    assert stored() == []


class _Dead:
    """The register in a process that dies right after its transaction."""

    def __init__(self, real):
        self.check_soon = real.check_soon

    async def drop_unused(self, key):
        return False


async def test_cut_off_uploads_of_dead_processes_are_swept_when_they_are_old(api, marquee, owner):
    incoming = marquee.settings.data_dir / "incoming"
    for name in ("old.part", "new.part"):
        (incoming / name).write_bytes(b"x")
    (incoming / "olddir").mkdir()
    (incoming / "olddir" / "content").write_bytes(b"x")
    before = time.time() - 3700
    os.utime(incoming / "old.part", (before, before))
    os.utime(incoming / "olddir", (before, before))

    assert (await marquee.stores.orphans.sweep())["files"] == 2

    assert [path.name for path in incoming.iterdir()] == ["new.part"]
