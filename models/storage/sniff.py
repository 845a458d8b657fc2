"""What a file is, told from its first bytes alone: neither its name nor its sender's word counts."""

from dataclasses import dataclass

HEAD_BYTES = 64  # what `sniff` looks at: EBML's document type is the farthest thing in it

# Brands of ISO media files that are films for browsers. Images (heic, avif), QuickTime and audio have others.
_MP4_BRANDS = {
    b"isom",
    b"iso2",
    b"iso4",
    b"iso5",
    b"iso6",
    b"iso8",
    b"mp41",
    b"mp42",
    b"avc1",
    b"dash",
    b"M4V ",
    b"MSNV",
}
_EBML = b"\x1a\x45\xdf\xa3"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of media that Marquee takes: `type` is `image` or `video`, `ext` has no dot."""

    type: str
    content_type: str
    ext: str


JPEG = Kind("image", "image/jpeg", "jpg")
PNG = Kind("image", "image/png", "png")
WEBP = Kind("image", "image/webp", "webp")
GIF = Kind("image", "image/gif", "gif")
MP4 = Kind("video", "video/mp4", "mp4")
WEBM = Kind("video", "video/webm", "webm")
KINDS = {kind.ext: kind for kind in (JPEG, PNG, WEBP, GIF, MP4, WEBM)}


def sniff(head: bytes) -> Kind | None:
    """Return the kind of a file that starts with `head` (HEAD_BYTES of it), or None for anything else."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        return MP4 if _brands(head) & _MP4_BRANDS and head[8:12] != b"qt  " else None
    if head.startswith(_EBML):
        return WEBM if b"\x42\x82\x84webm" in head else None
    return None


def audio_type(head: bytes) -> str | None:
    """Return the content type of sound that starts with `head`, or None for what is not plainly sound."""
    if head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1:2] in {b"\xfb", b"\xf3", b"\xf2", b"\xfa"}):
        return "audio/mpeg"
    if head.startswith(b"fLaC"):
        return "audio/flac"
    if head.startswith(b"OggS") and any(mark in head for mark in (b"OpusHead", b"\x01vorbis", b"\x7fFLAC")):
        return "audio/ogg"
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "audio/wav"
    return "audio/mp4" if head[4:8] == b"ftyp" and head[8:12] == b"M4A " else None


def _brands(head: bytes) -> set[bytes]:
    """The major brand and the compatible ones of an `ftyp` box, as far as `head` shows them."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12]} | {head[i : i + 4] for i in range(16, size - 3, 4)}
