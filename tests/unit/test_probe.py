"""The worker that opens strangers' files: what it makes of good ones, and what it refuses."""

import asyncio
import os
import zipfile
from pathlib import Path

import av
import psutil
import pytest
from PIL import Image, ImageChops, ImageOps
from PIL.PngImagePlugin import PngInfo

from core.errors import Invalid, StorageFull, Unavailable, UnsupportedType
from models.storage import probe as probing
from models.storage.probe import Prober
from tests import samples


@pytest.fixture
def probe(tmp_path):
    """Return a function from bytes or a path to what the worker says."""

    def run(content, mode="probe", prober=None):
        source = content if isinstance(content, Path) else tmp_path / "source"
        if isinstance(content, bytes):
            source.write_bytes(content)
        folder = tmp_path / f"folder{len(list(tmp_path.iterdir()))}"
        folder.mkdir()

        async def job():
            return await getattr(prober or Prober(), mode)(source, folder)

        return asyncio.run(job())

    return run


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_an_image_is_measured_and_gets_a_thumbnail(probe, kind):
    found = probe(samples.image_bytes(kind, width=640, height=360))

    assert (found.type, found.content_type) == ("image", f"image/{kind.lower()}")
    assert (found.width, found.height, found.duration_ms) == (640, 360, None)
    assert found.bytes == found.path.stat().st_size
    with Image.open(found.thumbnail_path) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (320, 180))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_place_and_maker_are_gone_but_the_picture_stands_as_before(probe, kind):
    original = samples.image_bytes(kind, exif=samples.exif(orientation=6))
    assert samples.MAKER.encode() in original

    found = probe(original)

    served = found.path.read_bytes()
    assert samples.MAKER.encode() not in served
    with Image.open(found.path) as image:
        assert not image.getexif().get_ifd(0x8825)
        shown = ImageOps.exif_transpose(image)
        assert shown.size == (found.width, found.height) == (360, 640)
        assert shown.convert("L").getpixel((350, 10)) > 240  # the white corner, now at the upper right


def test_a_jpeg_keeps_every_pixel_and_its_color_profile(probe, tmp_path):
    original = samples.image_bytes(
        exif=samples.exif(), icc_profile=b"a profile" * 20, comment=b"secret note", quality=70
    )

    found = probe(original)

    (tmp_path / "before").write_bytes(original)
    with Image.open(tmp_path / "before") as before, Image.open(found.path) as after:
        assert ImageChops.difference(before, after).getbbox() is None
        assert after.info["icc_profile"] == b"a profile" * 20
    assert b"secret note" not in found.path.read_bytes()


def test_text_and_comments_are_taken_out_of_png_and_gif(probe):
    notes = PngInfo()
    notes.add_text("Location", "52.52,13.40 secret")
    notes.add_itxt("XML:com.adobe.xmp", "secret")

    assert b"secret" not in probe(samples.image_bytes("PNG", pnginfo=notes)).path.read_bytes()
    assert b"secret" not in probe(samples.image_bytes("GIF", comment=b"secret")).path.read_bytes()
    assert b"secret" not in probe(samples.image_bytes("WEBP", xmp=b"secret")).path.read_bytes()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_a_moving_image_keeps_its_frames_and_their_timing(probe, kind):
    found = probe(samples.animation(kind, frames=3))

    with Image.open(found.path) as image:
        image.seek(2)
        image.load()  # WebP knows the timing only then
        assert (image.n_frames, image.info["duration"]) == (3, 200)


def test_the_same_content_with_other_metadata_has_the_same_hash(probe):
    here, there = samples.exif(), samples.exif()
    there[0x010F] = "Another camera"

    assert probe(samples.image_bytes(exif=here)).sha256 == probe(samples.image_bytes(exif=there)).sha256


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_image_over_3840_pixels_is_served_as_a_rendition(probe, kind):
    found = probe(samples.image_bytes(kind, width=5000, height=2500))

    assert (found.width, found.height, found.content_type) == (3840, 1920, f"image/{kind.lower()}")
    with Image.open(found.path) as image:
        assert image.size == (3840, 1920)


def test_a_moving_image_over_3840_pixels_still_moves(probe):
    found = probe(samples.animation("GIF", frames=2, width=4000, height=100))

    with Image.open(found.path) as image:
        assert (image.format, image.size, image.n_frames) == ("WEBP", (3840, 96), 2)
        image.seek(1)
        image.load()
        assert (found.content_type, image.info["duration"]) == ("image/webp", 200)


def test_odd_color_modes_get_thumbnails_too(probe):
    for kind, mode in (("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "P"), ("PNG", "LA"), ("PNG", "1")):
        with Image.open(probe(samples.image_bytes(kind, mode=mode)).thumbnail_path) as thumbnail:
            assert thumbnail.convert("L").getpixel((5, 5)) > 200


def test_sixteen_bits_of_gray_become_eight_where_pixels_are_made_anew(probe, tmp_path):
    Image.new("I;16", (4000, 40), 60_000).save(tmp_path / "deep.png")

    found = probe(tmp_path / "deep.png")

    for path in (found.path, found.thumbnail_path):
        with Image.open(path) as image:
            assert 230 < image.convert("L").getpixel((5, 0)) < 238  # 60000 / 256 is 234


def test_a_very_tall_image_gets_a_thumbnail_of_a_sane_height(probe):
    with Image.open(probe(samples.image_bytes("PNG", width=10, height=3000)).thumbnail_path) as thumbnail:
        assert thumbnail.height == 1280


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [
        ("film.mp4", "libx264", "aac"),
        ("film.mp4", "libsvtav1", None),
        ("film.webm", "libvpx-vp9", "libopus"),
        ("film.webm", "libvpx", None),
    ],
)
def test_a_video_is_measured_and_gets_a_poster_frame(probe, tmp_path, name, codec, sound):
    path = samples.video(tmp_path / name, codec, seconds=1.5, sound=sound, color=(200, 30, 30))

    found = probe(path)

    assert (found.type, found.width, found.height, found.duration_ms) == ("video", 320, 180, 1500)
    with Image.open(found.thumbnail_path) as poster:
        red, green, _ = poster.convert("RGB").getpixel((160, 90))
        assert (poster.size, red > 150, green < 80) == ((320, 180), True, True)
    with av.open(str(found.path)) as served:
        assert [s.type for s in served.streams] == ["video"] + (["audio"] if sound else [])
        assert sum(1 for _ in served.decode(video=0)) == 15


@pytest.mark.parametrize(("name", "codec"), [("film.mp4", "libx264"), ("film.webm", "libvpx-vp9")])
def test_a_video_loses_its_metadata_and_is_the_same_each_time(probe, tmp_path, name, codec):
    path = samples.video(tmp_path / name, codec, metadata={"title": "secret", "location": "+52.5200+013.4050/"})
    assert b"+52.5200" in path.read_bytes()

    first, second = probe(path), probe(path)

    served = first.path.read_bytes()
    assert b"+52.5200" not in served
    assert b"secret" not in served
    assert first.sha256 == second.sha256
    if name.endswith("mp4"):
        assert served.index(b"moov") < served.index(b"mdat")  # it can start before it is all there


def test_a_live_recording_without_length_or_index_gets_both(probe, tmp_path):
    path = samples.video(tmp_path / "film.webm", "libvpx-vp9", seconds=2, live="1")
    with av.open(str(path)) as raw:
        assert raw.duration is None

    found = probe(path)

    assert found.duration_ms == 2000
    with av.open(str(found.path)) as served:
        assert abs(served.duration - 2_000_000) < 200_000


def test_a_video_that_was_held_upright_is_measured_as_shown(probe, tmp_path):
    path = samples.video(tmp_path / "film.mp4", width=320, height=180)
    raw = bytearray(path.read_bytes())
    matrix = raw.index(b"tkhd") + 44
    turned = [0, 1 << 16, 0, -(1 << 16) & 0xFFFFFFFF, 0, 0, 180 << 16, 0, 1 << 30]
    raw[matrix : matrix + 36] = b"".join(n.to_bytes(4, "big") for n in turned)
    path.write_bytes(raw)

    found = probe(path)

    assert (found.width, found.height) == (180, 320)
    with Image.open(found.thumbnail_path) as poster:
        assert poster.height > poster.width
    with av.open(str(found.path)) as served:
        assert next(served.decode(video=0)).rotation % 180 == 90


def test_the_poster_is_not_the_black_opening(probe, tmp_path):
    with Image.open(probe(samples.video(tmp_path / "film.mp4", seconds=4)).thumbnail_path) as poster:
        assert poster.convert("L").getpixel((160, 90)) > 48  # the first frame's is 40


SVG = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
HTML = b"<!doctype html><script>alert(1)</script>"


@pytest.mark.parametrize(
    "content",
    [SVG, HTML, b"", b"\xff", b"%PDF-1.7\n", b"PK\x03\x04", b"MZ" + bytes(100), b"#!/bin/sh\n", b"RIFF\0\0\0\0WAVEfmt "]
    + [b"\0\0\0\x18ftyp" + brand + bytes(4) + brand * 2 for brand in (b"heic", b"avif", b"M4A ", b"qt  ")]
    + [b"#EXTM3U\nfile:///etc/passwd\n", b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska"],
)
def test_all_else_is_refused_by_its_content(probe, content):
    with pytest.raises(UnsupportedType):
        probe(content + HTML)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_cut_image_is_refused(probe, kind, part):
    whole = samples.image_bytes(kind)
    with pytest.raises((Invalid, UnsupportedType)):
        probe(whole[: int(len(whole) * part)])


@pytest.mark.parametrize(("name", "codec"), [("film.mp4", "libx264"), ("film.webm", "libvpx-vp9")])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_cut_video_is_refused(probe, tmp_path, name, codec, part):
    whole = samples.video(tmp_path / name, codec).read_bytes()
    with pytest.raises(Invalid):
        probe(whole[: int(len(whole) * part)])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_the_second_half_of_a_polyglot_is_dropped(probe, tmp_path, kind):
    path = tmp_path / "polyglot"
    path.write_bytes(samples.image_bytes(kind))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("index.html", HTML)

    found = probe(path.read_bytes())

    assert zipfile.is_zipfile(path)
    assert not zipfile.is_zipfile(found.path)
    assert b"<script>" not in found.path.read_bytes()


@pytest.mark.parametrize("start", [b"GIF89a", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\0\0\0WEBP"])
def test_markup_behind_an_image_s_first_bytes_is_refused(probe, start):
    with pytest.raises(Invalid):
        probe(start + b"/*" + HTML * 10)


def test_markup_behind_a_video_s_first_bytes_is_refused(probe):
    for start in (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", b"\x1a\x45\xdf\xa3\x93\x42\x82\x84webm"):
        with pytest.raises(Invalid):
            probe(start + HTML * 200)


def test_more_than_100_megapixels_are_refused_before_they_are_decoded(probe):
    with pytest.raises(Invalid, match="100 are taken"):
        probe(samples.png_that_claims(20_000, 20_000))
    with pytest.raises(Invalid, match="100 are taken"):
        probe(samples.png_that_claims(2_000_000_000, 2_000_000_000))


def test_a_bomb_of_frames_is_refused(probe):
    frame = samples.image_bytes("GIF", width=5000, height=4000)
    body = frame[13 + (3 << ((frame[10] & 7) + 1)) : -1]
    with pytest.raises(Invalid, match="too much"):
        probe(frame[:-1] + body * 120 + b"\x3b")


def test_a_video_without_a_picture_is_refused_with_a_reason(probe, tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w", format="mp4") as out:
        tone = out.add_stream("aac", rate=48000)
        samples._silence(out, tone, 1)
    with pytest.raises(Invalid, match="no picture"):
        probe(path)


def test_a_thumbnail_alone_leaves_the_file_as_it_is(probe, tmp_path):
    original = samples.image_bytes(exif=samples.exif(orientation=6))

    found = probe(original, mode="thumbnail")

    assert found.path.read_bytes() == original
    assert (found.width, found.height, found.bytes) == (360, 640, len(original))
    with Image.open(found.thumbnail_path) as thumbnail:
        assert thumbnail.width == 320
    film = probe(samples.video(tmp_path / "film.webm", "libvpx-vp9"), mode="thumbnail")
    assert (film.type, film.duration_ms) == ("video", 1000)


def test_a_worker_that_takes_too_long_is_ended_and_none_is_left(probe):
    with pytest.raises(Invalid, match="could not be read"):
        probe(samples.image_bytes("PNG", width=9000, height=9000), prober=Prober(seconds=0.05))
    assert workers() == []


@pytest.fixture
def endless(tmp_path):
    """A source that nobody writes: who works on it is at it until it is ended."""
    os.mkfifo(tmp_path / "source")
    return tmp_path / "source"


def test_a_caller_that_goes_away_takes_its_worker_along(tmp_path, endless):
    async def job():
        task = asyncio.create_task(Prober().probe(endless, tmp_path))
        while not workers():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(job())
    assert workers() == []


def test_a_worker_that_is_killed_refuses_the_file(tmp_path, endless):
    async def job():
        task = asyncio.create_task(Prober().probe(endless, tmp_path))
        while not (alive := workers()):
            await asyncio.sleep(0.01)
        alive[0].kill()
        with pytest.raises(Invalid, match="could not be read"):
            await task

    asyncio.run(job())


def test_a_worker_that_cannot_start_is_no_fault_of_the_file(probe, monkeypatch, tmp_path):
    monkeypatch.setattr(probing, "ROOT", tmp_path)
    with pytest.raises(Unavailable):
        probe(samples.image_bytes())


def test_two_work_at_once_and_the_third_waits(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.write_bytes(samples.image_bytes("PNG"))
    work, active, most = probing._work, 0, 0

    async def counted(*given):
        nonlocal active, most
        active += 1
        most = max(most, active)
        try:
            return await work(*given)
        finally:
            active -= 1

    async def job():
        prober = Prober()
        folders = [tmp_path / str(i) for i in range(5)]
        for folder in folders:
            folder.mkdir()
        found = await asyncio.gather(*[prober.probe(source, folder) for folder in folders])
        assert len({each.sha256 for each in found}) == 1

    monkeypatch.setattr(probing, "_work", counted)
    asyncio.run(job())
    assert most == 2


def test_the_worker_gets_no_secrets(tmp_path, endless, monkeypatch):
    monkeypatch.setenv("MARQUEE_SECRET_KEY", "do not tell")
    seen = {}

    async def job():
        task = asyncio.create_task(Prober().probe(endless, tmp_path))
        while not (alive := workers()):
            await asyncio.sleep(0.005)
        seen.update(alive[0].environ())
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(job())
    assert "MARQUEE_SECRET_KEY" not in seen
    assert "LANG" in seen


def test_a_full_disk_is_told_as_such(probe, monkeypatch):
    monkeypatch.setattr(probing, "_work", _disk_full)
    with pytest.raises(StorageFull):
        probe(samples.image_bytes())


async def _disk_full(*_):
    return {"wrong": {"kind": "full", "detail": "The server's storage is full."}}


def workers():
    """Return the worker processes of this one that are alive."""
    found = []
    for child in psutil.Process(os.getpid()).children():
        try:
            if "models.storage.worker" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found
