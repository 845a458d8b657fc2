"""`/media/...`: the bytes of media on local storage, named by their hash."""

from handlers.serving import ContentHandler, Served
from models.storage.keys import PATTERN
from models.storage.sniff import KINDS


class MediaContentHandler(ContentHandler):
    """One media's content, or its thumbnail."""

    async def find(self, expiry: str, signature: str, **path: str) -> Served:
        """Return the file that `key` names."""
        key = path["key"]
        found, expires_at = self.edge.stores.media.file(key, expiry, signature)
        kind = KINDS[key.rpartition(".")[2]]
        disposition = f'inline; filename="{key.rpartition("/")[2]}"'
        return Served(found, expires_at, key, kind.content_type, disposition)


routes = [("/media", rf"/media/(?P<key>{PATTERN})", MediaContentHandler)]
