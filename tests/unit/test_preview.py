"""What is on at a moment, and the sentences that say why."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.resources import PREVIEW
from models.playback import chosen_emergency, is_target, is_valid_at
from models.preview import playing_at
from tests.unit.playback_documents import (
    NOON,
    SECOND,
    emergencies,
    make_emergency,
    make_item,
    make_media,
    make_playlist,
    make_screen,
    moments,
    playlists,
    screens,
    urls,
)


def preview(playlist=None, found=(), at=NOON, screen=None):
    return playing_at(screen or make_screen(), playlist, found, at, urls=urls)


def reasons(made):
    return {rejected["what"]: rejected["reason"] for rejected in made["rejected"]}


# --- playlists ------------------------------------------------------------------------------------------------------


def test_without_a_playlist_nothing_is_on():
    made = preview()

    assert (made["emergency"], made["playlist"], made["item"]) == (None, None, None)
    assert made["why"] == ["No playlist is assigned to this screen."]
    assert made["rejected"] == []


def test_an_empty_playlist_is_named_and_rejected():
    made = preview(make_playlist())

    assert made["playlist"] == {"id": "p1", "name": "Day", "version": 1}
    assert made["item"] is None
    assert reasons(made) == {'playlist "Day"': "It has no items."}


def test_the_only_valid_item_is_on_and_the_others_say_why_not():
    past = make_item("a", validTo=NOON)
    now = make_item("b")
    future = make_item("c", validFrom=NOON + SECOND)
    made = preview(make_playlist(past, now, future))

    assert made["item"]["id"] == "i-b"
    assert made["why"][-1] == "Item 2 is the only one of 3 items that is valid."
    assert reasons(made) == {
        "item 1": "It was valid until 2026-11-21T12:00:00.000Z.",
        "item 3": "It is valid from 2026-11-21T12:00:01.000Z on.",
    }


def test_where_nothing_is_valid_the_next_start_is_told():
    later, soon = make_item("a", validFrom=NOON + 9 * SECOND), make_item("b", validFrom=NOON + SECOND)
    past = make_item("c", validFrom=NOON - 2 * SECOND, validTo=NOON - SECOND)
    made = preview(make_playlist(later, soon, past))

    assert made["item"] is None
    assert made["why"][-1].endswith("The next one begins at 2026-11-21T12:00:01.000Z.")


def test_where_all_is_past_that_is_told():
    made = preview(make_playlist(make_item(validTo=NOON - SECOND)))

    assert made["item"] is None
    assert made["why"][-1] == "None of its 1 item is valid at this moment. None will become valid again."


def test_of_several_valid_items_the_first_stands_for_all_and_that_is_said():
    made = preview(make_playlist(make_item("a", validTo=NOON), make_item("b"), make_item("c")))

    assert made["item"]["id"] == "i-b"
    assert "depends on when the player began" in made["why"][-1]


# --- the screen's own report ----------------------------------------------------------------------------------------

LOOP = make_playlist(
    make_item("a", durationMs=5000), make_item("b", durationMs=3000), make_item("c", media=make_media(kind="video"))
)  # 5 + 3 + 7 seconds


@pytest.mark.parametrize(
    ("reported", "after", "on"),
    [
        ("i-a", 0, "i-a"),
        ("i-a", 4.999, "i-a"),
        ("i-a", 5, "i-b"),
        ("i-a", 7.999, "i-b"),
        ("i-a", 8, "i-c"),
        ("i-a", 15, "i-a"),
        ("i-b", 0, "i-b"),
        ("i-b", 3, "i-c"),
        ("i-b", 10, "i-a"),
        ("i-c", 7, "i-a"),
        ("i-c", 3599, "i-b"),
    ],
)
def test_a_report_of_the_screen_tells_where_its_loop_is(reported, after, on):
    screen = make_screen(nowPlaying={"itemId": reported, "mediaId": "m", "startedAt": NOON})
    made = preview(LOOP, at=NOON + timedelta(seconds=after), screen=screen)

    assert made["item"]["id"] == on
    assert "the screen's own report of 2026-11-21T12:00:00.000Z" in made["why"][-1]


@pytest.mark.parametrize(
    "report",
    [
        {"itemId": "i-gone", "mediaId": "m", "startedAt": NOON},
        {"itemId": None, "mediaId": None, "startedAt": None},
        {"itemId": "i-b", "mediaId": "m", "startedAt": None},
        {"itemId": "i-b", "mediaId": "m", "startedAt": NOON + SECOND},
        {"itemId": "i-b", "mediaId": "m", "startedAt": NOON - timedelta(hours=2)},
    ],
)
def test_a_report_that_tells_nothing_of_the_moment_is_not_used(report):
    made = preview(LOOP, screen=make_screen(nowPlaying=report))

    assert made["item"]["id"] == "i-a"
    assert "depends on when the player began" in made["why"][-1]


def test_a_window_that_closed_since_the_report_ends_the_reckoning():
    closed = make_item("x", validTo=NOON + SECOND)
    playlist = make_playlist(closed, make_item("a"), make_item("b"))
    screen = make_screen(nowPlaying={"itemId": "i-b", "mediaId": "m", "startedAt": NOON})

    assert preview(playlist, at=NOON, screen=screen)["item"]["id"] == "i-b"
    assert preview(playlist, at=NOON + SECOND, screen=screen)["item"]["id"] == "i-a"


# --- emergencies ----------------------------------------------------------------------------------------------------


def test_an_emergency_overrides_the_playlist():
    made = preview(make_playlist(make_item()), [make_emergency(mediaId="m9", media=make_media("z"))])

    assert made["emergency"]["id"] == "e1"
    assert made["item"] == made["emergency"]["item"]
    assert made["playlist"]["id"] == "p1"
    assert "overrides every playlist" in made["why"][0]
    assert reasons(made) == {'playlist "Day"': "An emergency overrides it."}


def test_an_emergency_of_words_only_has_no_item():
    assert preview(make_playlist(make_item()), [make_emergency()])["item"] is None


@pytest.mark.parametrize(
    ("after", "in_force"),
    [(-1, False), (0, True), (3599, True), (3600, False)],
)
def test_an_emergency_is_in_force_from_its_start_until_it_runs_out(after, in_force):
    made = preview(make_playlist(make_item()), [make_emergency()], at=NOON + after * SECOND)

    assert (made["emergency"] is not None) is in_force
    assert (made["item"] is None) is in_force


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"screenIds": ["s2"]}, "This screen is not among its targets."),
        ({"tag": "roof"}, "This screen is not among its targets."),
        ({"startedAt": NOON + SECOND}, "It begins at 2026-11-21T12:00:01.000Z."),
        ({"endedAt": NOON}, "It was ended at 2026-11-21T12:00:00.000Z."),
        ({"expiresAt": NOON}, "It ran out at 2026-11-21T12:00:00.000Z."),
        ({"level": "info"}, '"Flood" (warning) has a higher level.'),
        ({"startedAt": NOON - 2 * SECOND}, '"Flood" (warning) is newer, at the same level.'),
    ],
)
def test_every_emergency_that_is_not_on_says_why(changes, reason):
    best = make_emergency(_id="e9", title="Flood", startedAt=NOON - SECOND)
    made = preview(found=[make_emergency(**changes), best])

    assert made["emergency"]["id"] == "e9"
    assert [r["reason"] for r in made["rejected"]] == [reason]


def test_when_the_higher_one_has_run_out_the_lower_one_is_on():
    short = make_emergency(_id="high", level="critical", expiresAt=NOON + 60 * SECOND)
    long = make_emergency(_id="low", level="info")

    assert preview(found=[short, long])["emergency"]["id"] == "high"
    assert preview(found=[short, long], at=NOON + 60 * SECOND)["emergency"]["id"] == "low"


def test_one_that_was_ended_later_was_in_force_before():
    assert preview(found=[make_emergency(endedAt=NOON + SECOND)])["emergency"]["id"] == "e1"


def test_emergencies_of_another_workspace_are_not_even_named():
    assert preview(found=[make_emergency(workspaceId="w2")])["rejected"] == []


# --- for all --------------------------------------------------------------------------------------------------------

reports = st.none() | st.fixed_dictionaries(
    {"itemId": st.sampled_from(["i-a", "i-b"]), "mediaId": st.none(), "startedAt": moments}
)


@given(screens, st.none() | playlists, st.lists(emergencies, max_size=4), moments, reports)
def test_every_preview_fits_its_shape_and_explains_all_that_it_was_given(screen, playlist, found, at, report):
    made = playing_at(screen | {"nowPlaying": report}, playlist, found, at, urls=urls)

    assert PREVIEW.render(made) == made
    assert made["why"]
    mine = [e for e in found if e["workspaceId"] == screen["workspaceId"]]
    named = [r for r in made["rejected"] if r["what"].startswith("emergency")]
    assert len(named) + (made["emergency"] is not None) == len(mine)
    if playlist and made["emergency"] is None:
        invalid = [item for item in playlist["items"] if not is_valid_at(item, at)]
        assert len([r for r in made["rejected"] if r["what"].startswith("item")]) == len(invalid)
        assert (made["item"] is None) == (len(invalid) == len(playlist["items"]))


@given(screens, playlists, st.lists(emergencies, max_size=4), moments)
def test_what_is_on_is_never_outside_its_time(screen, playlist, found, at):
    made = playing_at(screen, playlist, found, at, urls=urls)

    if made["emergency"]:
        source = next(e for e in found if e["_id"] == made["emergency"]["id"])
        assert is_target(screen, source)
        assert source["startedAt"] <= at < source["expiresAt"]
    elif made["item"]:
        assert is_valid_at(next(i for i in playlist["items"] if i["id"] == made["item"]["id"]), at)


@given(screens, st.lists(emergencies, max_size=4))
def test_preview_and_manifest_agree_on_an_emergency_that_has_begun_and_not_run_out(screen, found):
    running = [e | {"endedAt": None} for e in found if e["startedAt"] <= NOON < e["expiresAt"]]
    chosen = chosen_emergency(screen, running)
    made = playing_at(screen, None, running, NOON, urls=urls)

    assert (made["emergency"] or {}).get("id") == (chosen or {}).get("_id")
