"""Media over REST: uploads, lists, edits and deletions."""

import asyncio
import hashlib
import http.client
import io
import time

import pytest
from PIL import Image

from handlers import gateway, uploads
from tests import samples
from tests.uploads import begin, end, form, upload

ITEM = {"transition": "none", "fit": "contain"}


@pytest.fixture
def left(marquee):
    """Return what uploads have left on the disk: entries of `incoming`, and files of `media`."""

    def look():
        data = marquee.settings.data_dir
        files = [path for path in (data / "media").rglob("*") if path.is_file()]
        return sorted((data / "incoming").iterdir()), sorted(path.name for path in files)

    return look


async def test_an_image_becomes_media(api, editor, workspace, heard):
    content = samples.image_bytes(width=640, height=360)

    reply = await upload(api, content, editor, "lobby.jpg", workspaceId=workspace, tags="a, b,,a", durationMs=5000)

    media = reply.json
    assert (reply.status, reply.headers["Location"], reply.headers["ETag"]) == (201, f"/api/media/{media['id']}", '"1"')
    assert media["name"] == "lobby.jpg"
    assert (media["type"], media["contentType"], media["status"], media["failure"]) == (
        "image",
        "image/jpeg",
        "ready",
        None,
    )
    assert (media["width"], media["height"], media["durationMs"], media["tags"]) == (640, 360, 5000, ["a", "b"])
    assert (media["workspaceId"], media["playlistCount"], media["version"]) == (workspace, 0, 1)
    assert [(event.type, event.data["id"]) for event in heard][-1] == ("media.created", media["id"])
    served = await api.get(media["url"])
    assert (served.status, len(served.body)) == (200, media["bytes"])
    assert hashlib.sha256(served.body).hexdigest() == media["sha256"]
    thumbnail = await api.get(media["thumbnailUrl"])
    assert (thumbnail.status, thumbnail.headers["Content-Type"]) == (200, "image/webp")
    assert Image.open(io.BytesIO(thumbnail.body)).size == (320, 180)
    assert (await api.get(f"/api/media/{media['id']}", editor)).json == media


@pytest.mark.parametrize(("name", "codec"), [("film.mp4", "libx264"), ("film.webm", "libvpx-vp9")])
async def test_a_video_becomes_media_with_its_length(api, editor, workspace, tmp_path, name, codec):
    film = samples.video(tmp_path / name, codec, seconds=1.5).read_bytes()

    reply = await upload(api, film, editor, name, workspaceId=workspace)

    assert (reply.status, reply.json["type"], reply.json["durationMs"]) == (201, "video", 1500)
    assert (await api.get(reply.json["url"])).headers["Content-Type"] == f"video/{name[5:]}"
    assert (await api.get(reply.json["thumbnailUrl"])).status == 200


async def test_without_a_workspace_media_go_to_the_personal_one(api, owner, workspace):
    reply = await upload(api, samples.image_bytes(), owner)

    assert reply.status == 201
    assert reply.json["workspaceId"] != workspace


async def test_the_place_where_it_was_taken_is_not_served(api, editor, workspace):
    content = samples.image_bytes(exif=samples.exif(orientation=6))

    media = (await upload(api, content, editor, workspaceId=workspace)).json

    served = await api.get(media["url"])
    assert samples.MAKER.encode() not in served.body
    assert not Image.open(io.BytesIO(served.body)).getexif().get_ifd(0x8825)
    assert (media["width"], media["height"]) == (360, 640)


async def test_the_same_content_again_gives_what_is_there_unchanged(api, editor, workspace, left):
    content = samples.image_bytes(exif=samples.exif())
    first = (await upload(api, content, editor, "a.jpg", workspaceId=workspace)).json

    again = await upload(api, content, editor, "b.jpg", workspaceId=workspace, tags="new")
    there = samples.exif()
    there[0x010F] = "Another camera"
    stripped = await upload(api, samples.image_bytes(exif=there), editor, "c.jpg", workspaceId=workspace)
    downloaded = await upload(api, (await api.get(first["url"])).body, editor, workspaceId=workspace)

    assert [reply.status for reply in (again, stripped, downloaded)] == [200, 200, 200]
    assert again.json == stripped.json == downloaded.json == first
    assert len(left()[1]) == 2


async def test_twenty_at_once_of_the_same_content_make_one(api, editor, workspace, left):
    content = samples.image_bytes()

    replies = await asyncio.gather(*[upload(api, content, editor, workspaceId=workspace) for _ in range(20)])

    assert sorted(reply.status for reply in replies) == [200] * 19 + [201]
    assert len({reply.json["id"] for reply in replies}) == 1
    assert left()[0] == []
    assert len(left()[1]) == 2


async def test_content_that_two_workspaces_share_stays_until_both_are_done_with_it(api, owner, workspace, left):
    content = samples.image_bytes()
    here = (await upload(api, content, owner, workspaceId=workspace)).json
    there = (await upload(api, content, owner)).json
    assert here["id"] != there["id"]

    assert (await api.delete(f"/api/media/{here['id']}", owner)).status == 204
    assert (await api.get(there["url"])).status == 200
    assert (await api.delete(f"/api/media/{there['id']}", owner)).status == 204
    assert (await api.get(there["url"])).status == 404
    assert left() == ([], [])


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", 415, "unsupported_type"),
        (b"<!doctype html><script>alert(1)</script>" * 10, 415, "unsupported_type"),
        (b"", 415, "unsupported_type"),
        (samples.image_bytes()[:-100], 422, "invalid"),
        (b"GIF89a" + b"<script>" * 20, 422, "invalid"),
    ],
    ids=["svg", "html", "empty", "cut", "polyglot"],
)
async def test_what_is_no_media_is_refused_and_leaves_nothing(api, editor, workspace, left, content, status, code):
    reply = await upload(api, content, editor, "photo.jpg", workspaceId=workspace)

    assert (reply.status, reply.code) == (status, code)
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert left() == ([], [])


@pytest.mark.parametrize("name", ["../../etc/passwd", "a%00b.png", "a\x01b.png", "..", "x" * 400, "a;b=c.png"])
async def test_odd_file_names_are_only_names(api, editor, workspace, name, left):
    reply = await upload(api, samples.image_bytes(), editor, name, workspaceId=workspace)

    assert reply.status == 201
    assert "/" not in reply.json["name"]
    assert reply.json["name"].isprintable()
    assert all(set(stored) <= set("0123456789abcdefjpgw.") or stored.endswith(".webp") for stored in left()[1])


async def test_wrong_fields_are_told_apart(api, editor, workspace, left, tmp_path):
    content = samples.image_bytes()
    for fields, path in (
        ({"durationMs": "1e3"}, "durationMs"),
        ({"durationMs": "999"}, "durationMs"),
        ({"name": " "}, "name"),
        ({"tags": ",".join(map(str, range(21)))}, "tags"),
        ({"role": "admin"}, "role"),
    ):
        reply = await upload(api, content, editor, workspaceId=workspace, **fields)
        assert (reply.status, reply.json["errors"][0]["path"]) == (422, path)
    film = samples.video(tmp_path / "film.mp4").read_bytes()
    reply = await upload(api, film, editor, workspaceId=workspace, durationMs=5000)
    assert (reply.status, reply.json["errors"][0]["path"]) == (422, "durationMs")
    assert left() == ([], [])


async def test_a_body_that_is_no_multipart_is_refused(api, editor):
    as_json = await api.post("/api/media", {"file": "x"}, editor)
    broken = await api.post(
        "/api/media", raw=b"hello", as_=editor, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    squeezed = await upload(api, b"x", editor, headers={"Content-Encoding": "gzip"})

    assert (as_json.status, as_json.code) == (415, "unsupported_type")
    assert (broken.status, broken.code) == (400, "malformed")
    assert (squeezed.status, squeezed.code) == (415, "unsupported_type")


class TestSmall:
    @pytest.fixture
    def marquee(self, servers):
        return servers(max_image_bytes=20_000, max_video_bytes=100_000, workspace_quota_bytes=30_000)

    async def test_a_larger_image_is_refused_by_what_it_is(self, api, editor, workspace, left):
        picture = samples.image_bytes() + bytes(30_000)

        reply = await upload(api, picture, editor, workspaceId=workspace)
        told = await upload(api, picture + bytes(100_000), editor, workspaceId=workspace)

        assert (reply.status, reply.code) == (413, "too_large")
        assert (told.status, told.code) == (413, "too_large")
        assert left() == ([], [])

    async def test_far_too_much_is_refused_before_it_is_sent(self, api, editor):
        reader, writer = await begin(api, editor, 10_000_000_000, "multipart/form-data; boundary=x")

        assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
        await end(writer)

    async def test_a_chunked_body_is_counted(self, api, editor, left):
        body, content_type = form(samples.image_bytes() + bytes(3_000_000))
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(
            (
                f"POST /api/media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {editor.token}\r\n"
                f"Content-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
            ).encode()
        )
        writer.write(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")

        assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
        await end(writer)
        assert left() == ([], [])

    async def test_a_workspace_s_quota_holds_even_for_many_at_once(self, api, editor, workspace, left):
        contents = [samples.noise(90, 60 + i) for i in range(8)]
        assert all(5_000 < len(content) < 15_000 for content in contents)

        replies = await asyncio.gather(*[upload(api, content, editor, workspaceId=workspace) for content in contents])

        taken = [reply.json for reply in replies if reply.status == 201]
        refused = [reply for reply in replies if reply.status != 201]
        assert sum(media["bytes"] for media in taken) <= 30_000
        assert {(reply.status, reply.code) for reply in refused} == {(413, "quota_exceeded")}
        assert len(left()[1]) == 2 * len(taken)
        for media in taken:
            assert (await api.delete(f"/api/media/{media['id']}", editor)).status == 204
        assert (await upload(api, contents[0], editor, workspaceId=workspace)).status == 201


@pytest.mark.parametrize(
    ("content", "token", "status"),
    [
        (samples.image_bytes() + bytes(30_000_000), True, 413),
        (b"<svg/>" + bytes(30_000_000), True, 415),
        (samples.image_bytes() + bytes(10_000_000), False, 401),
        (bytes(700_000_000), True, 413),
    ],
    ids=["large", "svg", "nobody", "huge"],
)
async def test_a_sender_who_reads_only_at_the_end_sees_the_refusal(api, editor, content, token, status):
    body, content_type = form(content)
    headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {editor.token}"} if token else {})}

    def send():
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
        connection.request("POST", "/api/media", body, headers)
        answer = connection.getresponse()
        connection.close()
        return answer.status, answer.headers["Connection"]

    assert await asyncio.to_thread(send) == (status, "close")


async def test_a_refused_sender_is_heard_out_and_no_longer(api, editor, monkeypatch):
    body, content_type = form(b"<svg/>" + bytes(3_000_000))

    reader, writer = await begin(api, editor, len(body), content_type)
    writer.write(body)
    began = time.monotonic()
    assert b" 415 " in await asyncio.wait_for(reader.read(), 10)  # to the end of the connection
    assert time.monotonic() - began < 2
    await end(writer)

    monkeypatch.setattr(gateway, "DRAIN_SECONDS", 0.3)
    reader, writer = await begin(api, editor, len(body), content_type)
    writer.write(body[:5000])
    assert b" 415 " in await asyncio.wait_for(reader.read(), 3)
    await end(writer)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
async def test_an_upload_that_is_cut_off_leaves_nothing(api, editor, workspace, left, part):
    body, content_type = form(samples.image_bytes() + bytes(5_000_000), fields={"workspaceId": workspace})
    _reader, writer = await begin(api, editor, len(body), content_type)
    writer.write(body[: int(len(body) * part)])
    await writer.drain()
    for _ in range(200):
        if left()[0]:
            break
        await asyncio.sleep(0.01)
    assert left()[0] or part < 0.3
    await end(writer)

    for _ in range(500):
        if not left()[0]:
            break
        await asyncio.sleep(0.01)
    assert left() == ([], [])
    assert (await api.get("/api/media", editor)).json["items"] == []


async def test_more_than_100_megapixels_are_refused(api, editor, workspace, left):
    reply = await upload(api, samples.png_that_claims(20_000, 20_000), editor, workspaceId=workspace)

    assert (reply.status, reply.code) == (422, "invalid")
    assert left() == ([], [])


async def test_an_upload_s_idempotency_key_gives_the_first_answer_again(api, editor, workspace):
    key = {"Idempotency-Key": "once"}
    first = await upload(api, samples.image_bytes(), editor, workspaceId=workspace, headers=key)
    again = await upload(api, samples.image_bytes(), editor, workspaceId=workspace, headers=key)
    other = await upload(api, samples.image_bytes(color="red"), editor, workspaceId=workspace, headers=key)

    assert (first.status, again.status, other.status) == (201, 201, 422)
    assert again.json == first.json


async def test_media_are_listed_filtered_searched_and_paged(api, editor, workspace, tmp_path):
    for i, color in enumerate(("red", "green", "blue")):
        await upload(
            api,
            samples.image_bytes(color=color),
            editor,
            f"Poster {color}.jpg",
            workspaceId=workspace,
            tags=f"t{i % 2}",
        )
    await upload(api, samples.video(tmp_path / "f.mp4").read_bytes(), editor, "film.mp4", workspaceId=workspace)

    async def names(query):
        reply = await api.get(f"/api/media?workspaceId={workspace}&{query}", editor)
        assert reply.status == 200, reply.body
        return [media["name"] for media in reply.json["items"]]

    assert await names("sort=name") == ["film.mp4", "Poster blue.jpg", "Poster green.jpg", "Poster red.jpg"]
    assert await names("type=video") == ["film.mp4"]
    assert await names("tag=t1") == ["Poster green.jpg"]
    assert await names("tag=t1&sort=name") == ["Poster green.jpg"]
    assert await names("tag=T1&sort=name") == []  # names are compared without regard to case, tags are not
    assert await names("search=POSTER%20r") == ["Poster red.jpg"]
    assert await names("status=failed") == []
    assert await names("sort=-bytes&limit=1") in (
        ["film.mp4"],
        ["Poster blue.jpg"],
        ["Poster red.jpg"],
        ["Poster green.jpg"],
    )
    page = (await api.get(f"/api/media?workspaceId={workspace}&limit=3&sort=createdAt", editor)).json
    rest = (
        await api.get(f"/api/media?workspaceId={workspace}&limit=3&sort=createdAt&cursor={page['next']}", editor)
    ).json
    assert (page["total"], len(page["items"]), len(rest["items"]), rest["next"]) == (4, 3, 1, None)
    for wrong in ("sort=sha256", "type=audio", "colour=red", "limit=0", "cursor=x"):
        assert (await api.get(f"/api/media?{wrong}", editor)).status == 422


async def test_media_are_edited_under_their_version(api, editor, workspace, heard):
    media = (await upload(api, samples.image_bytes(), editor, workspaceId=workspace)).json
    path = f"/api/media/{media['id']}"

    reply = await api.patch(
        path, {"name": "New", "tags": ["x"], "durationMs": 7000}, editor, headers={"If-Match": '"1"'}
    )
    stale = await api.patch(path, {"name": "Newer"}, editor, headers={"If-Match": '"1"'})

    assert (reply.status, reply.headers["ETag"]) == (200, '"2"')
    changed = {"name": "New", "tags": ["x"], "durationMs": 7000, "version": 2}
    assert reply.json == media | changed
    assert (stale.status, stale.code) == (412, "version_mismatch")
    assert heard[-1].type == "media.updated"
    assert (await api.patch(path, {"sha256": "x"}, editor)).status == 422
    assert (await api.patch(path, {"durationMs": None}, editor)).json["durationMs"] is None


async def test_media_that_are_held_already_are_not_sent_again(api, editor, workspace):
    media = (await upload(api, samples.image_bytes(), editor, workspaceId=workspace)).json
    path = f"/api/media/{media['id']}"

    held = await api.get(path, editor, headers={"If-None-Match": '"1"'})
    await api.patch(path, {"name": "New"}, editor)
    changed = await api.get(path, editor, headers={"If-None-Match": '"1"'})

    assert (held.status, held.body, held.headers["ETag"]) == (304, b"", '"1"')
    assert (changed.status, changed.json["name"], changed.headers["ETag"]) == (200, "New", '"2"')


async def test_a_sender_who_falls_silent_is_cut_off(api, editor, workspace, left, monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_SECONDS", 0.3)
    body, content_type = form(samples.image_bytes() + bytes(3_000_000), fields={"workspaceId": workspace})
    reader, writer = await begin(api, editor, len(body), content_type)
    writer.write(body[:2_000_000])

    assert await asyncio.wait_for(reader.read(), 5) == b""
    await end(writer)
    for _ in range(100):
        if not left()[0]:
            break
        await asyncio.sleep(0.02)
    assert left() == ([], [])


async def test_a_video_s_length_is_not_edited(api, editor, workspace, tmp_path):
    film = samples.video(tmp_path / "f.mp4").read_bytes()
    media = (await upload(api, film, editor, workspaceId=workspace)).json

    reply = await api.patch(f"/api/media/{media['id']}", {"durationMs": 5000}, editor)

    assert (reply.status, reply.json["errors"][0]["path"]) == (422, "durationMs")


async def test_an_image_s_default_time_reaches_the_playlists_that_leave_it_open(api, editor, workspace):
    media = (await upload(api, samples.image_bytes(), editor, workspaceId=workspace)).json
    items = [{"mediaId": media["id"], **ITEM}, {"mediaId": media["id"], "durationMs": 3000, **ITEM}]
    made = await api.post("/api/playlists", {"name": "P", "workspaceId": workspace, "items": items}, editor)
    assert (made.status, made.json["durationMs"]) == (201, 13_000)

    await api.patch(f"/api/media/{media['id']}", {"durationMs": 60_000}, editor)

    playlist = (await api.get(f"/api/playlists/{made.json['id']}", editor)).json
    assert playlist["durationMs"] == 63_000
    assert (await api.get(f"/api/media/{media['id']}", editor)).json["playlistCount"] == 1


async def test_media_in_a_playlist_go_only_by_force(api, editor, workspace, left, heard):
    media = (await upload(api, samples.image_bytes(), editor, workspaceId=workspace)).json
    body = {"name": "Morning", "workspaceId": workspace, "items": [{"mediaId": media["id"], **ITEM}]}
    playlist = (await api.post("/api/playlists", body, editor)).json

    refused = await api.delete(f"/api/media/{media['id']}", editor)
    assert (refused.status, refused.code) == (409, "in_use")
    assert refused.json["usedBy"] == [{"type": "playlist", "id": playlist["id"], "name": "Morning"}]

    assert (await api.delete(f"/api/media/{media['id']}?force=true", editor)).status == 204
    after = (await api.get(f"/api/playlists/{playlist['id']}", editor)).json
    assert (after["items"], after["version"]) == ([], 2)
    assert {"playlist.updated", "media.deleted"} <= {event.type for event in heard}
    assert (await api.get(f"/api/media/{media['id']}", editor)).status == 404
    assert left() == ([], [])


async def test_who_may_not_sees_or_changes_nothing(api, owner, viewer, stranger, workspace, left):
    media = (await upload(api, samples.image_bytes(), owner, workspaceId=workspace)).json
    path = f"/api/media/{media['id']}"

    assert (await api.get(path, viewer)).status == 200
    assert (await upload(api, samples.image_bytes(color="red"), viewer, workspaceId=workspace)).status == 403
    assert (await api.patch(path, {"name": "x"}, viewer)).status == 403
    assert (await api.delete(path, viewer)).status == 403
    for reply in (
        await api.get(path, stranger),
        await api.patch(path, {"name": "x"}, stranger),
        await api.delete(path, stranger),
        await upload(api, samples.image_bytes(color="red"), stranger, workspaceId=workspace),
    ):
        assert (reply.status, reply.code) == (404, "not_found")
    assert (await api.get(path)).status == 401
    assert (await upload(api, samples.image_bytes(), None, workspaceId=workspace)).status == 401
    assert len(left()[1]) == 2
    assert left()[0] == []


async def test_a_deleted_workspace_takes_its_media_along(api, owner, workspace, left):
    await upload(api, samples.image_bytes(), owner, workspaceId=workspace)

    assert (await api.delete(f"/api/workspaces/{workspace}", owner)).status == 204

    assert left() == ([], [])


async def test_a_direct_upload_is_not_for_local_storage(api, editor):
    ask = {"name": "a", "bytes": 10, "contentType": "image/png"}

    reply = await api.post("/api/media/upload-ticket", ask, editor)
    complete = await api.post("/api/media/upload-ticket/x/complete", None, editor)

    assert (reply.status, reply.code) == (409, "conflict")
    assert (complete.status, complete.code) == (409, "conflict")
