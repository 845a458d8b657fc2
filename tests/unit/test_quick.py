"""The quick reader answers exactly as the strict validator does: for good data, bad data and odd data."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Invalid
from core.reports import HEARTBEAT
from core.validation import check, text, whole
from realtime import quick

read = quick.reader(HEARTBEAT)
FULL = json.loads(
    """{"status": "online", "reason": null, "appliedRevision": "abc", "emergencyId": null,
        "nowPlaying": {"itemId": "i", "mediaId": "m", "startedAt": "2026-01-31T08:00:00.123456+01:00"},
        "metrics": {"cpu": 0.5, "freeMb": 100}}"""
)


def outcome(reader, data):
    try:
        return reader(data)
    except Invalid as e:
        return e.extra


def strict(data):
    return check(data, HEARTBEAT, what="data")


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(), max_size=6),
    st.sampled_from(["online", "error", "", " ", "\x00", "\ud800", "x" * 600, "2026-01-31T08:00:00Z", "é"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
playing = st.fixed_dictionaries({}, optional=dict.fromkeys(("itemId", "mediaId", "startedAt", "more"), odd))
beats = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("status", "reason", "appliedRevision", "emergencyId", "unknown"), odd),
        "nowPlaying": st.one_of(odd, playing),
        "metrics": st.one_of(odd, st.dictionaries(st.text(max_size=3), odd, max_size=3)),
    },
)


@settings(max_examples=400, deadline=None, database=None)
@given(beats)
def test_it_answers_as_the_strict_validator_does(data):
    assert outcome(read, data) == outcome(strict, data)


@pytest.mark.parametrize("field", [*FULL, None])
def test_good_beats_never_need_the_strict_one(monkeypatch, field):
    monkeypatch.setattr(quick, "check", None)
    data = {name: value for name, value in FULL.items() if name != field}

    found = read(data)

    assert found == strict(data)


def test_an_empty_beat_is_good():
    assert read({}) == {}


@pytest.mark.parametrize(
    "schema", [{"a": whole(1, 2)}, {"a": {"type": "string", "regex": "x"}}, {"a": {"type": "list"}}]
)
def test_a_schema_that_it_does_not_know_is_refused_at_the_start(schema):
    with pytest.raises(ValueError, match="not known"):
        quick.reader(schema)


def test_required_fields_are_asked_for():
    reader = quick.reader({"a": text(1, 5, required=True)})

    assert reader({"a": "x"}) == {"a": "x"}
    with pytest.raises(Invalid):
        reader({})
