"""The items of a playlist: made of what a caller sent and of the media it names. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from core.errors import Invalid
from models.base import Document
from models.playback import playlist_digest, total_duration_ms

_MOST_ERRORS = 50  # as many as the validator tells at a time
Wrong = tuple[str, str]  # path and message


def build(
    given: Sequence[Document],
    fresh_ids: Sequence[str],
    *,
    media: Mapping[str, Document],
    known: Collection[str],
) -> list[Document]:
    """Return the stored items, in the order of `given`.

    `media` holds what may be played, by id; `known` the ids of items that the playlist has already. An
    item keeps the id that it was given, or takes the one of `fresh_ids` at its place. Raises Invalid
    with the path of every wrong field.
    """
    wrong = [*_wrong_ids(given, known), *_wrong_media(given, media), *_wrong_windows(given)]
    if wrong:
        errors = [{"path": path, "message": message} for path, message in sorted(wrong)[:_MOST_ERRORS]]
        detail = (
            f"{errors[0]['path']}: {errors[0]['message']}." if len(wrong) == 1 else f"{len(wrong)} fields are wrong."
        )
        raise Invalid(detail=detail, errors=errors)
    return [_item(each, id_, media[each["mediaId"]]) for each, id_ in zip(given, fresh_ids, strict=True)]


def _wrong_ids(given: Sequence[Document], known: Collection[str]) -> Iterable[Wrong]:
    seen: set[str] = set()
    for place, each in enumerate(given):
        id_ = each.get("id")
        if id_ is None:
            continue
        if id_ not in known:
            yield f"items.{place}.id", "is not an item of this playlist"
        elif id_ in seen:
            yield f"items.{place}.id", "is there twice"
        seen.add(id_)


def _wrong_media(given: Sequence[Document], media: Mapping[str, Document]) -> Iterable[Wrong]:
    for place, each in enumerate(given):
        if each["mediaId"] not in media:
            yield f"items.{place}.mediaId", "is missing, not ready, or of another workspace"


def _wrong_windows(given: Sequence[Document]) -> Iterable[Wrong]:
    for place, each in enumerate(given):
        begins, ends = each.get("validFrom"), each.get("validTo")
        if begins is not None and ends is not None and ends <= begins:
            yield f"items.{place}.validTo", "must be after validFrom"


def _item(given: Document, fresh_id: str, media: Document) -> Document:
    item = {
        "id": given.get("id") or fresh_id,
        "mediaId": given["mediaId"],
        "durationMs": given.get("durationMs"),
        "transition": given["transition"],
        "fit": given["fit"],
        "media": media,
    }
    return item | {side: given[side] for side in ("validFrom", "validTo") if given.get(side) is not None}


def with_items(items: list[Document]) -> Document:
    """Return `items` and what a playlist keeps of them: always written together, so they cannot disagree."""
    return {
        "items": items,
        "itemCount": len(items),
        "durationMs": total_duration_ms(items),
        "digest": playlist_digest(items),
    }
