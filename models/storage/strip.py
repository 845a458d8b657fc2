"""Takes out of images what says where, when and by whom they were made, without touching a pixel.

Each container is walked piece by piece and only what is needed to show the image is kept: an allow-list,
so an unknown place to hide a position is dropped too, as is anything that follows the image's end (the
second half of a polyglot). Color profiles stay; of Exif only the orientation stays, in `Stripped`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in a scan: FF00 is a stuffed byte, D0-D7 restart it
_PNG_KEEP = set("IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP sBIT bKGD pHYs acTL fcTL fdAT".split())
_WEBP_KEEP = {b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ICCP"}
_GIF_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


class Broken(Exception):
    """The bytes are not the image that they claim to be, or not all of it."""


@dataclass(frozen=True, slots=True)
class Stripped:
    """An image without its metadata; `orientation` is Exif's (1 to 8), `frames` is more than 1 when it moves."""

    content: bytes
    orientation: int = 1
    frames: int = 1


def strip_jpeg(content: bytes) -> Stripped:
    """Keep the picture, its ICC profile and Adobe's color mark; orientation stays as an Exif block of one tag."""
    kept, orientation, pos = [], 1, 2
    while True:
        marker, start, end = _jpeg_segment(content, pos)
        body = content[start + 2 : end]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation = _orientation(body[6:])
        elif _jpeg_keeps(marker, body):
            kept.append(content[start - 2 : end])
        pos = end
        if marker == 0xD9:
            break
        if marker == 0xDA:
            found = _NEXT_MARKER.search(content, pos)
            if found is None:
                raise Broken("is cut off")
            kept.append(content[pos : found.start()])
            pos = found.start()
    turned = b"\xff\xe1\x00\x22Exif\0\0" + _tiff(orientation) if orientation != 1 else b""
    return Stripped(b"\xff\xd8" + turned + b"".join(kept), orientation)


def _jpeg_segment(content: bytes, pos: int) -> tuple[int, int, int]:
    """Return the marker at `pos`, where its length field stands, and where its segment ends."""
    if content[pos : pos + 1] != b"\xff":
        raise Broken("is no JPEG all the way through")
    while content[pos + 1 : pos + 2] == b"\xff":  # fill bytes
        pos += 1
    if pos + 2 > len(content):
        raise Broken("is cut off")
    marker = content[pos + 1]
    if marker == 0xD9 or 0xD0 <= marker <= 0xD7 or marker == 0x01:
        return marker, pos + 2, pos + 2
    size = int.from_bytes(content[pos + 2 : pos + 4], "big")
    if size < 2 or pos + 2 + size > len(content):
        raise Broken("is cut off")
    return marker, pos + 2, pos + 2 + size


def _jpeg_keeps(marker: int, body: bytes) -> bool:
    if marker == 0xE0:
        return body.startswith(b"JFIF\0") and len(body) == 14  # longer ones carry a thumbnail
    if marker == 0xE2:
        return body.startswith(b"ICC_PROFILE\0")
    if marker == 0xEE:
        return body.startswith(b"Adobe")
    return not (0xE0 <= marker <= 0xEF or marker == 0xFE)


def strip_png(content: bytes) -> Stripped:
    """Keep what shows the picture (and APNG's frames); text, Exif, times and unknown chunks go."""
    kept, orientation, frames, pos = [content[:8]], 1, 0, 8
    name = ""
    while name != "IEND":
        size = int.from_bytes(content[pos : pos + 4], "big")
        name, end = content[pos + 4 : pos + 8].decode("latin-1"), pos + 12 + size
        if end > len(content) or len(name) < 4:
            raise Broken("is cut off")
        if name == "eXIf":
            orientation = _orientation(content[pos + 8 : end - 4])
        elif name in _PNG_KEEP:
            kept.append(content[pos:end])
            frames += name == "fcTL"
        pos = end
    return Stripped(b"".join(kept), orientation, max(frames, 1))


def strip_webp(content: bytes) -> Stripped:
    """Keep picture, frames and ICC profile; Exif, XMP and unknown chunks go, and their flags with them."""
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        raise Broken("is cut off")
    kept, orientation, frames = [], 1, 0
    for name, body in _riff(content[12:end]):
        if name == b"EXIF":
            orientation = _orientation(body.removeprefix(b"Exif\0\0"))
        elif name == b"VP8X":
            kept.append(_chunk(name, bytes([body[0] & ~0x0C]) + body[1:]))  # 0x08 Exif, 0x04 XMP
        elif name == b"ANMF":
            frames += 1
            inner = b"".join(_chunk(n, b) for n, b in _riff(body[16:]) if n in _WEBP_KEEP)
            kept.append(_chunk(name, body[:16] + inner))
        elif name in _WEBP_KEEP:
            kept.append(_chunk(name, body))
    inside = b"WEBP" + b"".join(kept)
    return Stripped(b"RIFF" + len(inside).to_bytes(4, "little") + inside, orientation, max(frames, 1))


def _riff(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    pos = 0
    while pos + 8 <= len(content):
        name, size = content[pos : pos + 4], int.from_bytes(content[pos + 4 : pos + 8], "little")
        if pos + 8 + size > len(content) or (name == b"VP8X" and size < 10):
            raise Broken("is cut off")
        yield name, content[pos + 8 : pos + 8 + size]
        pos += 8 + size + (size & 1)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) & 1)


def strip_gif(content: bytes) -> Stripped:
    """Keep frames, their timing and the loop count; comments, XMP, plain text and unknown extensions go."""
    if len(content) < 13:
        raise Broken("is cut off")
    pos = 13 + _color_table(content[10])
    kept, frames = [content[:pos]], 0
    while True:
        kind = content[pos : pos + 1]
        if kind == b"\x3b":
            kept.append(kind)
            return Stripped(b"".join(kept), 1, max(frames, 1))
        if kind == b"\x2c" and pos + 10 < len(content):
            end = _gif_blocks(content, pos + 10 + _color_table(content[pos + 9]) + 1)
            frames += 1
        elif kind == b"\x21":
            end = _gif_blocks(content, pos + 2)
            label, body = content[pos + 1 : pos + 2], content[pos + 3 : pos + 14]
            if not (label == b"\xf9" or (label == b"\xff" and body in _GIF_LOOPS)):
                pos = end
                continue
        else:
            raise Broken("is no GIF all the way through, or cut off")
        kept.append(content[pos:end])
        pos = end


def _color_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(content: bytes, pos: int) -> int:
    """Return where the sub-blocks that begin at `pos` have ended."""
    while True:
        if pos >= len(content):
            raise Broken("is cut off")
        size = content[pos]
        pos += 1 + size
        if size == 0:
            return pos


def _orientation(tiff: bytes) -> int:
    """Read the orientation of an Exif block; anything unreadable counts as upright."""
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(tiff[:4])
    if order is None:
        return 1

    def number(pos: int, size: int) -> int:
        return int.from_bytes(tiff[pos : pos + size], "little" if order == "little" else "big")

    first = number(4, 4)
    for i in range(min(number(first, 2), 256)):
        entry = first + 2 + 12 * i
        if number(entry, 2) == 0x0112:
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1


def _tiff(orientation: int) -> bytes:
    """An Exif block that holds the orientation and nothing else (26 bytes)."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2, "big") + b"\0\0"
    return b"MM\0*\x00\x00\x00\x08\x00\x01" + entry + b"\0\0\0\0"


STRIPPERS = {"jpg": strip_jpeg, "png": strip_png, "webp": strip_webp, "gif": strip_gif}
