"""The signed addresses of files: whoever may see a file is given one, and whoever holds it may fetch the content.

/files/{id}            the content
/files/{id}/thumbnail  its picture, 320 px wide
"""

from datetime import datetime, timedelta

from core.signatures import Signatures
from models.base import Document, Ground

GOOD = timedelta(hours=1)
STEP = timedelta(minutes=5)  # the hour begins at a mark of the clock, so that a browser may use what it has fetched


class Addresses:
    """Makes and checks them. They are good for an hour, less the few minutes since the last mark."""

    def __init__(self, ground: Ground) -> None:
        settings = ground.settings
        self._signatures = Signatures(settings.secret_key, settings.secret_key_previous)
        self._clock = ground.clock

    def file(self, file: Document) -> Document:
        """Return a file as the outside sees it (`FILE`)."""
        thumbnail = self._sign(path_of(file["_id"], thumbnail=True)) if file["thumbnail"] else None
        return file | {"url": self._sign(path_of(file["_id"])), "thumbnailUrl": thumbnail}

    def avatar(self, user: Document) -> str | None:
        """Return the address of a user's picture, small: avatars are shown by the dozen."""
        return self._sign(path_of(user["avatarFileId"], thumbnail=True)) if user["avatarFileId"] else None

    def verify(self, path: str, expiry: str, signature: str) -> datetime:
        """Return when an address expires. Raises Forbidden for one that is not ours or has expired."""
        return self._signatures.verify(path, expiry, signature, self._clock.now())

    def _sign(self, path: str) -> str:
        now = self._clock.now()
        since = timedelta(seconds=now.timestamp() % STEP.total_seconds())
        return self._signatures.sign(path, now - since + GOOD)


def path_of(file_id: str, *, thumbnail: bool = False) -> str:
    """Return the path of a file's content, or of its thumbnail."""
    return f"/files/{file_id}/thumbnail" if thumbnail else f"/files/{file_id}"
