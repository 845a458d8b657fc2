"""A screen that is given to another display: what was the old one's ends, and what is the screen's stays."""

import asyncio

from tests.api.displays import Display, pair, screen, type_code
from tests.api.stock import NOTHING, told

MANIFEST = "/api/display/manifest"


async def test_new_hardware_takes_over_a_screen_and_the_old_credential_ends(api, editor, workspace, heard):
    old, made = await pair(api, editor, workspace, name="Window", tags=["a"])
    await old.beat(nowPlaying={"itemId": "i", "mediaId": "m", "startedAt": "2026-01-01T00:00:00Z"})
    new = Display(api)
    reply = await type_code(api, editor, await new.show_code(player={"name": "new"}), screenId=made["id"])

    assert reply.status == 201
    replaced = reply.json
    kept = ("id", "name", "tags", "workspaceId", "createdAt", "revision")
    assert {name: replaced[name] for name in kept} == {name: made[name] for name in kept}
    assert (replaced["status"], replaced["nowPlaying"], replaced["lastSeenAt"]) == ("connecting", None, None)
    assert (replaced["player"]["name"], replaced["version"]) == ("new", made["version"] + 1)
    assert await screen(api, editor, made["id"]) == replaced
    assert (await api.get(MANIFEST, as_=old.screen)).status == 401
    assert (await old.claim()).status == 410

    assert (await new.collect()).id == made["id"]
    assert (await api.get(MANIFEST, as_=new.screen)).status == 200
    assert (await api.get(MANIFEST, as_=old.screen)).status == 401
    await new.beat()
    history = (await api.get(f"/api/screens/{made['id']}/history", as_=editor)).json["items"]
    assert [change["status"] for change in history] == ["online", "online"]
    assert told(heard, "screen.paired")[-1][2]["id"] == made["id"]


async def test_what_was_read_of_the_old_hardware_is_not_written_to_the_new(
    api, editor, marquee, workspace, monkeypatch
):
    old, made = await pair(api, editor, workspace)
    await old.beat(nowPlaying={"itemId": "i", "mediaId": "m", "startedAt": "2026-01-01T00:00:00Z"})
    read = marquee.stores.beats._leases.everything

    async def read_just_before(since):
        found = await read(since)
        await type_code(api, editor, await Display(api).show_code(), screenId=made["id"])
        return found

    monkeypatch.setattr(marquee.stores.beats._leases, "everything", read_just_before)
    await marquee.stores.beats.flush(marquee.clock.now())

    shown = await screen(api, editor, made["id"])
    assert (shown["nowPlaying"], shown["lastSeenAt"]) == (None, None)


async def test_a_beat_of_the_old_hardware_that_is_on_its_way_is_not_the_news(
    api, editor, marquee, workspace, monkeypatch
):
    _, made = await pair(api, editor, workspace)
    wanted = marquee.stores.revisions.wanted

    async def wanted_just_before(screens):
        monkeypatch.undo()
        found = await wanted(screens)
        await type_code(api, editor, await Display(api).show_code(), screenId=made["id"])
        return found

    monkeypatch.setattr(marquee.stores.revisions, "wanted", wanted_just_before)
    await marquee.stores.beats.beat(made["id"], {"status": "error", "reason": "cracked", "appliedRevision": "r"})

    shown = await screen(api, editor, made["id"])
    assert (shown["status"], shown["statusReason"], shown["appliedRevision"]) == ("connecting", None, None)


async def test_new_hardware_closes_the_old_socket_and_keeps_its_own(api, editor, workspace):
    old, made = await pair(api, editor, workspace)
    before = await api.socket("/ws/screen", as_=old.screen)
    await before.event("manifest.changed")
    new = Display(api)
    await type_code(api, editor, await new.show_code(), screenId=made["id"])
    assert await before.closed() == 4401
    before.close()

    await new.collect()
    after = await api.socket("/ws/screen", as_=new.screen)
    await after.event("manifest.changed")
    await asyncio.sleep(2.5)  # the revocation is looked at again each second
    assert (await after.request("heartbeat", {}))["ok"]
    after.close()


async def test_new_hardware_may_bring_edits_and_only_a_screen_of_ones_own(api, editor, stranger, workspace):
    _, made = await pair(api, editor, workspace)
    theirs = await type_code(api, stranger, await Display(api).show_code(), screenId=made["id"])
    assert (theirs.status, theirs.code) == (404, "not_found")
    nothing = await type_code(api, editor, await Display(api).show_code(), screenId=NOTHING)
    assert (nothing.status, nothing.code) == (404, "not_found")
    elsewhere = await type_code(api, editor, await Display(api).show_code(), screenId=made["id"], workspaceId=NOTHING)
    assert elsewhere.status == 404
    moved = await type_code(api, editor, await Display(api).show_code(), screenId=made["id"], location="Roof")
    assert (moved.status, moved.json["location"]) == (201, "Roof")
