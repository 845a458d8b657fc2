"""Searching messages: a text index whose first key is the room, so that what may be read is part of every query.

A text index cannot be asked for many rooms at once. So each room is asked for its newest matches, a page of
them at most, and the pages are merged; the next page goes on from the last one's place in time.
"""

import asyncio
import base64
import binascii
import heapq
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from core.errors import Invalid
from core.validation import is_storable, parse_moment
from models.base import Document, Ground
from models.paging import Listing

_AT_ONCE = 8  # queries of one search under way, of the pool's hundred connections
Place = tuple[datetime, str]


class MessageSearch:
    """Finds messages by their words."""

    def __init__(self, ground: Ground) -> None:
        self._messages = ground.collection("messages")

    async def newest(
        self, room_ids: Sequence[str], words: str, listing: Listing, filters: Mapping[str, Any]
    ) -> tuple[list[Document], str | None]:
        """Return messages of the rooms with all of `words`, the newest first, and the next page's cursor.

        `filters` is a query on `authorId` and `createdAt`.
        """
        query: Document = {"$text": {"$search": all_words(words)}, **filters}
        if listing.cursor is not None:
            at, message_id = _read(listing.cursor)
            query["$or"] = [{"createdAt": {"$lt": at}}, {"createdAt": at, "_id": {"$lt": message_id}}]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def of(room_id: str) -> list[Document]:
            async with gate:
                newest = [("createdAt", -1), ("_id", -1)]
                return await self._messages.find({"roomId": room_id, **query}, sort=newest, limit=listing.limit + 1)

        found = await asyncio.gather(*(of(room_id) for room_id in room_ids))
        merged = heapq.nlargest(listing.limit + 1, (m for part in found for m in part), key=_place)
        items = merged[: listing.limit]
        return items, _cursor(items[-1]) if len(merged) > listing.limit else None


def all_words(words: str) -> str:
    """Return MongoDB's text query for all the words: no operators of its own, no punctuation around them."""
    trimmed = (_trimmed(word).replace('"', "").replace("\\", "") for word in words.split())
    return " ".join(f'"{word}"' for word in trimmed if word)


def _trimmed(word: str) -> str:
    """Return the word from its first to its last letter, digit or mark."""
    kept = [i for i, c in enumerate(word) if unicodedata.category(c)[0] in "LNM"]
    return word[kept[0] : kept[-1] + 1] if kept else ""


def _place(message: Document) -> Place:
    return message["createdAt"], message["_id"]


def _cursor(message: Document) -> str:
    at, message_id = _place(message)
    return base64.urlsafe_b64encode(orjson.dumps([at.isoformat(), message_id])).rstrip(b"=").decode()


def _read(cursor: str) -> Place:
    try:
        at, message_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        moment = parse_moment(at)
    except (ValueError, binascii.Error, TypeError) as e:
        raise Invalid.field("cursor", "is not one that this search gave") from e
    if moment is None or not isinstance(message_id, str) or not is_storable(message_id):
        raise Invalid.field("cursor", "is not one that this search gave")
    return moment, message_id
