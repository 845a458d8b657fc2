"""Multipart bodies for tests, and sending them in one go, in pieces, or not to their end."""

import asyncio
import contextlib
import secrets


def form(content, filename="photo.bin", fields=(), content_type="application/octet-stream"):
    """Return a multipart body and its Content-Type; fields come first, as browsers send them."""
    border = secrets.token_hex(12)
    parts = [
        f'--{border}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in dict(fields).items()
    ]
    head = f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
    head += f"Content-Type: {content_type}\r\n\r\n"
    body = "".join(parts).encode() + head.encode("utf-8", "surrogateescape") + content
    return body + f"\r\n--{border}--\r\n".encode(), f"multipart/form-data; boundary={border}"


async def upload(api, content, as_, filename="photo.bin", path="/api/media", headers=None, **fields):
    """Post a file with text fields."""
    body, content_type = form(content, filename, fields)
    return await api.post(path, raw=body, as_=as_, headers={"Content-Type": content_type, **(headers or {})})


async def begin(api, as_, length, content_type, path="/api/media"):
    """Open a connection of one's own and send an upload's headers; return reader and writer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(
        (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {as_.token}\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        ).encode()
    )
    return reader, writer


async def end(writer):
    """Close a connection of one's own, and wait until it is."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
