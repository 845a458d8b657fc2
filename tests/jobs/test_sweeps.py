"""The jobs that remove what nobody needs any more: what is due goes, and what is not stays."""

import os
import time

import pytest

from core.clock import new_id
from tests import samples
from tests.api.displays import Display, pair
from tests.uploads import upload

pytestmark = pytest.mark.usefixtures("jobs_by_hand")


@pytest.fixture
def left(marquee):
    """Return the ids that are left in a collection."""

    async def ids(name):
        return {each["_id"] for each in await marquee.ground.collection(name).find({})}

    return ids


async def test_pairings_that_ended_a_day_ago_are_deleted(api, marquee, clock, left):
    old, young = Display(api), Display(api)
    await old.show_code()
    clock.advance(hours=25)
    await young.show_code()

    await marquee.jobs.run("expire_pairings")

    assert await left("pairings") == {young.pairing["pairingId"]}


async def test_sessions_that_ended_a_day_ago_are_deleted(api, marquee, clock, admin, left):
    ann = await api.person("ann")
    await api.post("/api/auth/logout", as_=ann)
    assert len(await left("sessions")) == 2

    await marquee.jobs.run("sweep_sessions")
    assert len(await left("sessions")) == 2
    clock.advance(hours=25)
    await marquee.jobs.run("sweep_sessions")

    kept = await marquee.ground.collection("sessions").find({})
    assert [each["userId"] for each in kept] == [admin.id]


async def test_commands_go_after_a_month(api, marquee, editor, workspace, clock, left):
    _, made = await pair(api, editor, workspace)
    await api.post(f"/api/screens/{made['id']}/commands", {"name": "reload"}, as_=editor)

    clock.advance(days=29)
    await marquee.jobs.run("sweep_commands")
    assert len(await left("commands")) == 1
    clock.advance(days=2)
    await marquee.jobs.run("sweep_commands")

    assert await left("commands") == set()


async def test_tickets_that_have_ended_are_forgotten(marquee, workspace, clock, left):
    now = marquee.clock.now()
    ticket = {"workspaceId": workspace, "name": "x", "bytes": 1, "contentType": "image/png", "mediaId": None}
    ids = {name: new_id() for name in ("old", "young")}
    for name, one in ids.items():
        ends = now if name == "old" else now.replace(year=now.year + 1)
        await marquee.ground.collection("tickets").insert({"_id": one, "expiresAt": now, "sweepAt": ends, **ticket})

    await marquee.jobs.run("sweep_tickets")

    assert await left("tickets") == {ids["young"]}


async def test_content_that_a_dead_process_stored_is_removed_and_media_stay(api, marquee, owner, clock, tmp_path):
    media = (await upload(api, samples.image_bytes(), owner)).json
    orphan, key = tmp_path / "orphan", f"{'ab' * 32}.png"
    orphan.write_bytes(b"content")
    dead = marquee.stores.blobs.holding(key)  # kept, or Python would end the block and let the content go
    await dead.__aenter__()  # and the process dies before it writes its document
    await marquee.stores.media._storage.put(orphan, key)

    clock.advance(hours=2)
    await marquee.jobs.run("sweep_contents")

    files = {path.name for path in (marquee.settings.data_dir / "media").rglob("*") if path.is_file()}
    assert files == {f"{media['sha256']}.jpg", f"{media['sha256']}.webp"}
    await dead.__aexit__(None, None, None)


async def test_what_cut_off_uploads_left_is_removed_when_it_is_old(marquee):
    incoming = marquee.settings.data_dir / "incoming"
    for name in ("old.part", "young.part"):
        (incoming / name).write_bytes(b"x")
    before = time.time() - 3700
    os.utime(incoming / "old.part", (before, before))

    await marquee.jobs.run("sweep_orphan_files")

    assert [path.name for path in incoming.iterdir()] == ["young.part"]


async def test_files_that_are_never_sent_go_after_a_day(api, marquee, admin, clock, left):
    async def keep(content):
        return (await upload(api, content, admin, "note.txt", path="/api/files/upload")).json["id"]

    unsent, sent = await keep(b"a note"), await keep(b"another")
    message = {"room": "general", "content": "", "attachments": [sent]}
    assert (await api.post("/api/messages", message, as_=admin)).status == 201
    clock.advance(hours=23)
    await marquee.jobs.run("sweep_unused_files")
    assert await left("files") == {unsent, sent}

    clock.advance(hours=2)
    await marquee.jobs.run("sweep_unused_files")

    assert await left("files") == {sent}
    assert len(await left("blobs")) == 1
    assert (await marquee.ground.collection("quotas").get({"_id": admin.id}))["bytes"] == len(b"another")
