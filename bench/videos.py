"""Videos of a given size for the benchmarks: real ones, each unlike any other."""

import secrets
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image

WIDTH, HEIGHT, RATE, FRAMES = 1280, 720, 25, 8


def write(path: Path, size: int) -> Path:
    """Write an MP4 of at least `size` bytes (and less than 2 % more): noise, every frame of it a key frame."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("mpeg4", rate=RATE, options={"qscale": "2", "flags": "+qscale", "g": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        packets = []
        for number in range(FRAMES):
            noise = Image.merge("RGB", [Image.effect_noise((WIDTH, HEIGHT), 200) for _ in range(3)])
            frame = av.VideoFrame.from_image(noise)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            packets += [bytes(packet) for packet in stream.encode(frame)]
        packets += [bytes(packet) for packet in stream.encode(None)]
        written = number = 0
        while written < size:
            packet = av.Packet(packets[number % len(packets)])
            packet.stream, packet.pts, packet.dts, packet.duration = stream, number, number, 1
            packet.time_base, packet.is_keyframe = Fraction(1, RATE), True
            written += packet.size
            out.mux(packet)
            number += 1
    return path


def fresh(video: bytearray) -> bytearray:
    """Change a few bytes of one frame in the middle, so that this is another video; return it."""
    middle = len(video) // 2
    video[middle : middle + 16] = secrets.token_bytes(16)
    return video
