"""`/api/files` and `/files/...`: what people send each other, and its bytes under signed addresses."""

from typing import Any
from urllib.parse import quote

from core.chat_resources import FILE
from handlers.base import ApiHandler
from handlers.endpoint import endpoint
from handlers.serving import ContentHandler, Served
from handlers.uploads import UploadHandler
from models.base import Document

FORM = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "additionalProperties": False,
            "properties": {
                "file": {"type": "string", "format": "binary", "description": "Anything but programs and scripts."}
            },
        }
    }
}


class UploadFileHandler(UploadHandler):
    """`/api/files/upload`."""

    @property
    def largest(self) -> int:
        """The most bytes that any file may have."""
        return self.edge.settings.max_file_bytes

    def most(self, head: bytes) -> int:
        """Return the most bytes for a file that starts with `head`, or raise UnsupportedType."""
        return self.stores.files.most_of(head)

    @endpoint(
        needs="user",
        upload=FORM,
        returns=FILE,
        status=201,
        location="/api/files/{id}",
        problems=(413, 415, 507),
    )
    async def post(self) -> Document:
        """Upload a file, to be sent with a message or to be one's avatar.

        Anything but programs and scripts: ELF, Windows, Mach-O, Java and Android programs, scripts that begin
        with `#!`, Windows shortcuts, batch files and installers, by content and by name. Images and videos lose
        what says where they were made, and images over 3,840 px on a side are made smaller, so that `bytes` and
        `sha256` are of what is served. A file that is used for nothing goes after a day.
        """
        got = self.received
        return await self.stores.files.add(got.path, got.sha256, got.bytes, got.name, by=self.actor)


class FileHandler(ApiHandler):
    """`/api/files/{id}`."""

    @endpoint(needs="user", returns=FILE, problems=(404,))
    async def get(self, id: str) -> Document:
        """Return a file, with addresses that are good for an hour.

        It is there for its owner, for those who may read the message that carries it, and an avatar for all.
        """
        return await self.stores.files.get(id, by=self.actor)

    @endpoint(needs="user", problems=(403, 404, 409))
    async def delete(self, id: str) -> None:
        """Delete one's own file. One that is used is refused with what uses it (`in_use`)."""
        await self.stores.files.delete(id, by=self.actor)


class FileContentHandler(ContentHandler):
    """A file's bytes, or those of its thumbnail. Only what the server recognised is shown; all else is saved."""

    async def find(self, expiry: str, signature: str, **path: Any) -> Served | str:
        """Return what the address stands for; with a storage elsewhere, its address of that."""
        thumbnail = path["part"] is not None
        found = await self.edge.stores.files.content(path["id"], expiry, signature, thumbnail=thumbnail)
        if isinstance(found.place, str):
            return found.place
        tag = f"thumbnail-{found.sha256}" if thumbnail else found.sha256
        kind = "inline" if found.shown else "attachment"
        return Served(found.place, found.expires_at, tag, found.content_type, disposition(kind, found.name))


def disposition(kind: str, name: str) -> str:
    """Return a Content-Disposition (RFC 6266) with the name in UTF-8, and for old clients what of it is plain."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " .-_()") else "_" for c in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


routes = [
    ("/api/files/upload", UploadFileHandler),
    ("/api/files/{id}", FileHandler),
]
contents = [("/files", r"/files/(?P<id>[0-9a-f]{24})(?P<part>/thumbnail)?", FileContentHandler)]
