"""The items that a playlist stores, made of what was sent and of the media named."""

import pytest

from core.errors import Invalid
from models.playback import playlist_digest, total_duration_ms
from models.playlist_items import build, with_items
from tests.unit.playback_documents import NOON, SECOND, make_media

MEDIA = {"m1": make_media("a"), "m2": make_media("b", kind="video")}


def sent(media="m1", **more):
    return {"mediaId": media, "transition": "none", "fit": "contain"} | more


def made(*given, known=()):
    return build(given, [f"new{n}" for n in range(len(given))], media=MEDIA, known=known)


def refused(*given, known=()):
    with pytest.raises(Invalid) as caught:
        made(*given, known=known)
    return {error["path"]: error["message"] for error in caught.value.extra["errors"]}


def test_an_item_carries_its_media_resolved():
    assert made(sent("m2", durationMs=1000)) == [
        {
            "id": "new0",
            "mediaId": "m2",
            "durationMs": 1000,
            "transition": "none",
            "fit": "contain",
            "media": MEDIA["m2"],
        }
    ]


def test_a_known_id_is_kept_and_a_missing_one_is_made():
    items = made(sent(), sent(id="old1"), sent(id=None), sent(id="old0"), known={"old0", "old1"})

    assert [item["id"] for item in items] == ["new0", "old1", "new2", "old0"]


def test_an_open_side_of_a_window_is_not_stored():
    (item,) = made(sent(validFrom=NOON, validTo=None))

    assert item["validFrom"] == NOON
    assert "validTo" not in item


def test_every_wrong_field_is_named_by_its_path():
    given = [
        sent(),
        sent("gone"),
        sent(id="strange"),
        sent(id="old"),
        sent(id="old"),
        sent(validFrom=NOON, validTo=NOON),
        sent(validFrom=NOON, validTo=NOON - SECOND),
    ]

    assert refused(*given, known={"old"}) == {
        "items.1.mediaId": "is missing, not ready, or of another workspace",
        "items.2.id": "is not an item of this playlist",
        "items.4.id": "is there twice",
        "items.5.validTo": "must be after validFrom",
        "items.6.validTo": "must be after validFrom",
    }


def test_no_more_than_fifty_errors_are_told():
    assert len(refused(*[sent("gone")] * 80)) == 50


def test_what_is_kept_beside_the_items_follows_from_them():
    items = made(sent(), sent("m2"))

    assert with_items(items) == {
        "items": items,
        "itemCount": 2,
        "durationMs": total_duration_ms(items),
        "digest": playlist_digest(items),
    }
