"""The bytes of media on local storage: whole, in part, and only to whoever holds a signed address."""

import asyncio
import re
from datetime import timedelta

import psutil
import pytest

from tests import samples
from tests.promptness import eventually
from tests.uploads import end, upload


@pytest.fixture
def film(io_loop, api, editor, workspace, tmp_path):
    """A video's media and the bytes that are served of it."""

    async def make():
        content = samples.video(tmp_path / "film.mp4", seconds=3, rate=25).read_bytes()
        media = (await upload(api, content, editor, "film.mp4", workspaceId=workspace)).json
        return media, (await api.get(media["url"])).body

    return io_loop.run_sync(make)


async def test_content_comes_with_headers_that_keep_it_what_it_is(api, film):
    media, content = film

    reply = await api.get(media["url"])

    assert len(content) == media["bytes"]
    assert re.fullmatch(rf"/media/{media['sha256']}\.mp4\?exp=\d+&sig=[\w-]+", media["url"])
    assert reply.headers["Content-Type"] == "video/mp4"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'; sandbox")
    assert reply.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert reply.headers["Content-Length"] == str(media["bytes"])
    max_age = int(re.fullmatch(r"private, immutable, max-age=(\d+)", reply.headers["Cache-Control"])[1])
    assert 7 * 86_400 <= max_age <= 14 * 86_400


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=100-", 100, None), ("bytes=-50", -50, None), ("bytes=10-99999999", 10, None)],
)
async def test_a_range_is_served_in_part(api, film, asked, first, last):
    media, content = film

    reply = await api.get(media["url"], headers={"Range": asked})

    expected = content[first:] if last is None else content[first : last + 1]
    begin = first if first >= 0 else len(content) + first
    assert (reply.status, reply.body) == (206, expected)
    assert reply.headers["Content-Range"] == f"bytes {begin}-{begin + len(expected) - 1}/{len(content)}"
    assert reply.headers["Content-Length"] == str(len(expected))


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "bytes=a-b", "chunks=0-1", "bytes=0-1,5-6", "bytes=٣-4"])
async def test_an_odd_range_gets_everything(api, film, asked):
    media, content = film

    reply = await api.get(media["url"], headers={"Range": asked.encode().decode("latin-1")})

    assert (reply.status, reply.body) == (200, content)


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
async def test_a_range_behind_the_end_is_416(api, film, asked):
    reply = await api.get(film[0]["url"], headers={"Range": asked})

    assert (reply.status, reply.code) == (416, "range_not_satisfiable")
    assert reply.headers["Content-Range"] == f"bytes */{film[0]['bytes']}"


async def test_what_is_held_already_is_not_sent_again(api, film):
    media, content = film
    tag = (await api.get(media["url"])).headers["ETag"]

    held = await api.get(media["url"], headers={"If-None-Match": tag})
    other = await api.get(media["url"], headers={"If-None-Match": '"other"'})
    same = await api.get(media["url"], headers={"Range": "bytes=0-9", "If-Range": tag})
    changed = await api.get(media["url"], headers={"Range": "bytes=0-9", "If-Range": '"other"'})

    assert (held.status, held.body, held.headers["ETag"]) == (304, b"", tag)
    assert (other.status, other.body) == (200, content)
    assert (same.status, same.body) == (206, content[:10])
    assert (changed.status, changed.body) == (200, content)


async def test_head_says_how_much_there_is(api, film):
    reply = await api.ask("HEAD", film[0]["url"])

    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["Content-Length"] == str(film[0]["bytes"])
    options = await api.ask("OPTIONS", film[0]["url"])
    assert (options.status, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    refused = await api.ask("DELETE", film[0]["url"])
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_only_a_whole_and_unaltered_address_opens(api, film):
    url = film[0]["url"]
    path, _, query = url.partition("?")
    for wrong in (
        path,
        url[:-1],
        url + "A",
        url + "&x=1",
        url + "&sig=x",
        url.replace("exp=1", "exp=2"),
        f"{path.replace('mp4', 'webm')}?{query}",
        f"/media/thumbs/{film[0]['sha256']}.webp?{query}",
    ):
        reply = await api.get(wrong)
        assert (reply.status, reply.code) == (403, "forbidden"), wrong
    for wrong in ("/media/", "/media/x", f"/media/..%2f{film[0]['sha256']}.mp4?{query}", f"/media/%00?{query}"):
        assert (await api.get(wrong)).status == 404, wrong


async def test_an_address_ends_after_its_windows(api, clock, film):
    clock.ahead = timedelta(days=6, hours=23)
    assert (await api.get(film[0]["url"])).status == 200

    clock.ahead = timedelta(days=14)
    reply = await api.get(film[0]["url"])

    assert (reply.status, reply.code) == (403, "forbidden")


async def test_a_reader_who_goes_away_leaves_no_open_file(api, editor, workspace):
    media = (await upload(api, samples.noise(3000, 90), editor, workspaceId=workspace)).json

    def open_media():
        return [file for file in psutil.Process().open_files() if media["sha256"] in file.path]

    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(f"GET {media['url']} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.read(100)
    was_open = open_media()
    await end(writer)

    await eventually(lambda: not open_media())
    assert was_open
