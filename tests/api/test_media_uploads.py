"""Uploads that are taken: what becomes of an image or a video, and of the same content twice."""

import asyncio
import hashlib
import io

import pytest
from PIL import Image

from tests import samples
from tests.uploads import upload


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


@pytest.mark.parametrize("name", ["../../etc/passwd", "a%00b.png", "a\x01b.png", "..", "x" * 400, "a;b=c.png"])
async def test_odd_file_names_are_only_names(api, editor, workspace, name, left):
    reply = await upload(api, samples.image_bytes(), editor, name, workspaceId=workspace)

    assert reply.status == 201
    assert "/" not in reply.json["name"]
    assert reply.json["name"].isprintable()
    assert all(set(stored) <= set("0123456789abcdefjpgw.") or stored.endswith(".webp") for stored in left()[1])


async def test_an_upload_s_idempotency_key_gives_the_first_answer_again(api, editor, workspace):
    key = {"Idempotency-Key": "once"}
    first = await upload(api, samples.image_bytes(), editor, workspaceId=workspace, headers=key)
    again = await upload(api, samples.image_bytes(), editor, workspaceId=workspace, headers=key)
    other = await upload(api, samples.image_bytes(color="red"), editor, workspaceId=workspace, headers=key)

    assert (first.status, again.status, other.status) == (201, 201, 422)
    assert again.json == first.json
