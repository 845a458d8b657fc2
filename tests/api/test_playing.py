"""From an upload to what a paired screen plays, through the API: media, playlists and emergencies together."""

import asyncio
import hashlib

from tests.api.displays import pair, screen
from tests.api.stock import item, make_playlist, raise_emergency, told
from tests.samples import image_bytes

EMERGENCIES, PLAYLISTS = "/api/emergencies", "/api/playlists"


async def upload(api, person, workspace, content=None, **fields):
    """Upload an image; return the media."""
    parts = {"workspaceId": workspace, **fields}
    body = b"".join(
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in parts.items()
    )
    head = '--edge\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    body += head.encode() + (content or image_bytes("PNG")) + b"\r\n--edge--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    reply = await api.post("/api/media", raw=body, as_=person, headers=headers)
    assert reply.status in {200, 201}, reply.body
    return reply.json


async def colours(api, person, workspace, *names):
    """Upload an image of each colour; return the media."""
    return [await upload(api, person, workspace, image_bytes("PNG", color=name)) for name in names]


async def manifest(api, display, tag=None):
    headers = {"If-None-Match": tag} if tag else {}
    return await api.get("/api/display/manifest", as_=display.screen, headers=headers)


async def test_a_screen_is_told_to_play_what_was_uploaded(api, editor, workspace):
    media = await upload(api, editor, workspace, durationMs=4000)
    playlist = await make_playlist(api, editor, workspace, items=[item(media["id"], fit="cover")])
    display, paired = await pair(api, editor, workspace, playlistId=playlist["id"])
    reply = await manifest(api, display)
    (shown,) = reply.json["playlist"]["items"]
    served = await api.get(shown["url"])

    assert (reply.status, reply.json["revision"]) == (200, paired["revision"])
    assert hashlib.sha256(served.body).hexdigest() == shown["sha256"] == media["sha256"]
    assert len(served.body) == shown["bytes"]
    assert shown | {"url": ""} == {
        "id": playlist["items"][0]["id"],
        "mediaId": media["id"],
        "type": "image",
        "url": "",
        "sha256": media["sha256"],
        "bytes": media["bytes"],
        "contentType": "image/png",
        "width": 640,
        "height": 360,
        "durationMs": 4000,
        "transition": "none",
        "fit": "cover",
    }
    assert (await api.get(f"{PLAYLISTS}/{playlist['id']}", as_=editor)).json["screenCount"] == 1


async def test_a_change_reaches_the_screen_and_the_same_content_is_the_same_revision(api, editor, workspace):
    red, blue = await colours(api, editor, workspace, "red", "blue")
    playlist = await make_playlist(api, editor, workspace, red["id"])
    display, _ = await pair(api, editor, workspace, playlistId=playlist["id"])
    first = await manifest(api, display)
    tag, path = first.headers["ETag"], f"{PLAYLISTS}/{playlist['id']}"
    assert (await manifest(api, display, tag)).status == 304

    await api.put(f"{path}/items", {"items": [item(red["id"])]}, as_=editor)  # new item ids, nothing else
    await api.patch(path, {"name": "Night"}, as_=editor)
    assert (await manifest(api, display, tag)).status == 304

    await api.put(f"{path}/items", {"items": [item(blue["id"])]}, as_=editor)
    changed = await manifest(api, display, tag)
    assert (changed.status, changed.json["playlist"]["items"][0]["mediaId"]) == (200, blue["id"])
    assert (await display.beat())["revision"] == changed.json["revision"] != first.json["revision"]
    await display.beat(appliedRevision=changed.json["revision"])
    assert (await screen(api, editor, display.screen.id))["inSync"] is True


async def test_an_emergency_is_shown_counted_and_ended(api, editor, workspace, heard):
    (media,) = await colours(api, editor, workspace, "red")
    display, before = await pair(api, editor, workspace)
    away, _ = await pair(api, editor, workspace, name="Never seen")
    await display.beat(appliedRevision=before["revision"])
    made = await raise_emergency(api, editor, workspace, mediaId=media["id"], level="critical")
    shown = (await manifest(api, display)).json
    assert (made["targets"], made["showing"], made["pending"], made["offline"]) == (2, 0, 1, 1)
    assert (shown["emergency"]["id"], shown["emergency"]["item"]["sha256"]) == (made["id"], media["sha256"])

    await display.beat(appliedRevision=shown["revision"], emergencyId=made["id"])
    counted = (await api.get(f"{EMERGENCIES}/{made['id']}", as_=editor)).json
    assert (counted["showing"], counted["pending"], counted["offline"]) == (1, 0, 1)

    assert (await api.delete(f"{EMERGENCIES}/{made['id']}", as_=editor)).status == 204
    after = (await manifest(api, display)).json
    assert (after["emergency"], after["revision"]) == (None, before["revision"])
    assert (await display.beat(emergencyId=None))["revision"] == before["revision"]
    ended = (await api.get(f"{EMERGENCIES}/{made['id']}", as_=editor)).json
    assert (ended["showing"], ended["offline"]) == (1, 1)
    assert [name for name, _, _ in told(heard, "emergency.started", "emergency.ended")] == [
        "emergency.started",
        "emergency.ended",
    ]
    assert (await manifest(api, away)).json["emergency"] is None


async def test_a_screen_that_gets_the_tag_later_shows_it(api, editor, workspace):
    display, _ = await pair(api, editor, workspace)
    made = await raise_emergency(api, editor, workspace, tag="roof")
    assert (await manifest(api, display)).json["emergency"] is None

    await api.patch(f"/api/screens/{display.screen.id}", {"tags": ["roof"]}, as_=editor)

    assert (await manifest(api, display)).json["emergency"]["id"] == made["id"]
    assert (await api.get(f"{EMERGENCIES}/{made['id']}", as_=editor)).json["targets"] == 1


async def test_a_preview_says_what_is_on_and_why(api, editor, viewer, workspace):
    red, blue = await colours(api, editor, workspace, "red", "blue")
    items = [item(red["id"], validTo="2020-01-01T00:00:00Z"), item(blue["id"])]
    playlist = await make_playlist(api, editor, workspace, items=items)
    display, _ = await pair(api, editor, workspace, playlistId=playlist["id"])
    path = f"/api/screens/{display.screen.id}/preview"
    now = (await api.get(path, as_=viewer)).json
    past = (await api.get(f"{path}?at=2019-12-31T23:59:59.999Z", as_=viewer)).json

    assert (now["item"]["mediaId"], now["playlist"]["id"], now["emergency"]) == (blue["id"], playlist["id"], None)
    assert now["why"][-1] == "Item 2 is the only one of 2 items that is valid."
    assert now["rejected"] == [{"what": "item 1", "reason": "It was valid until 2020-01-01T00:00:00.000Z."}]
    assert (past["at"], past["item"]["mediaId"], past["rejected"]) == ("2019-12-31T23:59:59.999Z", red["id"], [])
    assert (await api.get(f"{path}?at=yesterday", as_=viewer)).code == "invalid"


async def test_a_preview_counts_from_the_screens_own_report(api, editor, workspace, marquee):
    media = await colours(api, editor, workspace, "red", "blue")
    items = [item(each["id"], durationMs=60_000) for each in media]
    playlist = await make_playlist(api, editor, workspace, items=items)
    display, _ = await pair(api, editor, workspace, playlistId=playlist["id"])
    second = playlist["items"][1]
    began = marquee.clock.now().isoformat().replace("+00:00", "Z")
    await display.beat(nowPlaying={"itemId": second["id"], "mediaId": second["mediaId"], "startedAt": began})
    preview = (await api.get(f"/api/screens/{display.screen.id}/preview", as_=editor)).json

    assert preview["item"]["id"] == second["id"]
    assert "own report" in preview["why"][-1]


# --- media that change or go ----------------------------------------------------------------------------------------


async def test_media_in_use_stay_and_say_where(api, editor, workspace):
    (media,) = await colours(api, editor, workspace, "red")
    playlist = await make_playlist(api, editor, workspace, media["id"])
    made = await raise_emergency(api, editor, workspace, mediaId=media["id"])
    refused = await api.delete(f"/api/media/{media['id']}", as_=editor)

    assert (refused.status, refused.code) == (409, "in_use")
    assert refused.json["usedBy"] == [
        {"type": "playlist", "id": playlist["id"], "name": "Day"},
        {"type": "emergency", "id": made["id"], "name": "Fire"},
    ]
    await api.delete(f"{EMERGENCIES}/{made['id']}", as_=editor)
    await api.put(f"{PLAYLISTS}/{playlist['id']}/items", {"items": []}, as_=editor)
    assert (await api.delete(f"/api/media/{media['id']}", as_=editor)).status == 204
    assert (await api.get(f"{EMERGENCIES}/{made['id']}", as_=editor)).status == 200


async def test_forced_out_media_leave_playlists_and_emergencies(api, editor, workspace, heard):
    red, blue = await colours(api, editor, workspace, "red", "blue")
    playlist = await make_playlist(api, editor, workspace, red["id"], blue["id"], red["id"])
    display, before = await pair(api, editor, workspace, playlistId=playlist["id"])
    made = await raise_emergency(api, editor, workspace, mediaId=red["id"])
    heard.clear()
    assert (await api.delete(f"/api/media/{red['id']}?force=true", as_=editor)).status == 204
    left = (await api.get(f"{PLAYLISTS}/{playlist['id']}", as_=editor)).json
    shown = (await manifest(api, display)).json
    wanted = (await screen(api, editor, display.screen.id))["revision"]

    assert left["items"] == [playlist["items"][1]]
    assert (left["version"], left["durationMs"]) == (2, 10_000)
    assert shown["emergency"]["id"] == made["id"]
    assert "item" not in shown["emergency"]
    assert [each["mediaId"] for each in shown["playlist"]["items"]] == [blue["id"]]
    assert shown["revision"] == wanted != before["revision"]
    assert [(data["id"], data["version"]) for _, _, data in told(heard, "playlist.updated")] == [(left["id"], 2)]
    assert told(heard, "manifest.changed")[-1][2] == {"revision": wanted}


async def test_an_images_new_default_time_reaches_the_screens_that_follow_it(api, editor, workspace, heard):
    (media,) = await colours(api, editor, workspace, "red")
    playlist = await make_playlist(
        api, editor, workspace, items=[item(media["id"]), item(media["id"], durationMs=2000)]
    )
    display, before = await pair(api, editor, workspace, playlistId=playlist["id"])
    heard.clear()
    reply = await api.patch(f"/api/media/{media['id']}", {"durationMs": 7000}, as_=editor)
    shown = (await manifest(api, display)).json
    read = (await api.get(f"{PLAYLISTS}/{playlist['id']}", as_=editor)).json

    assert reply.status == 200
    assert [each["durationMs"] for each in shown["playlist"]["items"]] == [7000, 2000]
    assert (read["durationMs"], read["version"], read["items"]) == (9000, 2, playlist["items"])
    assert shown["revision"] != before["revision"]
    assert told(heard, "manifest.changed")[-1][2] == {"revision": shown["revision"]}


# --- at the same moment ---------------------------------------------------------------------------------------------


async def test_no_playlist_keeps_media_that_were_deleted_at_the_same_moment(api, editor, workspace, marquee):
    playlists, docs = [], marquee.ground.collection("playlists")
    for n in range(6):
        media = await upload(api, editor, workspace, image_bytes("PNG", width=40 + n, height=40))
        made = await make_playlist(api, editor, workspace)
        playlists.append(made["id"])
        set_, deleted = await asyncio.gather(
            api.put(f"{PLAYLISTS}/{made['id']}/items", {"items": [item(media["id"])]}, as_=editor),
            api.delete(f"/api/media/{media['id']}?force=true", as_=editor),
        )
        assert (set_.status in {200, 422}, deleted.status) == (True, 204), (set_.body, deleted.body)

    for stored in await docs.find({"_id": {"$in": playlists}}):
        assert stored["items"] == []


async def test_no_screen_keeps_a_playlist_that_was_deleted_at_the_same_moment(api, editor, workspace, marquee):
    displays = [(await pair(api, editor, workspace, name=str(n)))[0] for n in range(3)]
    for _ in range(5):
        playlist = await make_playlist(api, editor, workspace)
        replies = await asyncio.gather(
            *(
                api.put(f"/api/screens/{each.screen.id}/playlist", {"playlistId": playlist["id"]}, as_=editor)
                for each in displays
            ),
            api.delete(f"{PLAYLISTS}/{playlist['id']}?force=true", as_=editor),
        )
        assert {reply.status for reply in replies[:-1]} <= {200, 422}
        assert replies[-1].status == 204
        for each in displays:
            assert (await screen(api, editor, each.screen.id))["playlistId"] is None


async def test_an_edit_an_emergency_and_a_setting_at_once_leave_the_right_revision(api, editor, workspace, marquee):
    media = await colours(api, editor, workspace, "red", "blue")
    playlist = await make_playlist(api, editor, workspace, media[0]["id"])
    display, _ = await pair(api, editor, workspace, playlistId=playlist["id"])
    for n in range(5):
        await asyncio.gather(
            api.put(f"{PLAYLISTS}/{playlist['id']}/items", {"items": [item(media[n % 2]["id"])]}, as_=editor),
            raise_emergency(api, editor, workspace, level="info"),
            api.patch(f"/api/screens/{display.screen.id}", {"volume": n}, as_=editor),
            display.beat(),
        )
        wanted = (await screen(api, editor, display.screen.id))["revision"]
        assert wanted == (await manifest(api, display)).json["revision"]
