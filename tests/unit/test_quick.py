"""The quick reader answers exactly as the strict validator does: for good data, bad data and odd data."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import quick
from core.chat_bodies import SEND_FRAME, SUBSCRIBE
from core.errors import Invalid
from core.reports import HEARTBEAT
from core.validation import TIMEZONE, USERNAME, check, choice, ident, moment, text, whole
from handlers.application import api_routes
from handlers.endpoint import declared

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


messages = st.fixed_dictionaries(
    {"room": st.one_of(st.just("general"), odd)},
    optional={
        **dict.fromkeys(("clientId", "content", "replyTo", "unknown"), odd),
        "attachments": st.one_of(odd, st.lists(st.sampled_from(["one", "two", "", "x" * 65, 3]), max_size=12)),
    },
)


@settings(max_examples=300, deadline=None, database=None)
@given(messages)
def test_it_reads_messages_as_the_strict_validator_does(data):
    def strictly(given):
        return check(given, SEND_FRAME, what="data")

    assert outcome(quick.reader(SEND_FRAME), data) == outcome(strictly, data)


rooms = st.lists(
    st.one_of(odd, st.fixed_dictionaries({}, optional={"room": odd, "after": odd, "epoch": odd, "more": odd})),
    max_size=3,
)


@settings(max_examples=300, deadline=None, database=None)
@given(st.fixed_dictionaries({}, optional={"rooms": st.one_of(odd, rooms), "more": odd}))
def test_it_reads_lists_of_objects_as_the_strict_validator_does(data):
    def strictly(given):
        return check(given, SUBSCRIBE, what="data")

    assert outcome(quick.reader(SUBSCRIBE), data) == outcome(strictly, data)


def test_a_good_list_of_objects_never_needs_the_strict_one(monkeypatch):
    monkeypatch.setattr(quick, "check", None)
    good = {"rooms": [{"room": "general", "after": 7, "epoch": "e"}, {"room": "lobby"}]}

    assert quick.reader(SUBSCRIBE)(good) == good


@pytest.mark.parametrize("rooms", [[], [{"room": "general"}] * 101])
def test_a_list_of_objects_is_neither_too_short_nor_too_long(rooms):
    with pytest.raises(Invalid):
        quick.reader(SUBSCRIBE)({"rooms": rooms})


def test_a_list_that_is_not_given_is_a_fresh_one_each_time():
    reader = quick.reader(SEND_FRAME)
    first, second = (reader({"room": "general", "clientId": "c"})["attachments"] for _ in range(2))

    assert first == second == []
    assert first is not second


def test_an_empty_beat_is_good():
    assert read({}) == {}


@pytest.mark.parametrize(
    "schema",
    [
        {"a": {"type": "list"}},
        {"a": {"type": "dict", "default": {}}},
        {"a": {"type": "dict", "schema": {}, "default": {}}},
        {"a": TIMEZONE},
        {"a": {"type": "string", "coerce": str}},
        {"a": {"type": "datetime"}},
        {"a": {"type": "number", "min": 1}},
        {"a": {"type": "string", "empty": False}},
    ],
)
def test_a_schema_that_it_does_not_know_is_refused_at_the_start(schema):
    with pytest.raises(ValueError, match="not known"):
        quick.reader(schema)


def test_required_fields_are_asked_for():
    reader = quick.reader({"a": text(1, 5, required=True)})

    assert reader({"a": "x"}) == {"a": "x"}
    with pytest.raises(Invalid):
        reader({})


QUERY = {
    "limit": {**whole(1, 100), "default": 50},
    "offset": whole(0, 2**63 - 1, nullable=True),
    "status": choice("online", "offline"),
    "inSync": {"type": "boolean", "default": False},
    "pinned": {"type": "boolean", "allowed": [True]},
    "at": moment(),
    "id": ident(required=True),
    "search": text(1, 200),
    "username": USERNAME,
}
values = st.one_of(
    odd, st.integers(-2, 102), st.sampled_from(["online", "a b", "a.b-c_9", "a\n", "2026-01-31T08:00:00Z"])
)
queries = st.fixed_dictionaries({}, optional=dict.fromkeys((*QUERY, "more"), values))


@settings(max_examples=600, deadline=None, database=None)
@given(queries)
def test_it_answers_queries_and_bodies_as_the_strict_validator_does(given_query):
    quickly = quick.reader(QUERY, what="query")

    assert outcome(quickly, given_query) == outcome(lambda data: check(data, QUERY, what="query"), given_query)


def test_good_queries_never_need_the_strict_one(monkeypatch):
    monkeypatch.setattr(quick, "check", None)
    good = {
        "limit": 5,
        "status": "online",
        "inSync": True,
        "pinned": True,
        "id": "x",
        "search": "a b",
        "username": "a.b-c_9",
    }

    assert quick.reader(QUERY)(good) == good
    assert quick.reader(QUERY)({"id": "x"}) == {"id": "x", "limit": 50, "inSync": False}


def test_every_routes_query_is_read_quickly():
    declarations = [each for _, handler in api_routes() for each in declared(handler).values()]

    assert [quick.reader(each.query) for each in declarations if each.query]  # raises for one that it does not know


@pytest.mark.parametrize("body", [None, [], 3, "x", {"a": ["x"]}, {"a": [1]}, {}])
def test_a_schema_that_it_does_not_know_goes_to_the_strict_one_whole(body):
    schema = {"a": {"type": "list", "schema": ident(), "required": True}}

    strictly = outcome(lambda data: check(data, schema, what="body"), body)

    assert outcome(quick.reader_of_any(schema, what="body"), body) == strictly
