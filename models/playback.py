"""What a screen should show: pure functions of documents and, where said, of a moment. No clock, no store.

The documents, as the stores keep them (only the members that matter here):

screen     {_id, workspaceId, name, tags: [str], orientation, timezone, volume, playlistId|null, nowPlaying|null}
playlist   {_id, workspaceId, name, description, version, digest, items: [item]}
item       {id, mediaId, durationMs|null, transition, fit, validFrom?, validTo?, media: {sha256, ext, type,
            contentType, bytes, width, height, durationMs|null}}
emergency  {_id, workspaceId, title, message, level, mediaId|null, media|null, screenIds|null, tag|null,
            startedAt, expiresAt, endedAt|null, digest}

Times are aware UTC datetimes. `validFrom` is included in an item's window, `validTo` is not.

The manifest and its revision depend on documents only: an emergency counts until a document says that
it was ended, an item whatever its window. The player holds both against the server's clock, so a
manifest stays true while the screen is cut off. What is on at a given moment is `models/preview.py`.
"""

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from core.clock import rfc3339
from core.resources import LEVELS

Document = Mapping[str, Any]
Urls = Callable[[Document], str]  # from an item's `media` to a signed URL

# An image that says nothing of its own stays this long: the contract's figure.
DEFAULT_DURATION_MS = 10_000


class Content(NamedTuple):
    """All that decides what a screen shows. `playlist` and `emergency` are digests, null where there is none."""

    orientation: str
    volume: int
    timezone: str
    playlist: str | None
    emergency: str | None

    @property
    def revision(self) -> str:
        """24 hex digits: the same for the same content, whoever shows it and whenever."""
        return _hash(self)[:24]


def content(screen: Document, playlist: Document | None, emergencies: Iterable[Document]) -> Content:
    """Return what `screen` has to show, by `playlist` (the one assigned to it) and its workspace's emergencies."""
    emergency = chosen_emergency(screen, emergencies)
    return Content(
        screen["orientation"],
        screen["volume"],
        screen["timezone"],
        # A playlist without items shows what no playlist shows: nothing. So they are the same content.
        (playlist["digest"] if playlist["digest"] != EMPTY else None) if playlist else None,
        emergency["digest"] if emergency else None,
    )


def revision(screen: Document, playlist: Document | None, emergencies: Iterable[Document]) -> str:
    """Return the revision of what `screen` has to show. One small hash: the digests are stored."""
    return content(screen, playlist, emergencies).revision


def playlist_digest(items: Iterable[Document]) -> str:
    """Return the hash of what `items` show, in their order: stored as the playlist's `digest` with every write.

    Media count by their bytes (`sha256`); ids of items and of media do not count.
    """
    return _hash(
        [
            (
                item["media"]["sha256"],
                item["media"]["type"],
                duration_ms(item),
                item["transition"],
                item["fit"],
                item.get("validFrom"),
                item.get("validTo"),
            )
            for item in items
        ]
    )


def emergency_digest(emergency: Document) -> str:
    """Return the hash of what `emergency` shows: stored as its `digest`. Whom it targets is not part of it."""
    media = emergency["media"]
    return _hash(
        (
            emergency["_id"],
            emergency["level"],
            emergency["title"],
            emergency["message"],
            emergency["startedAt"],
            emergency["expiresAt"],
            (media["sha256"], media["type"]) if media else None,
        )
    )


def _hash(value: Any) -> str:
    """Return 32 hex digits of the SHA-256 of `value` as JSON. Tuples in a fixed order need no sorting of keys."""
    encoded = orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
    return hashlib.sha256(encoded).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no place in a digest")


EMPTY = playlist_digest([])


def is_target(screen: Document, emergency: Document) -> bool:
    """Tell whether `emergency` means `screen`: by its id, by its tag, or as one of the whole workspace."""
    if emergency["workspaceId"] != screen["workspaceId"]:
        return False
    named: Container[str] | None = emergency["screenIds"]
    if named is not None:
        return screen["_id"] in named
    return emergency["tag"] is None or emergency["tag"] in screen["tags"]


def precedence(emergency: Document) -> tuple[int, datetime, str]:
    """Return what ranks emergencies: the level, then the newest; the id settles a tie the same way everywhere."""
    return LEVELS.index(emergency["level"]), emergency["startedAt"], emergency["_id"]


def chosen_emergency(screen: Document, emergencies: Iterable[Document]) -> Document | None:
    """Return the emergency that overrides the playlist of `screen`, by documents only: those not ended.

    One that has run out stands here until a job writes its end, seconds later; the player has gone
    back to the playlist by itself, and the next in rank, if there is one, follows with that write.
    """
    running = [e for e in emergencies if e["endedAt"] is None and is_target(screen, e)]
    return max(running, key=precedence, default=None)


def duration_ms(item: Document) -> int:
    """Return how long `item` is on: its own time, else a video's length or an image's default, else 10 s."""
    return item["durationMs"] or item["media"]["durationMs"] or DEFAULT_DURATION_MS


def total_duration_ms(items: Iterable[Document]) -> int:
    """Return one round of all `items`, whatever their windows."""
    return sum(duration_ms(item) for item in items)


def manifest(
    screen: Document,
    playlist: Document | None,
    emergencies: Sequence[Document],
    *,
    now: datetime,
    urls: Urls,
) -> dict[str, Any]:
    """Return the manifest (`core.resources.MANIFEST`) of `screen`; `now` only dates it.

    `urls` signs: the URLs in a manifest may differ between two of the same revision.
    """
    emergency = chosen_emergency(screen, emergencies)
    return {
        "screenId": screen["_id"],
        "name": screen["name"],
        "revision": revision(screen, playlist, emergencies),
        "generatedAt": now,
        "timezone": screen["timezone"],
        "orientation": screen["orientation"],
        "volume": screen["volume"],
        "emergency": manifest_emergency(emergency, urls) if emergency else None,
        "playlist": _manifest_playlist(playlist, urls) if playlist else None,
    }


def _manifest_playlist(playlist: Document, urls: Urls) -> dict[str, Any]:
    return {
        "id": playlist["_id"],
        "name": playlist["name"],
        "version": playlist["version"],
        "items": [manifest_item(item, urls) for item in playlist["items"]],
    }


def manifest_item(item: Document, urls: Urls) -> dict[str, Any]:
    """Return a playlist's item as a player gets it (`MANIFEST_ITEM`): a window's open side is left out."""
    media = item["media"]
    out = {
        "id": item["id"],
        "mediaId": item["mediaId"],
        "type": media["type"],
        "url": urls(media),
        "sha256": media["sha256"],
        "bytes": media["bytes"],
        "contentType": media["contentType"],
        "width": media["width"],
        "height": media["height"],
        "durationMs": duration_ms(item),
        "transition": item["transition"],
        "fit": item["fit"],
    }
    return out | {side: item[side] for side in ("validFrom", "validTo") if item.get(side) is not None}


def manifest_emergency(emergency: Document, urls: Urls) -> dict[str, Any]:
    """Return an emergency as a player gets it (`MANIFEST_EMERGENCY`), with its media as an item of its own."""
    out = {key: emergency[key] for key in ("title", "message", "level", "startedAt", "expiresAt")}
    out["id"] = emergency["_id"]
    if emergency["media"]:
        out["item"] = manifest_item(emergency_item(emergency), urls)
    return out


def emergency_item(emergency: Document) -> dict[str, Any]:
    """Return the item that shows an emergency's media: at once (no fade) and whole (nothing cut off)."""
    return {
        "id": emergency["_id"],
        "mediaId": emergency["mediaId"],
        "durationMs": None,
        "transition": "none",
        "fit": "contain",
        "media": emergency["media"],
    }


def is_valid_at(item: Document, moment: datetime) -> bool:
    """Tell whether `moment` lies in the item's window: `validFrom` is in it, `validTo` is not."""
    begins, ends = item.get("validFrom"), item.get("validTo")
    return (begins is None or begins <= moment) and (ends is None or moment < ends)
