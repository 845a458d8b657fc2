"""`/api/media`: images and videos, uploaded through us or, with a ticket, straight to the storage."""

from collections.abc import Mapping
from typing import ClassVar

from core.errors import Invalid
from core.resources import MEDIA, UPLOAD_TICKET
from core.validation import Json, check, choice, ident, tags, text, whole
from handlers.base import ApiHandler, asked
from handlers.endpoint import WORKSPACE_FILTER, Answer, ListOf, endpoint, listing
from handlers.uploads import UploadHandler
from models.base import Document
from models.intake import Details
from models.media import NAME_LENGTH
from models.paging import Page

DAY_MS = 86_400_000
LISTING = listing(
    sort=("name", "bytes", "createdAt"),
    search=True,
    type=choice("image", "video"),
    tag=text(1, 40),
    status=choice("processing", "ready", "failed"),
    **WORKSPACE_FILTER,
)
DETAILS = {
    "name": text(1, NAME_LENGTH),
    "tags": tags(),
    "durationMs": whole(1000, DAY_MS),
    "workspaceId": ident(),
}
EDIT = {"name": text(1, NAME_LENGTH), "tags": tags(), "durationMs": whole(1000, DAY_MS, nullable=True)}
TICKET = {
    "name": text(1, NAME_LENGTH, required=True),
    "bytes": whole(1, 10**12, required=True),
    "contentType": text(1, 100, required=True),
    "workspaceId": ident(),
}
FORCE = {"force": {"type": "boolean", "default": False}}
FORM = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "additionalProperties": False,
            "properties": {
                "file": {"type": "string", "format": "binary", "description": "JPEG, PNG, WebP, GIF, MP4 or WebM."},
                "name": {"type": "string", "maxLength": NAME_LENGTH},
                "tags": {"type": "string", "description": "Tags with commas between them."},
                "durationMs": {"type": "string", "description": "An image's default time on screen."},
                "workspaceId": {"type": "string"},
            },
        }
    }
}


class MediaListHandler(UploadHandler):
    """`/api/media`."""

    fields: ClassVar[Mapping[str, int]] = {"name": 1000, "tags": 4000, "durationMs": 20, "workspaceId": 64}

    @property
    def largest(self) -> int:
        """The most bytes that any media may have."""
        return max(self.edge.settings.max_image_bytes, self.edge.settings.max_video_bytes)

    def most(self, head: bytes) -> int:
        """Return the most bytes for media that start with `head`, or raise UnsupportedType."""
        return self.stores.intake.most_of(head)

    @endpoint(needs="media:read", query=LISTING, returns=ListOf(MEDIA), problems=(404,))
    async def get(self, query: Json) -> Page:
        """List media."""
        filters: Json = {name: query[name] for name in ("type", "tag", "status") if name in query}
        return await self.stores.media.list(
            asked(query), workspace_id=query.get("workspaceId"), filters=filters, by=self.actor
        )

    @endpoint(
        needs="media:write",
        upload=FORM,
        returns=MEDIA,
        status=201,
        also=(200,),
        location="/api/media/{id}",
        problems=(404, 409, 413, 415, 507),
    )
    async def post(self) -> Answer:
        """Upload an image or a video.

        The content decides what it is. Location metadata is removed; images over 3,840 px on a side are served
        smaller. The same content again in one workspace answers 200 with the media that is there, unchanged. A video
        of 16 MB or more is `processing` in the answer, and `ready` or `failed` (with its `failure`) seconds later.
        """
        got = self.received
        media, new = await self.stores.uploads.add(
            got.path, got.sha256, got.bytes, details(got.fields, got.name), by=self.actor
        )
        return Answer(media, 201 if new else 200)


def details(fields: Mapping[str, str], filename: str) -> Details:
    """Return what a form's text fields say. Raises Invalid with every wrong field."""
    given: Json = dict(fields)
    if "tags" in given:
        parts = [tag.strip() for tag in given["tags"].split(",")]
        given["tags"] = list(dict.fromkeys(tag for tag in parts if tag))
    if "durationMs" in given:
        if not (given["durationMs"].isascii() and given["durationMs"].isdigit()):
            raise Invalid.field("durationMs", "must be a whole number from 1000 to 86400000")
        given["durationMs"] = int(given["durationMs"])
    checked = check(given, DETAILS)
    return Details(
        checked.get("name") or filename.strip(),
        checked.get("tags", []),
        checked.get("durationMs"),
        checked.get("workspaceId"),
    )


class MediaHandler(ApiHandler):
    """`/api/media/{id}`."""

    @endpoint(needs="media:read", returns=MEDIA, also=(304,), problems=(404,))
    async def get(self, id: str) -> Document | None:
        """Return a media, with addresses of its content and thumbnail that are good for a week at least."""
        media = await self.stores.media.get(id, by=self.actor)
        # The end of processing is no edit and leaves the version as it was, so only what is ready may be "unchanged".
        unchanged = media["status"] == "ready" and self.not_modified(str(media["version"]))
        return None if unchanged else media

    @endpoint(needs="media:write", body=EDIT, returns=MEDIA, problems=(404, 412))
    async def patch(self, id: str, body: Json) -> Document:
        """Change a media's name or tags, or how long an image is on screen by default.

        The latter reaches every screen that plays it.
        """
        return await self.stores.media.edit(id, body, if_version=self.if_version, by=self.actor)

    @endpoint(needs="media:write", query=FORCE, problems=(404, 409, 412))
    async def delete(self, id: str, query: Json) -> None:
        """Delete a media.

        One that is played is refused with what plays it (`in_use`); `force=true` takes it out of there.
        """
        await self.stores.media.delete(id, force=query["force"], if_version=self.if_version, by=self.actor)


class UploadTicketsHandler(ApiHandler):
    """`/api/media/upload-ticket`."""

    @endpoint(needs="media:write", body=TICKET, returns=UPLOAD_TICKET, problems=(404, 409, 413, 415))
    async def post(self, body: Json) -> Document:
        """Ask for a direct upload to Cloudinary: where to post the file, and with what fields."""
        return await self.stores.tickets.create(
            body["name"], body["bytes"], body["contentType"], body.get("workspaceId"), by=self.actor
        )


class UploadTicketCompleteHandler(ApiHandler):
    """`/api/media/upload-ticket/{ticketId}/complete`."""

    @endpoint(
        needs="media:write",
        returns=MEDIA,
        status=201,
        also=(200,),
        location="/api/media/{id}",
        problems=(404, 409, 410, 413),
    )
    async def post(self, ticketId: str) -> Answer:
        """Say that a direct upload is done: the media is `processing` until it was fetched and checked."""
        media, new = await self.stores.tickets.complete(ticketId, by=self.actor)
        return Answer(media, 201 if new else 200)


routes = [
    ("/api/media", MediaListHandler),
    ("/api/media/upload-ticket", UploadTicketsHandler),
    ("/api/media/upload-ticket/{ticketId}/complete", UploadTicketCompleteHandler),
    ("/api/media/{id}", MediaHandler),
]
