"""`/api/files` and `/files/...`: uploading, who may read what, and how the bytes are served."""

import hashlib
import io
import zipfile

import pytest
from PIL import Image

from tests import samples
from tests.api.rooms import join, make_room, say
from tests.clients import PASSWORD, Api
from tests.uploads import upload

NOTE = b"Milk, bread, and a ladder.\n"
pytestmark = pytest.mark.usefixtures("jobs_by_hand")


@pytest.fixture
def keep(api):
    """Upload a file; return its document."""

    async def keep(person, content=NOTE, name="note.txt"):
        reply = await upload(api, content, person, name, path="/api/files/upload")
        assert reply.status == 201, reply.body
        return reply.json

    return keep


@pytest.fixture
def used_bytes(marquee):
    """Return how many bytes are counted against somebody."""

    async def count(person):
        held = await marquee.ground.collection("quotas").get({"_id": person.id})
        return held["bytes"] if held else 0

    return count


def packed(**files):
    """Return a ZIP with these names and contents."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return out.getvalue()


# --- uploads --------------------------------------------------------------------------------------------------------


async def test_a_file_is_uploaded_and_fetched_as_a_download(api, ana):
    reply = await upload(api, NOTE, ana, "Einkaufs\u00fcberblick; 1.txt", path="/api/files/upload")

    file = reply.json
    assert (reply.status, reply.headers["Location"]) == (201, f"/api/files/{file['id']}")
    assert file == {
        "id": file["id"],
        "name": file["name"],
        "contentType": "text/plain",
        "bytes": len(NOTE),
        "sha256": hashlib.sha256(NOTE).hexdigest(),
        "url": file["url"],
        "thumbnailUrl": None,
        "createdAt": file["createdAt"],
    }
    served = await api.get(file["url"])
    assert (served.status, served.body) == (200, NOTE)
    assert served.headers["Content-Type"] == "application/octet-stream"
    assert served.headers["Content-Disposition"].startswith('attachment; filename="Einkaufs_berblick_ 1.txt"')
    assert "; filename*=UTF-8''Einkaufs%C3%BCberblick%3B%201.txt" in served.headers["Content-Disposition"]
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in served.headers["Content-Security-Policy"]
    assert served.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


async def test_an_image_is_shown_has_a_thumbnail_and_tells_no_place(api, ana, keep):
    photo = samples.image_bytes(exif=samples.exif())

    file = await keep(ana, photo, "holiday.txt")

    served, small = await api.get(file["url"]), await api.get(file["thumbnailUrl"])
    assert file["contentType"] == served.headers["Content-Type"] == "image/jpeg"
    assert served.headers["Content-Disposition"].startswith("inline; ")
    assert samples.MAKER.encode() in photo
    assert samples.MAKER.encode() not in served.body
    assert (file["bytes"], file["sha256"]) == (len(served.body), hashlib.sha256(served.body).hexdigest())
    assert Image.open(io.BytesIO(small.body)).width == 320
    assert small.headers["Content-Type"] == "image/webp"


async def test_a_video_is_shown_with_its_poster_frame(api, ana, keep, tmp_path):
    film = samples.video(tmp_path / "film.mp4").read_bytes()

    file = await keep(ana, film, "film.mp4")

    served, small = await api.get(file["url"], headers={"Range": "bytes=0-99"}), await api.get(file["thumbnailUrl"])
    assert (served.status, len(served.body), served.headers["Content-Type"]) == (206, 100, "video/mp4")
    assert small.headers["Content-Type"] == "image/webp"


async def test_sound_is_played_and_a_video_that_cannot_be_is_saved(api, ana, keep):
    sound = await keep(ana, b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "beep.wav")
    broken = await keep(ana, b"\0\0\0\x18ftypisom\0\0\0\0isommp41" + bytes(400), "film.mp4")

    played, saved = await api.get(sound["url"]), await api.get(broken["url"])

    assert (played.headers["Content-Type"], played.headers["Content-Disposition"][:7]) == ("audio/wav", "inline;")
    assert saved.headers["Content-Type"] == "application/octet-stream"
    assert saved.headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("page.html", b"<!doctype html><script>alert(1)</script>"),
        ("picture.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
        ("photo.jpg", b"alert(1) // no photo"),
        ("code.js", b"alert(1)"),
        ("archive.zip", packed(notes_dot_txt="x")),
        ("MZ.txt", b"MZ is how my notes begin, and that is all that they have of a program. " * 3),
    ],
)
async def test_what_is_not_recognised_is_only_ever_saved(api, ana, keep, name, content):
    file = await keep(ana, content, name)
    served = await api.get(file["url"])

    assert (served.status, served.body) == (200, content)
    assert served.headers["Content-Type"] == "application/octet-stream"
    assert served.headers["Content-Disposition"].startswith("attachment;")
    assert not file["contentType"].startswith(("image/", "audio/", "video/")), "a name does not make a picture"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"\x7fELF\x02\x01\x01" + bytes(60)),
        ("a.jpg", b"MZ\x90\0\x03" + bytes(60)),
        ("a.txt", b"\xcf\xfa\xed\xfe" + bytes(60)),
        ("a.bin", b"\xca\xfe\xba\xbe" + bytes(60)),
        ("a.txt", b"#!/bin/sh\nrm -rf /\n"),
        ("a.zip", packed(**{"META-INF__MANIFEST_dot_MF": "Main-Class: A", "A_dot_class": "x"})),
        ("a.zip", packed(AndroidManifest_dot_xml="x", classes_dot_dex="y")),
        ("a.BAT", b"@echo off\r\ndel *.*\r\n"),
        ("a.cmd. ", b"@echo off\r\n"),
        ("a.lnk", b"anything"),
    ],
)
async def test_programs_are_refused_whatever_they_are_called(api, ana, used_bytes, name, content):
    reply = await upload(api, content, ana, name, path="/api/files/upload")

    assert (reply.status, reply.code) == (415, "unsupported_type")
    assert await used_bytes(ana) == 0


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 cut off"])
async def test_empty_files_and_broken_images_are_refused(api, ana, content):
    reply = await upload(api, content, ana, "photo.jpg", path="/api/files/upload")

    assert (reply.status, reply.code) == (422, "invalid")


@pytest.fixture
def narrow(servers):
    """Speaks to a server that takes 2,000 bytes a file and 3,000 a person."""
    client = Api(servers(max_file_bytes=2000, user_quota_bytes=3000).port)
    yield client
    client.close()


async def test_what_is_too_large_or_over_the_quota_is_refused(narrow, used_bytes, ana):
    large = await upload(narrow, bytes(2001), ana, path="/api/files/upload")
    first = await upload(narrow, bytes(2000), ana, path="/api/files/upload")
    over = await upload(narrow, bytes(1500), ana, path="/api/files/upload")

    assert (large.status, large.code) == (413, "too_large")
    assert large.json["detail"] == "A file of this kind may have at most 2 kB."
    assert (first.status, over.status, over.code) == (201, 413, "quota_exceeded")
    assert over.json["detail"] == "You may have at most 3 kB of files."
    assert await used_bytes(ana) == 2000


async def test_the_same_key_gives_the_same_file(api, ana, used_bytes):
    key = {"Idempotency-Key": "one"}

    first = await upload(api, NOTE, ana, "a.txt", path="/api/files/upload", headers=key)
    again = await upload(api, NOTE, ana, "a.txt", path="/api/files/upload", headers=key)

    assert (first.status, again.status, again.json["id"]) == (201, 201, first.json["id"])
    assert await used_bytes(ana) == len(NOTE)


# --- addresses ------------------------------------------------------------------------------------------------------


async def test_an_address_ends_after_an_hour_and_a_fresh_one_is_given(api, ana, keep, clock):
    file = await keep(ana)
    clock.advance(minutes=54)
    assert (await api.get(file["url"])).status == 200

    clock.advance(minutes=7)

    session = (await api.post("/api/auth/login", {"email": ana.email, "password": PASSWORD})).json
    fresh = (await api.get(f"/api/files/{file['id']}", session["accessToken"])).json
    assert (await api.get(file["url"])).status == 403
    assert (await api.get(fresh["url"])).body == NOTE


async def test_an_address_is_good_for_its_file_alone(api, ana, keep):
    one, other = await keep(ana), await keep(ana, samples.image_bytes(), "photo.jpg")
    _, _, signed = one["url"].partition("?")

    for path in (f"/files/{other['id']}", f"/files/{one['id']}/thumbnail", f"/files/{'0' * 24}"):
        assert (await api.get(f"{path}?{signed}")).status == 403
    assert (await api.get(f"/files/{one['id']}")).status == 403
    assert (await api.get(one["url"] + "&x=1")).status == 403


# --- who may read ---------------------------------------------------------------------------------------------------


async def test_a_file_that_was_not_sent_is_its_owners_alone(api, ana, ben, admin, keep):
    file = await keep(ana)

    assert [(await api.get(f"/api/files/{file['id']}", who)).status for who in (ana, ben, admin, None)] == [
        200,
        404,
        404,
        401,
    ]
    assert (await api.delete(f"/api/files/{file['id']}", ben)).status == 404


async def test_a_file_may_be_read_by_those_who_may_read_its_message(api, ana, ben, stranger, keep):
    room = await make_room(api, ana, "secret", "private", [ben])
    file = await keep(ana)
    await say(api, ana, "", room, attachments=[file["id"]])
    path = f"/api/files/{file['id']}"

    assert [(await api.get(path, who)).status for who in (ana, ben, stranger)] == [200, 200, 404]
    assert [(await api.delete(path, who)).status for who in (ben, stranger)] == [403, 404]

    await api.delete(f"/api/rooms/{room['id']}/members/{ben.id}", ana)
    assert (await api.get(path, ben)).status == 404


async def test_a_file_of_a_public_room_may_be_read_by_everybody(api, ana, ben, keep):
    room = await make_room(api, ana)
    file = await keep(ana)
    await say(api, ana, "Look", room, attachments=[file["id"]])

    assert (await api.get(f"/api/files/{file['id']}", ben)).status == 200


# --- removal --------------------------------------------------------------------------------------------------------


async def test_a_file_that_was_not_sent_is_deleted_with_its_content(api, marquee, ana, keep, used_bytes):
    file = await keep(ana)

    assert (await api.delete(f"/api/files/{file['id']}", ana)).status == 204

    assert (await api.get(file["url"])).status == 404
    assert (await api.get(f"/api/files/{file['id']}", ana)).status == 404
    assert (await used_bytes(ana), await marquee.ground.collection("blobs").count({})) == (0, 0)


async def test_a_file_that_was_sent_is_in_use(api, ana, keep):
    file = await keep(ana)
    message = await say(api, ana, "Look", attachments=[file["id"]])

    reply = await api.delete(f"/api/files/{file['id']}", ana)

    assert (reply.status, reply.code) == (409, "in_use")
    assert [(use["type"], use["id"]) for use in reply.json["usedBy"]] == [("message", message["id"])]


async def test_equal_content_of_two_people_is_there_until_both_have_let_it_go(api, marquee, ana, ben, keep):
    first, second = await keep(ana), await keep(ben)

    await api.delete(f"/api/files/{first['id']}", ana)
    assert (await api.get(second["url"])).body == NOTE
    await api.delete(f"/api/files/{second['id']}", ben)

    assert await marquee.ground.collection("blobs").count({}) == 0


# --- avatars --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("after_a_mark")
async def test_an_avatar_is_seen_by_everybody_wherever_its_owner_is(api, ana, ben, keep):
    file = await keep(ana, samples.image_bytes(), "me.jpg")

    profile = await api.patch("/api/users/profile", {"avatarFileId": file["id"]}, ana)

    card = (await api.get(f"/api/users/{ana.id}", ben)).json
    message = await say(api, ana)
    url = profile.json["avatarUrl"]
    assert url.startswith(f"/files/{file['id']}")
    assert card["avatarUrl"] == message["author"]["avatarUrl"] == url
    assert (await api.get(url)).headers["Content-Type"] == "image/webp"
    assert (await api.get(f"/api/files/{file['id']}", ben)).status == 200
    again = await api.patch("/api/users/profile", {"avatarFileId": file["id"], "statusText": "here"}, ana)
    assert again.status == 200


async def test_an_avatar_is_in_use_until_another_is_taken(api, ana, keep):
    old = await keep(ana, samples.image_bytes(), "old.jpg")
    new = await keep(ana, samples.image_bytes(color="red"), "new.jpg")
    await api.patch("/api/users/profile", {"avatarFileId": old["id"]}, ana)
    refused = await api.delete(f"/api/files/{old['id']}", ana)

    await api.patch("/api/users/profile", {"avatarFileId": new["id"]}, ana)

    assert (refused.status, refused.json["usedBy"]) == (409, [{"type": "user", "id": ana.id, "name": "ana"}])
    assert (await api.delete(f"/api/files/{old['id']}", ana)).status == 204
    assert (await api.patch("/api/users/profile", {"avatarFileId": None}, ana)).json["avatarUrl"] is None


async def test_an_avatar_is_ones_own_unused_image(api, ana, ben, keep):
    note, others = await keep(ana), await keep(ben, samples.image_bytes(), "ben.jpg")
    sent = await keep(ana, samples.image_bytes(), "sent.jpg")
    await say(api, ana, attachments=[sent["id"]])

    for file in (note, others, sent):
        reply = await api.patch("/api/users/profile", {"avatarFileId": file["id"], "statusText": "x"}, ana)
        assert (reply.status, reply.json["errors"][0]["path"]) == (422, "avatarFileId")
        assert "must be an image that you uploaded yourself" in reply.json["detail"]
    assert (await api.get("/api/users/profile", ana)).json["statusText"] == ""


async def test_a_deleted_account_leaves_no_picture(api, admin, ana, ben, keep, clock):
    file = await keep(ana, samples.image_bytes(), "me.jpg")
    await api.patch("/api/users/profile", {"avatarFileId": file["id"]}, ana)
    await say(api, ana)

    await api.delete(f"/api/users/{ana.id}", admin)

    assert (await api.get(f"/api/files/{file['id']}", ben)).status == 404


# --- the sweep ------------------------------------------------------------------------------------------------------


async def test_the_files_of_a_deleted_room_go(api, marquee, ana, ben, keep):
    room = await make_room(api, ana)
    await join(api, room, ben)
    file = await keep(ben)
    await say(api, ben, "", room, attachments=[file["id"]])

    await api.delete(f"/api/rooms/{room['id']}", ana)
    await marquee.jobs.run("sweep_unused_files")

    assert await marquee.ground.collection("files").count({}) == 0
    assert (await api.get(file["url"])).status == 404
