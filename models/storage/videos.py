"""Looks at a video and makes what Marquee serves of it. Runs in the worker process only (worker.py).

Picture and sound are copied packet by packet into a fresh container without any metadata (where and when
it was filmed, by what device, chapters, data tracks), with the index in front, so that players can start
before they have all of it. The copy is bit-exact: the same upload gives the same bytes and so the same hash.
"""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from models.storage.images import MAX_PIXELS, make_thumbnail
from models.storage.sniff import MP4, Kind
from models.storage.wrong import Wrong

# Allow-lists: what players play, and the only decoders of FFmpeg's hundreds that a stranger's file may reach.
PICTURES = {"h264", "hevc", "av1", "vp8", "vp9", "mpeg4"}
SOUNDS = {"aac", "mp3", "opus", "vorbis", "flac", "ac3", "eac3"}
_DEMUXERS = {"mp4": "mov", "webm": "matroska"}  # forced, so that nothing is taken for a playlist of other files
_SEGMENT = b"\x18\x53\x80\x67"
POSTER_AT = 3.0  # seconds at most, or a tenth of the video: openings are often black
POSTER_FRAMES = 100  # decoded at most on the way to the poster


def probe_video(source: Path, folder: Path, kind: Kind) -> dict[str, Any]:
    """Write `content` (remuxed) and `thumbnail` (the poster frame) into `folder`; return what they are.

    The result is that of `images.probe_image`; `duration_ms` is the picture's length. Raises Wrong.
    """
    (_check_boxes if kind is MP4 else _check_segment)(source)
    try:
        with ThreadPoolExecutor(1) as beside:  # FFmpeg works without the interpreter's lock: two cores are used
            poster = beside.submit(_poster, source, folder / "thumbnail", kind)
            length = _remux(source, folder / "content", kind)
            size = poster.result()
    except av.error.FFmpegError as e:
        if isinstance(e, OSError) and e.errno == 28:  # ENOSPC
            raise Wrong("full", "The server's storage is full.") from e
        raise Wrong("invalid", f"This {kind.ext.upper()} cannot be played: it is damaged or cut off.") from e
    return _result(kind, size, length)


def thumbnail_video(source: Path, folder: Path, kind: Kind) -> dict[str, Any]:
    """Write only the poster frame into `folder`; the result is `probe_video`'s, by the container's own word."""
    try:
        size = _poster(source, folder / "thumbnail", kind)
        with _open(source, kind) as container:
            length = (container.duration or 0) / 1_000_000
    except av.error.FFmpegError as e:
        raise Wrong("invalid", f"This {kind.ext.upper()} cannot be played.") from e
    return _result(kind, size, length)


def _open(source: Path, kind: Kind) -> InputContainer:
    options = {"protocol_whitelist": "file"}
    return av.open(str(source), format=_DEMUXERS[kind.ext], options=options, metadata_errors="replace")


def _check_boxes(source: Path) -> None:
    """Refuse an MP4 whose boxes reach past the file's end: FFmpeg plays as much as there is, screens should not."""
    size, pos = source.stat().st_size, 0
    with source.open("rb") as file:
        while pos + 8 <= size:
            file.seek(pos)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            elif length == 0:
                return
            if length < 8:
                break  # junk behind the last box, which the copy leaves out
            pos += length
    if pos > size:
        raise Wrong("invalid", "This MP4 is cut off.")


def _check_segment(source: Path) -> None:
    """Refuse a WebM whose segment says that it is longer than the file (live recordings say nothing)."""
    size = source.stat().st_size
    with source.open("rb") as file:
        head = file.read(4096)
    start = head.find(_SEGMENT) + len(_SEGMENT)
    if start < len(_SEGMENT) or start >= len(head):
        raise Wrong("invalid", "This WebM is damaged or cut off.")
    width = 9 - head[start].bit_length()  # EBML: as many bytes as there are leading zeros, and one
    length = int.from_bytes(head[start : start + width], "big") & ((1 << 7 * width) - 1)
    if length != (1 << 7 * width) - 1 and start + width + length > size:
        raise Wrong("invalid", "This WebM is cut off.")


def _picture(container: InputContainer) -> VideoStream:
    """Return the stream to show (no cover art), or raise Wrong."""
    streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise Wrong("invalid", "The video has no picture.")
    stream = streams[0]
    if stream.codec_context is None or stream.codec_context.name not in PICTURES | {"libdav1d", "libvpx-vp9"}:
        raise Wrong("invalid", "The video's picture is coded in a way that players do not play: use H.264, VP9 or AV1.")
    if not 0 < stream.width * stream.height <= MAX_PIXELS:
        raise Wrong("invalid", f"The video's picture measures {stream.width} x {stream.height}, which is not taken.")
    return stream


def _poster(source: Path, target: Path, kind: Kind) -> tuple[int, int]:
    """Write the poster frame's thumbnail; return the picture's size as displayed."""
    with _open(source, kind) as container:
        stream = _picture(container)
        stream.thread_type = "NONE"
        wanted = min(POSTER_AT, (container.duration or 0) / 10_000_000)
        frame = _frame_at(container, stream, wanted)
        image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call] # PyAV's own gap
        aspect = stream.sample_aspect_ratio or Fraction(1)
        if aspect != 1:
            image = image.resize((max(1, round(image.width * aspect)), image.height))
        turn = frame.rotation % 360
        if turn:
            image = image.rotate(turn, expand=True, resample=Image.Resampling.NEAREST)
    make_thumbnail(image, target)
    return image.size


def _frame_at(container: InputContainer, stream: VideoStream, seconds: float) -> VideoFrame:
    """Return a frame from around `seconds`, or the last one there is, when the video ends before.

    Decoding begins at the key frame before `seconds`, which is taken itself unless it is of the opening.
    """
    with contextlib.suppress(av.error.FFmpegError):  # live recordings have no index to seek by
        container.seek(round(seconds * av.time_base))
    found = None
    for count, frame in enumerate(container.decode(stream)):
        found = frame
        if frame.time is None or frame.time >= seconds / 2 or count >= POSTER_FRAMES:
            break
    if found is None:
        raise Wrong("invalid", "The video has no picture that can be decoded.")
    return found


def _remux(source: Path, target: Path, kind: Kind) -> float:
    """Copy picture and sound into a fresh container; return the picture's length in seconds."""
    options = {"fflags": "+bitexact", "movflags": "+faststart"} if kind is MP4 else {"fflags": "+bitexact"}
    with _open(source, kind) as old, av.open(str(target), "w", format=kind.ext, options=options) as new:
        picture = _picture(old)
        sounds = [s for s in old.streams.audio if s.codec_context and s.codec_context.codec.canonical_name in SOUNDS]
        copies = {s.index: new.add_stream_from_template(s, opaque=True) for s in [picture, *sounds]}
        first: int | None = None
        last = 0
        for packet in old.demux([picture, *sounds]):
            if packet.dts is None:  # demux ends each stream with an empty packet
                continue
            if packet.stream is picture and packet.pts is not None:
                first = packet.pts if first is None else min(first, packet.pts)
                last = max(last, packet.pts + (packet.duration or _frame_length(picture)))
            packet.stream = copies[packet.stream.index]
            new.mux(packet)
        if first is None or picture.time_base is None:
            raise Wrong("invalid", "The video has no picture that can be played.")
        return float((last - first) * picture.time_base)


def _frame_length(picture: VideoStream) -> int:
    """Return one frame's length in the stream's time base: WebM often does not say the last one's."""
    if not picture.average_rate or not picture.time_base:
        return 0
    return round(1 / (picture.average_rate * picture.time_base))


def _result(kind: Kind, size: tuple[int, int], seconds: float) -> dict[str, Any]:
    return {
        "type": "video",
        "content_type": kind.content_type,
        "ext": kind.ext,
        "width": size[0],
        "height": size[1],
        "duration_ms": max(1, round(seconds * 1000)),
        "thumbnail_content_type": "image/webp",
    }
