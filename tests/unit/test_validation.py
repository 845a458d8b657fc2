"""The validator: whatever comes in is taken as its schema says or refused with a Problem, and nothing else happens."""

import json
from datetime import UTC, datetime

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Invalid, Malformed
from core.validation import (
    EMAIL,
    TIMEZONE,
    USERNAME,
    check,
    choice,
    ident,
    moment,
    parse_json,
    parse_moment,
    tags,
    text,
    whole,
)
from handlers.application import api_routes
from handlers.endpoint import declared
from handlers.schemas import object_schema

REAL = [
    schema
    for _, handler in api_routes()
    for declaration in declared(handler).values()
    for schema in (declaration.body, declaration.query)
    if schema
]
ANY = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([2**63 - 1, 2**63, -(2**63), 2**70, 10**400]),
        st.floats(),
        st.text(),
        st.text(st.characters(categories=["Cs", "Cc", "Cf"])),
        st.sampled_from(["$where", "a.b", "__proto__", "\x00", "\ud800", "2026-01-31T08:00:00Z", "Europe/Berlin"]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def errors(document, schema):
    with pytest.raises(Invalid) as refused:
        check(document, schema)
    return {e["path"]: e["message"] for e in refused.value.extra["errors"]}


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(REAL), st.data())
def test_whatever_comes_in_is_taken_or_refused(schema, data):
    names = st.sampled_from(sorted(schema)) | st.text(max_size=6)
    document = data.draw(st.dictionaries(names, ANY, max_size=5) | ANY)
    try:
        taken = check(document, schema)
    except Invalid as refused:
        json.dumps(refused.body()).encode()
    else:
        assert set(taken) <= set(schema)
        bson.encode(taken)  # what was taken, the store can keep


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_whatever_bytes_come_in_are_json_or_malformed(raw):
    try:
        parse_json(raw)
    except Malformed:
        return


@given(ANY)
def test_json_that_is_json_is_read_as_it_is(value):
    try:
        written = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except ValueError:
        return
    try:
        assert parse_json(written) == value
    except Malformed:
        assert len(max(written.split(), key=len)) > 4300  # digits that Python itself refuses


@pytest.mark.parametrize(
    "raw",
    [
        '{"a":1,"a":2}',
        '{"a":{"b":1,"b":1}}',
        '[{"a":1,"a":1}]',
        "NaN",
        "[Infinity]",
        "-Infinity",
        "",
        "nul",
        "1" * 5000,
    ],
)
def test_json_is_read_strictly(raw):
    with pytest.raises(Malformed):
        parse_json(raw)


@pytest.mark.parametrize("depth", [33, 100, 5000])
def test_what_is_nested_too_deeply_is_refused(depth):
    document = []
    for _ in range(depth):
        document = [document]

    assert list(errors({"a": document}, {"a": {"type": "list"}}).values()) == ["is nested too deeply"]


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (text(1, 5), ["a", " a ", "12345", "é" * 5], ["", " ", "\t\n", "123456", None, 1, ["a"], {"$ne": ""}]),
        (text(0, 5), ["", " "], [None, 5]),
        (whole(1, 10), [1, 10], [0, 11, True, 1.0, "1", None, 2**70, float("nan")]),
        (choice("a", "b"), ["a"], ["c", "", "A", None, ["a"], "a\n"]),
        (ident(), ["x", "507f1f77bcf86cd799439011"], ["", "x" * 65, 5, None, {"$gt": ""}]),
        (ident(nullable=True), ["x", None], [""]),
        (USERNAME, ["ann", "A_b.c-9"], ["ab", "a" * 33, "ann\n", "ann ", "änn", "a\u200bnn"]),
        (
            EMAIL,
            ["a@b", "a.b+c@example.com", "ü@exämple.com"],
            ["a", "a@", "@b", "a@b@c", "a b@c", "a@b c", "a@.b", "a@b.", "a@b\n", "a\r\n@b", '"a"@b', "a" * 65 + "@b"],
        ),
        (TIMEZONE, ["UTC", "Europe/Berlin"], ["Berlin", "", "../UTC", "utc ", None]),
        (tags(), [[], ["a", "b"]], [["a", "a"], [""], [" "], ["x" * 41], ["a"] * 21, "a", [1], [None], {"a": 1}]),
        (
            moment(),
            ["2026-01-31T08:00:00Z", "2026-01-31T08:00:00.123456+02:00", "2026-01-31t08:00:00z"],
            [
                "2026-01-31",
                "2026-01-31 08:00:00Z",
                "2026-02-31T08:00:00Z",
                "2026-01-31T08:00:00",
                1769846400,
                None,
                "0001-01-01T00:00:00+23:59",
            ],
        ),
    ],
)
def test_rules_take_what_they_say_and_nothing_else(rule, good, bad):
    for value in good:
        check({"a": value}, {"a": rule})
    for value in bad:
        assert errors({"a": value}, {"a": rule}), value


def test_a_time_is_read_as_utc_and_cut_to_milliseconds():
    assert parse_moment("2026-01-31T10:00:00.123999+02:00") == datetime(2026, 1, 31, 8, 0, 0, 123000, tzinfo=UTC)


def test_wrong_fields_are_named_by_their_paths():
    schema = {"items": {"type": "list", "schema": {"type": "dict", "schema": {"durationMs": whole(1000, 2000)}}}}

    assert errors({"items": [{"durationMs": 1}, {"durationMs": 1500, "more": 1}]}, schema) == {
        "items.0.durationMs": "must be at least 1000",
        "items.1.more": "is not a field of this request",
    }
    assert errors({"a": 1, "b": "\x00"}, {}) == {"b": "must not contain NUL or lone surrogates"}
    assert errors([], {}) == {"body": "must be an object"}


def test_what_would_be_right_is_told_in_plain_words():
    names = text(2, 3)
    schema = {
        "type": choice("reload", "identify"),
        "pinned": {"type": "boolean", "allowed": [True]},
        "short": names,
        "long": names,
        "id": ident(),
        "tags": tags(),
    }
    wrong = {
        "type": "x",
        "pinned": False,
        "short": "a",
        "long": "abcd",
        "id": "",
        "tags": list("abcdefghijklmnopqrstu"),
    }

    assert errors(wrong, schema) == {
        "type": "must be one of reload, identify",
        "pinned": "must be one of true",
        "short": "must have at least 2 characters",
        "long": "must have at most 3 characters",
        "id": "must have at least 1 character",
        "tags": "must have at most 20 entries",
    }


def test_a_field_that_is_required_is_missed():
    assert errors({}, {"a": text(1, 5, required=True)}) == {"a": "is required"}
    assert errors({"a": None}, {"a": text(1, 5, required=True)}) == {"a": "must not be null"}


def test_what_was_given_is_not_changed():
    given_document = {"at": "2026-01-31T08:00:00Z", "list": [1]}
    check(given_document, {"at": moment(), "list": {"type": "list"}, "more": {"type": "string", "default": "x"}})

    assert given_document == {"at": "2026-01-31T08:00:00Z", "list": [1]}


@pytest.mark.parametrize("schema", REAL, ids=lambda s: ",".join(s)[:40])
def test_every_rule_in_use_has_a_type_and_can_be_told(schema):
    """An untyped field lets `{"$ne": null}` through; a rule that cannot be told is not in the API's description."""

    def walk(rule):
        assert rule["type"], rule
        inner = rule.get("schema")
        for each in ([inner] if rule["type"] == "list" else (inner or {}).values()) if inner else ():
            walk(each)

    for rule in schema.values():
        walk(rule)
    assert object_schema(schema)["additionalProperties"] is False


def test_a_pattern_may_have_words_that_say_what_it_takes():
    rule = {"type": "string", "regex": "[a-z]+", "meta": {"words": "must be small letters"}}

    assert errors({"a": "A"}, {"a": rule}) == {"a": "must be small letters"}
    assert errors({"a": ["A"]}, {"a": {"type": "list", "schema": rule}}) == {"a.0": "must be small letters"}
    assert errors({"a": "A"}, {"a": {"type": "string", "regex": "[a-z]+"}}) == {"a": "is not written as it has to be"}
