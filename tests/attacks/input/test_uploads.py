"""Uploads that lie, burst or break off, through every door: the contract's refusals, and nothing is left of them."""

import asyncio
import gzip
import io
import zipfile
import zlib

import pytest
from PIL import Image, PngImagePlugin

from tests import samples
from tests.api.displays import pair
from tests.clients import PASSWORD
from tests.promptness import eventually
from tests.uploads import end, form, upload

pytestmark = pytest.mark.usefixtures("jobs_by_hand")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><html><script>alert(document.cookie)</script></html>"
DOORS = {"media": "/api/media", "file": "/api/files/upload"}


@pytest.fixture
def screenshot(io_loop, api, owner, workspace):
    """The address of a screenshot that is asked for, and the screen that may send it."""

    async def ask():
        screen = (await pair(api, owner, workspace))[0].screen
        command = await api.post(f"/api/screens/{screen.id}/commands", {"name": "screenshot"}, as_=owner)
        return f"/api/display/commands/{command.json['id']}/screenshot", screen

    return io_loop.run_sync(ask)


# --- cut off --------------------------------------------------------------------------------------------------------


async def cut_off(port, method, path, token, content_type, body, part):
    """Send the headers and so much of the body, and hang up."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: {content_type}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
    writer.write(body[: int(len(body) * part)])
    await writer.drain()
    await end(writer)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
async def test_what_is_cut_off_leaves_nothing(api, marquee, owner, screenshot, left, part):
    picture = samples.noise(1500, 80)
    body, content_type = form(picture)
    path, screen = screenshot
    before = left()

    for door in DOORS.values():
        await cut_off(api.port, "POST", door, owner.token, content_type, body, part)
    await cut_off(api.port, "PUT", path, screen.token, "image/png", picture, part)

    async def is_idle_and_clean():
        metrics = (await api.get("/metrics")).body
        return b"marquee_http_requests_in_progress 1.0" in metrics and left() == before  # the question itself

    assert await eventually(is_idle_and_clean, 30)


# --- what it is not -------------------------------------------------------------------------------------------------


MARKUP = [SVG, HTML, b"\xef\xbb\xbf" + SVG, b"<?xml version='1.0'?>" + SVG, b" \n" + HTML]


async def test_markup_is_never_media_whatever_it_is_called(api, owner, screenshot, left):
    path, screen = screenshot
    before = left()
    for content in MARKUP:
        for name, said in (("photo.png", "image/png"), ("a.svg", "image/svg+xml"), ("film.mp4", "video/mp4")):
            body, content_type = form(content, name, content_type=said)

            media = await api.post("/api/media", raw=body, as_=owner, headers={"Content-Type": content_type})
            shot = await api.put(path, as_=screen, raw=content, headers={"Content-Type": said})

            assert (media.status, media.code) == (415, "unsupported_type")
            assert (shot.status, shot.code) == (415, "unsupported_type")
    assert left() == before


async def test_markup_in_the_chat_is_only_ever_saved(api, owner):
    for content in MARKUP:
        for name in ("photo.png", "page.html", "drawing.svg", "x.xhtml", "x.svgz", "photo.png\x00.html"):
            made = await upload(api, content, owner, name, path="/api/files/upload")
            served = await api.get(made.json["url"])

            assert made.status == 201
            assert served.headers["Content-Type"] == "application/octet-stream"
            assert served.headers["Content-Disposition"].startswith("attachment;")
            assert served.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in served.headers["Content-Security-Policy"]


async def test_the_content_decides_what_it_is(api, owner):
    for content, kind in ((samples.image_bytes(), "image/jpeg"), (samples.image_bytes("PNG"), "image/png")):
        for name, said in (("a.svg", "image/svg+xml"), ("a.html", "text/html"), ("a.mp4", "video/mp4"), ("a.exe", "")):
            body, content_type = form(content, name, content_type=said)

            made = await api.post("/api/media", raw=body, as_=owner, headers={"Content-Type": content_type})

            assert (made.status, made.json["contentType"]) in {(201, kind), (200, kind)}
            assert (await api.get(made.json["url"])).headers["Content-Type"] == kind


def packed(picture):
    """Return a picture that is a ZIP archive too."""
    out = io.BytesIO(picture)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("index.html", HTML)
    return out.getvalue()


POLYGLOTS = {
    "markup behind a PNG": samples.image_bytes("PNG") + HTML,
    "markup behind a GIF": samples.image_bytes("GIF") + HTML,
    "a script in a JPEG's comment": samples.image_bytes("JPEG", comment=HTML),
    "a JPEG that is a ZIP": packed(samples.image_bytes("JPEG")),
    "a WebP that is a ZIP": packed(samples.image_bytes("WEBP")),
    "a PDF behind a JPEG": samples.image_bytes("JPEG") + b"%PDF-1.7\n" + HTML,
    "a program behind a PNG": samples.image_bytes("PNG") + b"MZ\x90\0" + HTML,
}


@pytest.mark.parametrize("path", DOORS.values(), ids=DOORS)
async def test_of_a_polyglot_only_the_picture_is_kept(api, owner, path):
    for name, content in POLYGLOTS.items():
        made = await upload(api, content, owner, "photo.html", path=path)
        assert made.status in {200, 201}, (name, made.body)  # two of them may have the same picture
        served = await api.get(made.json["url"])

        assert b"<script>" in content
        assert b"<script>" not in served.body, name
        assert not zipfile.is_zipfile(io.BytesIO(served.body)), name
        assert served.headers["Content-Type"].startswith("image/"), name
        assert served.headers["X-Content-Type-Options"] == "nosniff"
        Image.open(io.BytesIO(served.body)).load()


# --- bombs ----------------------------------------------------------------------------------------------------------


def with_text(size):
    """Return a PNG with a compressed text that is `size` bytes when it is not."""
    out, told = io.BytesIO(), PngImagePlugin.PngInfo()
    told.add_text("Comment", "x" * size, zip=True)
    samples.picture().save(out, "PNG", pnginfo=told)
    return out.getvalue()


def with_profile(size):
    """Return a PNG whose colour profile is `size` bytes when it is inflated."""
    out = io.BytesIO()
    samples.picture().save(out, "PNG", icc_profile=bytes(size))
    return out.getvalue()


def many_frames():
    """Return a GIF of 120 frames of 20 megapixels each."""
    frame = samples.image_bytes("GIF", width=5000, height=4000)
    return frame[:-1] + frame[13 + (3 << ((frame[10] & 7) + 1)) : -1] * 120 + b"\x3b"


def long_rows():
    """Return a PNG of which each row is told to be wider than all of it holds."""
    return samples.png_that_claims(100_000_000, 1)


BOMBS = {
    "too many pixels": lambda: samples.png_that_claims(20_000, 20_000),
    "far too many pixels": lambda: samples.png_that_claims(2**31 - 1, 2**31 - 1),
    "a row too long": long_rows,
    "too many frames": many_frames,
    "a text of 60 MB": lambda: with_text(60_000_000),
    "a profile of 40 MB": lambda: with_profile(40_000_000),
}


async def test_a_bomb_is_refused_or_defused(api, owner, left):
    for bomb, made in BOMBS.items():
        content = made()
        assert len(content) < 20_000_000
        for path in DOORS.values():
            before = left()
            reply = await upload(api, content, owner, "photo.png", path=path)

            if reply.status in {200, 201}:  # what was packed into it is gone
                assert reply.json["bytes"] < 100_000, bomb
            else:
                assert (reply.status, reply.code) in {(422, "invalid"), (413, "too_large")}, (bomb, reply.body)
                assert left() == before


async def test_what_is_squeezed_is_not_taken(api, owner, left):
    body, content_type = form(bytes(50_000_000))
    before = left()
    for encoding, squeezed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body)), ("br", b"\x00")):
        headers = {"Content-Type": content_type, "Content-Encoding": encoding}
        for path in (*DOORS.values(), "/api/workspaces"):
            reply = await api.post(path, raw=squeezed, as_=owner, headers=headers)
            assert (reply.status, reply.code) == (415, "unsupported_type")
    assert left() == before


async def test_an_archive_in_the_chat_is_not_looked_into_too_deeply(api, owner):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50_000_000))
        for number in range(20_000):
            archive.writestr(f"{number}", b"")

    made = await upload(api, out.getvalue(), owner, "a.zip", path="/api/files/upload")

    assert made.status == 201
    assert made.json["bytes"] == len(out.getvalue())


async def test_who_no_longer_has_a_session_uploads_nothing(api, owner, left):
    session = (await api.post("/api/auth/login", {"email": owner.email, "password": PASSWORD})).json
    await api.post("/api/auth/logout", as_=session["accessToken"])
    before = left()
    for path in DOORS.values():
        assert (await upload(api, samples.image_bytes(), session["accessToken"], path=path)).status == 401
    assert left() == before
