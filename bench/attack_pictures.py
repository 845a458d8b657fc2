"""Small pictures, each another, and the form that uploads one."""

import hashlib
import io

from PIL import Image

_BOUNDARY = "marquee-attack-form"


def picture(seed: str) -> bytes:
    """Return a PNG of 16 times 16 pixels whose content follows from `seed`."""
    pixels = b"".join(hashlib.sha256(f"{seed} {row}".encode()).digest() for row in range(24))
    out = io.BytesIO()
    Image.frombytes("RGB", (16, 16), pixels).save(out, "PNG")
    return out.getvalue()


def form(content: bytes) -> tuple[bytes, str]:
    """Return a multipart body with `content` as its file, and the content type that goes with it."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="p.png"\r\n'
    body = f"{head}Content-Type: image/png\r\n\r\n".encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return body, f"multipart/form-data; boundary={_BOUNDARY}"
