"""What a screen should show, by documents: the choice of emergency, the revision, the manifest."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.resources import LEVELS, MANIFEST
from models.playback import (
    chosen_emergency,
    duration_ms,
    is_target,
    is_valid_at,
    manifest,
    playlist_digest,
    revision,
    total_duration_ms,
)
from tests.unit.playback_documents import (
    NOON,
    SECOND,
    emergencies,
    make_emergency,
    make_item,
    make_media,
    make_playlist,
    make_screen,
    playlists,
    screens,
    urls,
)

# --- targets and choice ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "meant"),
    [
        ({}, True),
        ({"screenIds": ["s1"]}, True),
        ({"screenIds": ["s2"]}, False),
        ({"screenIds": []}, False),
        ({"tag": "ground"}, True),
        ({"tag": "roof"}, False),
        ({"workspaceId": "w2"}, False),
        ({"workspaceId": "w2", "screenIds": ["s1"]}, False),
        ({"workspaceId": "w2", "tag": "ground"}, False),
    ],
)
def test_an_emergency_means_screens_by_id_by_tag_or_all_of_its_workspace(changes, meant):
    assert is_target(make_screen(), make_emergency(**changes)) is meant


def test_a_screen_that_gets_the_tag_later_is_a_target():
    emergency = make_emergency(tag="roof")

    assert not is_target(make_screen(), emergency)
    assert is_target(make_screen(tags=["ground", "roof"]), emergency)


def test_the_highest_level_comes_before_the_newest():
    old = make_emergency(_id="old", level="critical", startedAt=NOON - SECOND)
    new = make_emergency(_id="new", level="warning", startedAt=NOON)

    assert chosen_emergency(make_screen(), [new, old]) is old


def test_the_newest_of_the_highest_level_wins():
    older = make_emergency(_id="b", startedAt=NOON - SECOND)
    newer = make_emergency(_id="a", startedAt=NOON)

    assert chosen_emergency(make_screen(), [older, newer]) is newer


def test_a_tie_is_settled_by_the_id():
    pair = [make_emergency(_id="a"), make_emergency(_id="b")]

    assert chosen_emergency(make_screen(), pair) is chosen_emergency(make_screen(), pair[::-1])


def test_no_emergency_no_choice():
    assert chosen_emergency(make_screen(), []) is None


def test_one_that_was_ended_does_not_count_and_one_that_ran_out_does_until_its_end_is_written():
    ended = make_emergency(level="critical", endedAt=NOON)
    ran_out = make_emergency(level="info", startedAt=NOON - timedelta(days=2), expiresAt=NOON - timedelta(days=1))

    assert chosen_emergency(make_screen(), [ended, ran_out]) is ran_out


@given(screens, st.lists(emergencies, max_size=8), st.randoms())
def test_the_choice_is_a_running_target_that_none_outranks_in_any_order(screen, found, random):
    chosen = chosen_emergency(screen, found)
    shuffled = found[:]
    random.shuffle(shuffled)
    candidates = [e for e in found if e["endedAt"] is None and is_target(screen, e)]

    assert chosen_emergency(screen, shuffled) == chosen
    assert (chosen is None) == (not candidates)
    for other in candidates:
        assert LEVELS.index(other["level"]) <= LEVELS.index(chosen["level"])
        if other["level"] == chosen["level"]:
            assert other["startedAt"] <= chosen["startedAt"]


# --- time -----------------------------------------------------------------------------------------------------------

BEFORE, AFTER = NOON - SECOND, NOON + SECOND


@pytest.mark.parametrize(
    ("begins", "ends", "valid"),
    [
        (None, None, True),
        (BEFORE, None, True),
        (NOON, None, True),
        (AFTER, None, False),
        (None, AFTER, True),
        (None, NOON, False),
        (None, BEFORE, False),
        (BEFORE, AFTER, True),
        (NOON, AFTER, True),
        (BEFORE, NOON, False),
        (NOON, NOON, False),
        (AFTER, BEFORE, False),
    ],
)
def test_a_window_includes_its_start_and_not_its_end(begins, ends, valid):
    assert is_valid_at(make_item(validFrom=begins, validTo=ends), NOON) is valid


def test_an_item_that_names_no_window_is_always_valid():
    assert is_valid_at(make_item(), NOON)


@pytest.mark.parametrize(
    ("own", "kind", "media_duration", "expected"),
    [
        (2500, "image", None, 2500),
        (2500, "image", 8000, 2500),
        (None, "image", 8000, 8000),
        (None, "image", None, 10_000),
        (2500, "video", 60_000, 2500),
        (90_000, "video", 60_000, 90_000),
        (None, "video", 60_000, 60_000),
        (None, "video", None, 10_000),
    ],
)
def test_the_time_on_screen_is_the_items_own_then_the_medias_then_ten_seconds(own, kind, media_duration, expected):
    item = make_item(durationMs=own, media=make_media(kind=kind, durationMs=media_duration))

    assert duration_ms(item) == expected


def test_a_playlists_total_adds_up_what_its_items_take():
    assert total_duration_ms([make_item(durationMs=2000), make_item(), make_item(media=make_media(kind="video"))]) == (
        2000 + 10_000 + 7000
    )
    assert total_duration_ms([]) == 0


# --- revision -------------------------------------------------------------------------------------------------------


def rev(screen=None, playlist=None, found=()):
    return revision(screen or make_screen(), playlist, found)


@pytest.mark.parametrize("changes", [{"orientation": "portrait"}, {"volume": 41}, {"timezone": "UTC"}])
def test_what_a_screen_is_set_to_is_part_of_the_revision(changes):
    assert rev(make_screen(**changes)) != rev()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Hall"},
        {"_id": "s2"},
        {"workspaceId": "w2"},
        {"tags": []},
        {"playlistId": "p2"},
        {"nowPlaying": {"itemId": "i", "mediaId": "m", "startedAt": NOON}},
    ],
)
def test_what_a_screen_is_called_is_not_part_of_the_revision(changes):
    assert rev(make_screen(**changes)) == rev()


ITEM = {"durationMs": 5000, "validFrom": NOON, "validTo": NOON + SECOND}


@pytest.mark.parametrize(
    "changes",
    [
        {"durationMs": 5001},
        {"durationMs": None},
        {"transition": "none"},
        {"fit": "cover"},
        {"validFrom": NOON - SECOND},
        {"validFrom": None},
        {"validTo": NOON + 2 * SECOND},
        {"validTo": None},
        {"media": make_media("other")},
        {"media": make_media("a", kind="video")},
    ],
)
def test_every_part_of_what_an_item_shows_is_part_of_the_revision(changes):
    before, after = make_playlist(make_item(**ITEM)), make_playlist(make_item(**(ITEM | changes)))

    assert rev(playlist=after) != rev(playlist=before)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "i-new"},
        {"mediaId": "m-same-bytes"},
        {"media": make_media("a", ext="jpeg")},
        {"media": make_media("a", contentType="image/x-other")},
        {"media": make_media("a", durationMs=9999)},  # the item has its own time
    ],
)
def test_ids_and_addresses_of_an_item_are_not_part_of_the_revision(changes):
    before, after = make_playlist(make_item(**ITEM)), make_playlist(make_item(**(ITEM | changes)))

    assert rev(playlist=after) == rev(playlist=before)


def test_a_media_default_that_an_item_follows_is_part_of_the_revision():
    assert rev(playlist=make_playlist(make_item(media=make_media(durationMs=9000)))) != rev(
        playlist=make_playlist(make_item())
    )


def test_a_default_of_ten_seconds_equals_ten_seconds_said():
    assert playlist_digest([make_item()]) == playlist_digest([make_item(durationMs=10_000)])


def test_a_window_left_out_equals_a_window_of_null():
    assert playlist_digest([make_item()]) == playlist_digest([make_item(validFrom=None, validTo=None)])


def test_order_and_repetition_are_part_of_the_revision():
    a, b = make_item("a"), make_item("b")
    variants = [[a, b], [b, a], [a], [a, a], [a, b, a], []]

    assert len({playlist_digest(variant) for variant in variants}) == len(variants)


@pytest.mark.parametrize("changes", [{"name": "Night"}, {"_id": "p2"}, {"version": 9}, {"description": "more"}])
def test_what_a_playlist_is_called_is_not_part_of_the_revision(changes):
    assert rev(playlist=make_playlist(make_item(), **changes)) == rev(playlist=make_playlist(make_item()))


def test_an_empty_playlist_is_the_same_content_as_none():
    assert rev(playlist=make_playlist()) == rev(playlist=None)
    assert rev(playlist=make_playlist(make_item())) != rev(playlist=None)


@pytest.mark.parametrize(
    "changes",
    [
        {"_id": "e2"},
        {"title": "Fire"},
        {"message": "Now."},
        {"level": "critical"},
        {"startedAt": NOON - SECOND},
        {"expiresAt": NOON + SECOND},
        {"mediaId": "m", "media": make_media()},
        {"endedAt": NOON},
    ],
)
def test_every_part_of_what_an_emergency_shows_is_part_of_the_revision(changes):
    assert rev(found=[make_emergency(**changes)]) != rev(found=[make_emergency()])


def test_whom_an_emergency_means_besides_is_not_part_of_a_screens_revision():
    variants = [make_emergency(), make_emergency(tag="ground"), make_emergency(screenIds=["s1", "s2"])]

    assert len({rev(found=[variant]) for variant in variants}) == 1


def test_an_emergency_that_is_not_in_force_is_not_part_of_the_revision():
    lower = make_emergency(_id="low", level="info")
    elsewhere = make_emergency(_id="there", level="critical", workspaceId="w2")
    ended = make_emergency(_id="over", level="critical", endedAt=NOON)
    chosen = make_emergency()

    assert rev(found=[lower, elsewhere, chosen, ended]) == rev(found=[chosen])


def test_the_ways_in_which_a_title_and_a_message_share_their_text_differ():
    assert rev(found=[make_emergency(title="ab", message="c")]) != rev(found=[make_emergency(title="a", message="bc")])


@given(screens, st.none() | playlists, st.lists(emergencies, max_size=4))
def test_a_revision_is_the_same_each_time_and_short_enough_for_a_header(screen, playlist, found):
    once = revision(screen, playlist, found)

    assert once == revision(screen, playlist, found[::-1])
    assert len(once) == 24
    assert int(once, 16) >= 0


# --- manifest -------------------------------------------------------------------------------------------------------


def build(screen=None, playlist=None, found=(), now=NOON, sign=urls):
    return manifest(screen or make_screen(), playlist, found, now=now, urls=sign)


def test_a_manifest_names_all_that_a_player_needs():
    item = make_item(validFrom=NOON, media=make_media(kind="video"))
    made = build(playlist=make_playlist(item), found=[make_emergency(mediaId="m9", media=make_media("z"))])

    assert made["playlist"] == {
        "id": "p1",
        "name": "Day",
        "version": 1,
        "items": [
            {
                "id": "i-a",
                "mediaId": "m-a",
                "type": "video",
                "url": urls(item["media"]),
                "sha256": item["media"]["sha256"],
                "bytes": 1000,
                "contentType": "video/mp4",
                "width": 1920,
                "height": 1080,
                "durationMs": 7000,
                "transition": "fade",
                "fit": "contain",
                "validFrom": NOON,
            }
        ],
    }
    assert made["emergency"]["id"] == "e1"
    assert (made["emergency"]["item"]["id"], made["emergency"]["item"]["mediaId"]) == ("e1", "m9")
    assert (made["emergency"]["item"]["durationMs"], made["emergency"]["item"]["fit"]) == (10_000, "contain")


def test_an_emergency_without_media_has_no_item():
    assert "item" not in build(found=[make_emergency()])["emergency"]


def test_items_outside_their_window_are_in_the_manifest_for_the_player_to_judge():
    past, future = make_item("a", validTo=NOON - SECOND), make_item("b", validFrom=NOON + SECOND)

    assert [i["id"] for i in build(playlist=make_playlist(past, future))["playlist"]["items"]] == ["i-a", "i-b"]


def test_the_clock_dates_a_manifest_and_changes_nothing_else():
    playlist, found = make_playlist(make_item(validTo=NOON)), [make_emergency()]
    now, later = build(playlist=playlist, found=found), build(playlist=playlist, found=found, now=NOON + SECOND * 9999)

    assert later["generatedAt"] != now["generatedAt"]
    assert later | {"generatedAt": None} == now | {"generatedAt": None}


def test_other_urls_are_the_same_revision():
    playlist = make_playlist(make_item())
    there = build(playlist=playlist, sign=lambda media: f"https://elsewhere.example/{media['sha256']}")

    assert there["revision"] == build(playlist=playlist)["revision"]
    assert there["playlist"]["items"][0]["url"].startswith("https://elsewhere.example/")


@given(screens, st.none() | playlists, st.lists(emergencies, max_size=4))
def test_every_manifest_fits_its_shape_and_carries_its_own_revision(screen, playlist, found):
    made = manifest(screen, playlist, found, now=NOON, urls=urls)

    assert MANIFEST.render(made) == made
    assert made["revision"] == revision(screen, playlist, found)
    assert all(item["durationMs"] > 0 for item in (made["playlist"] or {"items": []})["items"])


def _shown(made):
    """What a player would put on the screen: the manifest without names, ids and addresses."""
    playlist, emergency = made["playlist"], made["emergency"]
    keys = ("sha256", "type", "durationMs", "transition", "fit", "validFrom", "validTo")
    screen = tuple(made[key] for key in ("orientation", "volume", "timezone"))
    shown = [tuple(item.get(key) for key in keys) for item in playlist["items"]] if playlist else []
    if emergency is None:
        return screen, shown, None
    return screen, shown, tuple(emergency[key] for key in ("id", "title", "message", "level", "startedAt", "expiresAt"))


@given(screens, playlists, st.lists(emergencies, max_size=3), screens, playlists, st.lists(emergencies, max_size=3))
def test_two_manifests_have_one_revision_exactly_when_they_show_the_same(s1, p1, e1, s2, p2, e2):
    for one, other in (((s1, p1, e1), (s2, p2, e2)), ((s1, p1, e1), (s1, p2, e1)), ((s1, p1, e1), (s1, p1, e2))):
        first, second = (manifest(s, p, e, now=NOON, urls=urls) for s, p, e in (one, other))
        assert (first["revision"] == second["revision"]) == (_shown(first) == _shown(second))
