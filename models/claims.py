"""References that cannot dangle: taking what another document is to refer to, inside that write's transaction.

A claim changes the thing claimed (a counter that nobody reads), so that a deletion at the same moment
and the write that refers to it conflict in MongoDB and one of them starts over, seeing the other.
Without it both would succeed, each by its own snapshot. A deletion must check for references in its
own transaction.
"""

from collections.abc import Iterable

from core.errors import Invalid
from models.base import Collection, Document, Session

# What a playlist's item and an emergency keep of their media.
MEDIA_FIELDS = ("sha256", "ext", "type", "contentType", "bytes", "width", "height", "durationMs")
_CLAIM = {"$inc": {"claims": 1}}


async def claim_media(
    media: Collection, ids: Iterable[str], workspace_id: str, *, session: Session
) -> dict[str, Document]:
    """Return those of the media `ids` that can be played in the workspace, by id, each with MEDIA_FIELDS.

    One that is missing, not ready or of another workspace is not in the answer: the caller knows which field named it.
    """
    query = {"_id": {"$in": sorted(set(ids))}, "workspaceId": workspace_id, "status": "ready"}
    await media.update_all(query, _CLAIM, session=session)
    found = await media.find(query, session=session, projection=dict.fromkeys(MEDIA_FIELDS, 1))
    return {each["_id"]: playable(each) for each in found}


def playable(media: Document) -> Document:
    """Return what an item keeps of `media`: all that a player needs, so that a manifest reads no media."""
    return {field: media[field] for field in MEDIA_FIELDS}


async def claim_playlist(playlists: Collection, playlist_id: str, workspace_id: str, *, session: Session) -> None:
    """Hold the playlist that a screen is about to show. Raises Invalid where the workspace has no such playlist."""
    if not await playlists.update({"_id": playlist_id, "workspaceId": workspace_id}, _CLAIM, session=session):
        raise Invalid.field("playlistId", "is not a playlist of this workspace")
