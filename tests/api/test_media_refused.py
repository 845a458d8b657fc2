"""Uploads that are refused or cut off: the sender is told why, and nothing stays behind."""

import asyncio
import http.client
from contextlib import suppress

import pytest

from handlers import gateway, uploads
from tests import samples
from tests.promptness import PATIENCE, eventually
from tests.uploads import begin, end, form, upload


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


async def test_an_empty_file_is_called_empty(api, editor, workspace):
    reply = await upload(api, b"", editor, "photo.jpg", workspaceId=workspace)

    assert reply.json["detail"] == "The file is empty."


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


async def test_more_than_100_megapixels_are_refused(api, editor, workspace, left):
    reply = await upload(api, samples.png_that_claims(20_000, 20_000), editor, workspaceId=workspace)

    assert (reply.status, reply.code) == (422, "invalid")
    assert left() == ([], [])


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

        assert b" 413 " in await asyncio.wait_for(reader.readline(), PATIENCE)
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

        assert b" 413 " in await asyncio.wait_for(reader.readline(), PATIENCE)
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
async def test_a_sender_who_reads_only_at_the_end_sees_the_refusal(api, editor, content, token, status, monkeypatch):
    monkeypatch.setattr(gateway, "DRAIN_SECONDS", PATIENCE)  # of a machine on which 700 MB take their time
    body, content_type = form(content)
    headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {editor.token}"} if token else {})}

    def send():
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=PATIENCE)
        connection.request("POST", "/api/media", body, headers)
        answer = connection.getresponse()
        connection.close()
        return answer.status, answer.headers["Connection"]

    assert await asyncio.to_thread(send) == (status, "close")


async def test_a_refused_sender_is_heard_out_and_no_longer(api, editor, monkeypatch):
    body, content_type = form(b"<svg/>" + bytes(3_000_000))

    monkeypatch.setattr(gateway, "DRAIN_SECONDS", 3600)
    reader, writer = await begin(api, editor, len(body), content_type)
    writer.write(body)
    assert b" 415 " in await asyncio.wait_for(reader.read(), PATIENCE)  # to the end of the connection
    await end(writer)

    monkeypatch.setattr(gateway, "DRAIN_SECONDS", 0.3)
    reader, writer = await begin(api, editor, len(body), content_type)
    writer.write(body[:5000])
    assert b" 415 " in await asyncio.wait_for(reader.read(), PATIENCE)
    await end(writer)


async def test_a_direct_upload_is_not_for_local_storage(api, editor):
    ask = {"name": "a", "bytes": 10, "contentType": "image/png"}

    reply = await api.post("/api/media/upload-ticket", ask, editor)
    complete = await api.post("/api/media/upload-ticket/x/complete", None, editor)

    assert (reply.status, reply.code) == (409, "conflict")
    assert (complete.status, complete.code) == (409, "conflict")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
async def test_an_upload_that_is_cut_off_leaves_nothing(api, editor, workspace, left, part):
    body, content_type = form(samples.image_bytes() + bytes(5_000_000), fields={"workspaceId": workspace})
    _reader, writer = await begin(api, editor, len(body), content_type)
    writer.write(body[: int(len(body) * part)])
    await writer.drain()
    if part > 0.3:
        await eventually(lambda: left()[0])
    else:
        await asyncio.sleep(0.2)  # so little may not have come to the disk yet
    await end(writer)

    await eventually(lambda: not left()[0])
    assert left() == ([], [])
    assert (await api.get("/api/media", editor)).json["items"] == []


async def test_a_sender_who_falls_silent_is_cut_off(api, editor, workspace, left, monkeypatch):
    monkeypatch.setattr(uploads, "IDLE_SECONDS", 1)
    body, content_type = form(samples.image_bytes() + bytes(3_000_000), fields={"workspaceId": workspace})
    reader, writer = await begin(api, editor, len(body), content_type)
    writer.write(body[:2_000_000])

    with suppress(ConnectionResetError):  # some of it was not read yet when the server hung up
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    await end(writer)
    await eventually(lambda: not left()[0])
    assert left() == ([], [])
