"""The manifest: all that a screen needs, under a tag that says whether it has it."""

import asyncio

import pytest

from core.signatures import WINDOW
from tests.api.displays import pair
from tests.api.stock import Stock, make_playlist, move_clock, raise_emergency

MANIFEST = "/api/display/manifest"


@pytest.fixture
def stock(marquee, workspace):
    return Stock(marquee, workspace)


async def show(api, person, made, *media, **more):
    """Assign a new playlist of `media` to a screen; return the playlist."""
    playlist = await make_playlist(api, person, made["workspaceId"], *media, **more)
    path = f"/api/screens/{made['id']}/playlist"
    assert (await api.put(path, {"playlistId": playlist["id"]}, as_=person)).status == 200
    return playlist


async def test_a_screen_with_nothing_to_show_gets_a_manifest_too(api, editor, workspace):
    display, made = await pair(api, editor, workspace, name="Window", timezone="Europe/Berlin")
    reply = await api.get(MANIFEST, as_=display.screen)
    manifest = reply.json
    assert manifest == {
        "screenId": made["id"],
        "name": "Window",
        "revision": made["revision"],
        "generatedAt": manifest["generatedAt"],
        "timezone": "Europe/Berlin",
        "orientation": "landscape",
        "volume": 100,
        "emergency": None,
        "playlist": None,
    }
    assert reply.headers["Cache-Control"] == "no-cache"


async def test_items_come_complete_and_under_signed_addresses(api, editor, workspace, stock):
    display, made = await pair(api, editor, workspace)
    image, video = await stock.media("a"), await stock.media("b", kind="video")
    window = {"validFrom": "2026-01-01T00:00:00+01:00"}
    items = [{"mediaId": image, "transition": "fade", "fit": "cover", **window}, {"mediaId": video}]
    playlist = await show(api, editor, made, items=items)
    shown = (await api.get(MANIFEST, as_=display.screen)).json["playlist"]

    assert {name: shown[name] for name in ("id", "name", "version")} == {
        "id": playlist["id"],
        "name": "Day",
        "version": 1,
    }
    first, second = shown["items"]
    sha256 = first["sha256"]
    assert first == {
        "id": playlist["items"][0]["id"],
        "mediaId": image,
        "type": "image",
        "url": first["url"],
        "sha256": sha256,
        "bytes": 1000,
        "contentType": "image/png",
        "width": 1920,
        "height": 1080,
        "durationMs": 10_000,
        "transition": "fade",
        "fit": "cover",
        "validFrom": "2025-12-31T23:00:00.000Z",
    }
    assert first["url"].startswith(f"/media/{sha256}.png?exp=")
    assert (second["durationMs"], second["type"], "validFrom" in second) == (7000, "video", False)


async def test_the_tag_says_whether_the_screen_has_it_already(api, editor, workspace, stock):
    display, made = await pair(api, editor, workspace)
    first = await api.get(MANIFEST, as_=display.screen)
    tag = first.headers["ETag"]
    assert tag.startswith(f'"{made["revision"]}.')
    for held in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        reply = await api.get(MANIFEST, as_=display.screen, headers={"If-None-Match": held})
        assert (reply.status, reply.body, reply.headers["ETag"]) == (304, b"", tag), held
        assert reply.headers["Cache-Control"] == "no-cache"
    assert (await api.get(MANIFEST, as_=display.screen, headers={"If-None-Match": '"other"'})).status == 200

    await show(api, editor, made, await stock.media())
    changed = await api.get(MANIFEST, as_=display.screen, headers={"If-None-Match": tag})
    assert (changed.status, changed.headers["ETag"] == tag) == (200, False)
    head = await api.ask("HEAD", MANIFEST, as_=display.screen)
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", changed.headers["ETag"])


async def test_screens_that_ask_at_once_get_each_its_own(api, editor, workspace, stock):
    pairs = [await pair(api, editor, workspace, name=f"Screen {n}") for n in range(3)]
    shown = [await show(api, editor, made, await stock.media(str(n))) for n, (_, made) in enumerate(pairs[:2])]
    gone, deleted = pairs[2]
    asked = [display.screen for display, _ in pairs for _ in range(4)]
    replies = await asyncio.gather(*(api.get(MANIFEST, as_=screen) for screen in asked))
    for (_, made), playlist, four in zip(pairs, [*shown, None], zip(*[iter(replies)] * 4, strict=True), strict=True):
        for reply in four:
            assert reply.json["screenId"] == made["id"]
            assert (reply.json["playlist"] or {}).get("id") == (playlist["id"] if playlist else None)

    held = [{"If-None-Match": reply.headers["ETag"]} for reply in replies]
    assert (await api.delete(f"/api/screens/{deleted['id']}", as_=editor)).status == 204
    again = await asyncio.gather(
        *(api.get(MANIFEST, as_=screen, headers=tag) for screen, tag in zip(asked, held, strict=True))
    )
    assert [reply.status for reply in again] == [401 if screen is gone.screen else 304 for screen in asked]


async def test_a_new_window_of_addresses_is_a_new_tag_of_the_same_revision(api, editor, marquee, workspace, stock):
    display, made = await pair(api, editor, workspace)
    await show(api, editor, made, await stock.media())
    now = await api.get(MANIFEST, as_=display.screen)
    move_clock(marquee, WINDOW.total_seconds())
    held = {"If-None-Match": now.headers["ETag"]}
    then = await api.get(MANIFEST, as_=display.screen, headers=held)
    assert then.status == 200
    assert then.json["revision"] == now.json["revision"]
    assert then.json["playlist"]["items"][0]["url"] != now.json["playlist"]["items"][0]["url"]


async def test_equal_content_is_an_equal_revision_on_any_screen(api, editor, workspace, stock):
    media = await stock.media()
    revisions = set()
    for name in ("a", "b"):
        display, made = await pair(api, editor, workspace, name=name)
        await show(api, editor, made, media, name=name)
        revisions.add((await api.get(MANIFEST, as_=display.screen)).json["revision"])
    assert len(revisions) == 1


async def test_an_emergency_stands_beside_the_playlist(api, editor, workspace, stock):
    display, made = await pair(api, editor, workspace)
    playlist = await show(api, editor, made, await stock.media())
    before = (await api.get(MANIFEST, as_=display.screen)).json["revision"]
    media = await stock.media("alarm")
    emergency = await raise_emergency(api, editor, workspace, mediaId=media, level="critical")
    shown = (await api.get(MANIFEST, as_=display.screen)).json
    assert shown["playlist"]["id"] == playlist["id"]
    item = shown["emergency"].pop("item")
    names = ("id", "title", "message", "level", "startedAt", "expiresAt")
    assert shown["emergency"] == {name: emergency[name] for name in names}
    assert (item["mediaId"], item["fit"], item["transition"]) == (media, "contain", "none")
    await api.delete(f"/api/emergencies/{emergency['id']}", as_=editor)
    after = (await api.get(MANIFEST, as_=display.screen)).json
    assert (after["emergency"], after["revision"]) == (None, before)


async def test_a_manifest_is_right_before_the_stored_revision_is(api, editor, marquee, workspace):
    """Of a crash between a write and the refresh of what it changes nobody but a filter hears."""
    display, made = await pair(api, editor, workspace)
    await marquee.ground.collection("screens").update({"_id": made["id"]}, {"$set": {"volume": 1}})
    reply = await api.get(MANIFEST, as_=display.screen, headers={"If-None-Match": f'"{made["revision"]}"'})
    assert (reply.status, reply.json["volume"]) == (200, 1)
    assert reply.json["revision"] != made["revision"]


async def test_only_screens_have_a_manifest_and_they_are_limited_as_such(api, editor, workspace):
    display, _ = await pair(api, editor, workspace)
    assert (await api.get(MANIFEST, as_=editor)).status == 401
    reply = await api.get(MANIFEST)
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")
    limited = await api.get(MANIFEST, as_=display.screen)
    assert limited.headers["RateLimit-Policy"].startswith('"screen"')
