"""Real media, made on the spot: images by Pillow, videos by FFmpeg's encoders."""

import io
import os
import zlib
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageDraw
from PIL.TiffImagePlugin import IFDRational

GPS = {
    1: "N",
    2: (IFDRational(52), IFDRational(31), IFDRational(12)),
    3: "E",
    4: (IFDRational(13), IFDRational(24), IFDRational(18)),
}
MAKER = "Kilroy Cameras 4711"


def picture(width=640, height=360, color="teal", mode="RGB"):
    """Return a picture whose upper left corner is white, so that turning it shows."""
    image = Image.new("RGB", (width, height), color)
    ImageDraw.Draw(image).rectangle((0, 0, width // 4, height // 4), fill="white")
    return image.convert(mode)


def exif(orientation=1):
    """Return Exif with a maker, a place and an orientation."""
    block = Image.Exif()
    block[0x010F] = MAKER
    block[0x0112] = orientation
    block.get_ifd(0x8825).update(GPS)
    return block


def image_bytes(kind="JPEG", width=640, height=360, color="teal", mode="RGB", **options):
    """Return an image file's bytes."""
    out = io.BytesIO()
    picture(width, height, color, mode).save(out, kind, **options)
    return out.getvalue()


def animation(kind="GIF", frames=3, width=64, height=48, **options):
    """Return a moving image's bytes."""
    out = io.BytesIO()
    images = [picture(width, height, color) for color in ("red", "green", "blue", "black")[:frames]]
    images[0].save(out, kind, save_all=True, append_images=images[1:], duration=200, loop=0, **options)
    return out.getvalue()


def video(
    path: Path,
    codec="libx264",
    seconds=1.0,
    width=320,
    height=180,
    sound=None,
    metadata=None,
    rate=10,
    color=None,
    **options,
):
    """Write a video; its picture goes from dark to light, or is all of one `color`."""
    options |= {"movflags": "+use_metadata_tags"} if path.suffix == ".mp4" else {}
    with _scheduling_kept(), av.open(str(path), "w", options=options) as out:
        out.metadata.update(metadata or {})
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        count = round(seconds * rate)
        tone = out.add_stream(sound, rate=48000) if sound else None
        for i in range(count):
            shade = color or (i * 200 // count + 40,) * 3
            frame = av.VideoFrame.from_image(Image.new("RGB", (width, height), shade))
            frame.pts, frame.time_base = i, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if tone is not None:
            _silence(out, tone, seconds)
    return path


@contextmanager
def _scheduling_kept():
    """Undo what SVT-AV1 does to whoever calls it as root: the calling thread becomes SCHED_FIFO with priority 99.

    All that it starts afterwards is so too, and two busy browsers of that kind leave the rest 5 % of the machine.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def _silence(out, stream, seconds):
    size = stream.codec_context.frame_size or 960
    for i in range(int(seconds * 48000 / size)):
        frame = av.AudioFrame(format=stream.codec_context.format.name, layout="stereo", samples=size)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = 48000, i * size, Fraction(1, 48000)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def png_that_claims(width, height):
    """Return a PNG whose header promises more than it holds: a few hundred bytes for gigabytes."""

    def chunk(name, body):
        return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def noise(side, spread):
    """Return a square PNG that does not compress: about `side` squared bytes."""
    out = io.BytesIO()
    Image.effect_noise((side, side), spread).save(out, "PNG")
    return out.getvalue()
