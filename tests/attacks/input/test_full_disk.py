"""A disk that is really full, a small one of its own: 507, nothing half done is left, and it heals by itself."""

import os
import secrets
import subprocess
from dataclasses import replace

import pytest

from tests import samples
from tests.api.displays import pair
from tests.promptness import eventually
from tests.uploads import upload

pytestmark = pytest.mark.usefixtures("jobs_by_hand")
DISK = 3_000_000  # bytes


@pytest.fixture
def disk(tmp_path):
    """An empty file system of DISK bytes; only root may make one."""
    if os.geteuid() != 0:
        pytest.skip("a small disk can be mounted only by root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "marquee-test", folder], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def settings(settings, disk):
    return replace(settings, data_dir=disk)


@pytest.fixture
def left(disk, stored):
    """Return what lies on the disk, and what the database says of it."""

    def look():
        files = sorted(str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_file())
        rows = stored()
        return files, {name: rows.get(name, []) for name in ("media", "files", "blobs", "quotas", "commands")}

    return look


@pytest.fixture
def fill(disk):
    """Leave only so many bytes of the disk."""

    def fill(free):
        (disk / "ballast").unlink(missing_ok=True)
        space = os.statvfs(disk)
        with (disk / "ballast").open("wb") as ballast:
            ballast.write(bytes(max(0, space.f_bavail * space.f_frsize - free)))

    return fill


NOISE = samples.noise(900, 80)  # some 800 KB that do not compress


# Room for nothing; for half of it; for it, and not for what is made of it; for both, and not for the thumbnail.
@pytest.mark.parametrize("free", [0, len(NOISE) // 2, len(NOISE) + 8192, 2 * len(NOISE) + 8192])
@pytest.mark.parametrize("path", ["/api/media", "/api/files/upload"])
async def test_an_upload_that_does_not_fit_is_507_and_leaves_nothing(api, owner, left, fill, path, free):
    fill(free)
    before = left()

    reply = await upload(api, NOISE, owner, "photo.png", path=path)

    if reply.status != 201:  # the last one may just fit
        assert (reply.status, reply.code) == (507, "storage_full")
        assert left() == before
    fill(DISK)
    assert (await upload(api, NOISE, owner, "photo.png", path=path)).status in {200, 201}


async def test_any_file_that_does_not_fit_is_507_and_leaves_nothing(api, owner, left, fill):
    content = secrets.token_bytes(2_500_000)
    fill(1_500_000)
    before = left()

    reply = await upload(api, content, owner, "notes.bin", path="/api/files/upload")

    assert (reply.status, reply.code) == (507, "storage_full")
    assert left() == before
    fill(DISK)
    assert (await upload(api, content, owner, "notes.bin", path="/api/files/upload")).status == 201


@pytest.mark.parametrize("large", [False, True], ids=["written at the end", "written on the way"])
async def test_a_screenshot_that_does_not_fit_is_507_and_leaves_nothing(api, owner, workspace, left, fill, large):
    screen = (await pair(api, owner, workspace))[0].screen
    command = (await api.post(f"/api/screens/{screen.id}/commands", {"name": "screenshot"}, as_=owner)).json["id"]
    picture = samples.noise(1600, 80) if large else NOISE
    path, options = f"/api/display/commands/{command}/screenshot", {"raw": picture}
    options["headers"] = {"Content-Type": "image/png"}
    fill(len(picture) // 3)
    before = left()

    reply = await api.put(path, as_=screen, **options)

    assert (reply.status, reply.code) == (507, "storage_full")
    assert left() == before
    fill(DISK)
    assert (await api.put(path, as_=screen, **options)).status == 200


async def test_a_full_disk_does_no_harm_to_anything_else(api, owner, workspace, fill):
    media = (await upload(api, samples.image_bytes(), owner, workspaceId=workspace)).json
    fill(0)

    assert (await api.get(media["url"])).status == 200
    assert (await api.post("/api/workspaces", {"name": "Malls"}, as_=owner)).status == 201
    assert (await api.delete(f"/api/media/{media['id']}", as_=owner)).status == 204

    async def ready():  # a MongoDB that is held up for 1.5 s counts as away
        return (await api.get("/readyz")).status == 200

    assert await eventually(ready)
