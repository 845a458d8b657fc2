"""Looks at an image and makes what Marquee serves of it. Runs in the worker process only (worker.py).

The picture is decoded once, in full, so that what is cut off or lies about itself is refused here and
not found out by a screen. Pixels are served untouched unless a side is over MAX_SIDE.
"""

import warnings
from pathlib import Path
from typing import Any

from PIL import Image, ImageSequence

from models.storage.sniff import WEBP, Kind
from models.storage.strip import STRIPPERS, Broken, Stripped
from models.storage.wrong import Wrong

MAX_SIDE = 3840  # no screen shows more, and a player has to hold it decoded
MAX_PIXELS = 100_000_000  # the contract's; 400 MB when decoded
MAX_MOVING_PIXELS = 2_000_000_000  # all frames together: 1,000 frames of Full HD
MAX_RESIZED_PIXELS = 200_000_000  # of a moving rendition, all frames are held at once
THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT = 320, 1280
_FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Image.MAX_IMAGE_PIXELS = None  # our own limit stands in `_check_size`, with a sentence of its own
warnings.simplefilter("ignore")  # Pillow warns of odd metadata; nobody reads a worker's stderr


def probe_image(source: Path, folder: Path, kind: Kind) -> dict[str, Any]:
    """Write `content` (stripped, at most MAX_SIDE) and `thumbnail` into `folder`; return what they are.

    The result has `content_type, ext, width, height, thumbnail_content_type`; width and height are as
    displayed. Raises Wrong.
    """
    stripped = _strip(source, kind)
    target = folder / "content"
    target.write_bytes(stripped.content)
    with Image.open(target, formats=[_FORMATS[kind.ext]]) as image:
        _check_size(image, stripped.frames)
        big = max(image.size) > MAX_SIDE
        if big and kind.ext == "jpg":
            image.draft(None, (MAX_SIDE, MAX_SIDE))  # decodes at a half or a quarter: memory for 100 megapixels
        image.load()
        make_thumbnail(_upright(image, stripped.orientation), folder / "thumbnail")
        # Browsers turn a JPEG by its Exif; not all of them turn the others, so those are turned here.
        turn = stripped.orientation != 1 and kind.ext != "jpg" and stripped.frames == 1
        if stripped.frames > 1 and big:
            kind, size = _resize_moving(image, target), _fitted(image.size)
        elif big or turn:
            size = _rewrite(image, target, kind, stripped.orientation)
        else:
            size = image.size if stripped.orientation < 5 else (image.height, image.width)
    return _result(kind, size)


def thumbnail_image(source: Path, folder: Path, kind: Kind) -> dict[str, Any]:
    """Write only `thumbnail` into `folder`, leaving the source as it is; the result is `probe_image`'s."""
    stripped = _strip(source, kind)
    scratch = folder / "scratch"
    scratch.write_bytes(stripped.content)
    with Image.open(scratch, formats=[_FORMATS[kind.ext]]) as image:
        _check_size(image, stripped.frames)
        size = image.size if stripped.orientation < 5 else (image.height, image.width)
        if kind.ext == "jpg":
            image.draft(None, (THUMBNAIL_HEIGHT, THUMBNAIL_HEIGHT))
        image.load()
        make_thumbnail(_upright(image, stripped.orientation), folder / "thumbnail")
    scratch.unlink()
    return _result(kind, size)


def make_thumbnail(image: Image.Image, target: Path) -> None:
    """Write a WebP that is THUMBNAIL_WIDTH wide, or narrower where that would be absurdly tall."""
    scale = min(THUMBNAIL_WIDTH / image.width, THUMBNAIL_HEIGHT / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = _plain(image).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    small.save(target, "WEBP", quality=75, method=4, icc_profile=_profile(image))


def _strip(source: Path, kind: Kind) -> Stripped:
    try:
        return STRIPPERS[kind.ext](source.read_bytes())
    except (Broken, IndexError) as e:
        raise Wrong("invalid", f"This {kind.ext.upper()} {e if isinstance(e, Broken) else 'is cut off'}.") from e


def _check_size(image: Image.Image, frames: int) -> None:
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise Wrong("invalid", f"The image has {pixels / 1e6:.0f} megapixels; at most {MAX_PIXELS // 10**6} are taken.")
    if pixels * frames > MAX_MOVING_PIXELS and frames > 1:
        raise Wrong("invalid", f"The animation's {frames} frames of {image.width} x {image.height} are too much.")


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation != 1 else image


def _fitted(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, MAX_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _rewrite(image: Image.Image, target: Path, kind: Kind, orientation: int) -> tuple[int, int]:
    """Write the image upright and fitted, in its own format, with its color profile; return its size."""
    profile = _profile(image, keep_cmyk=kind.ext == "jpg")
    plain = (
        image if image.mode in {"L", "RGB", "RGBA"} or (kind.ext == "jpg" and image.mode == "CMYK") else _plain(image)
    )
    small = _upright(plain.resize(_fitted(image.size), Image.Resampling.LANCZOS, reducing_gap=3.0), orientation)
    options = {"jpg": {"quality": 90}, "webp": {"quality": 90, "method": 4}}.get(kind.ext, {})
    small.save(target, _FORMATS[kind.ext], icc_profile=profile, **options)
    return small.size


def _resize_moving(image: Image.Image, target: Path) -> Kind:
    """Write a moving image fitted, as WebP with the same timing."""
    size = _fitted(image.size)
    count = getattr(image, "n_frames", 1)
    if size[0] * size[1] * count > MAX_RESIZED_PIXELS:
        raise Wrong("invalid", f"An animation over {MAX_SIDE} px on a side may not have this many frames.")
    frames, durations = [], []
    for frame in ImageSequence.Iterator(image):
        frame.load()  # WebP knows a frame's duration only then
        durations.append(int(frame.info.get("duration", 100)))
        frames.append(_plain(frame).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))
    loop = int(image.info.get("loop", 1))
    frames[0].save(
        target, "WEBP", save_all=True, append_images=frames[1:], duration=durations, loop=loop, quality=85, method=2
    )
    return WEBP


def _plain(image: Image.Image) -> Image.Image:
    """Return the image as RGB, or as RGBA where it is transparent: what resizing and WebP can work with."""
    if image.mode.startswith(("I", "F")):
        return image.convert("I").point([i // 256 for i in range(65536)], "L").convert("RGB")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _profile(image: Image.Image, *, keep_cmyk: bool = False) -> bytes | None:
    """Return the color profile, if it still describes the pixels after they became RGB."""
    if image.mode.startswith(("I", "F")) or (image.mode == "CMYK" and not keep_cmyk):
        return None
    profile = image.info.get("icc_profile")
    return profile if isinstance(profile, bytes) else None


def _result(kind: Kind, size: tuple[int, int]) -> dict[str, Any]:
    return {
        "type": kind.type,
        "content_type": kind.content_type,
        "ext": kind.ext,
        "width": size[0],
        "height": size[1],
        "duration_ms": None,
        "thumbnail_content_type": "image/webp",
    }
