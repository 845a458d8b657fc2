"""Shapes are allow-lists: what they let through, in which order, and what they refuse."""

import pytest

from core.shapes import Shape, integer, many, nullable, one, optional, text

SIZE = Shape("Size", width=integer(), height=integer())
THING = Shape(
    "Thing",
    id=text(),
    name=text(),
    size=nullable(one(SIZE)),
    sizes=many(SIZE),
    note=optional(text()),
    more=optional(one(SIZE)),
)
STORED = {"_id": "7", "secret": "x", "name": "a", "size": {"width": 1, "height": 2, "secret": "x"}, "sizes": []}


def test_only_declared_fields_pass_in_their_order():
    shown = THING.render({**STORED, "sizes": [STORED["size"]]})

    size = {"width": 1, "height": 2}
    assert list(shown.items()) == [("id", "7"), ("name", "a"), ("size", size), ("sizes", [size])]


def test_optional_fields_stand_where_they_were_declared():
    shown = THING.render({**STORED, "more": STORED["size"], "note": None})

    assert list(shown) == ["id", "name", "size", "sizes", "note", "more"]
    assert shown["more"] == {"width": 1, "height": 2}


def test_null_is_passed_on():
    assert THING.render({**STORED, "size": None})["size"] is None


def test_an_id_is_taken_where_there_is_one():
    assert THING.render({"id": "8", "name": "a", "size": None, "sizes": []})["id"] == "8"


@pytest.mark.parametrize("name", ["name", "size", "_id"])
def test_a_missing_field_is_a_defect_that_is_named(name):
    stored = {key: value for key, value in STORED.items() if key != name}

    with pytest.raises(KeyError, match=f"Thing.{name.lstrip('_')} is missing"):
        THING.render(stored)


def test_a_shape_of_one_field_is_an_allow_list_too():
    assert Shape("One", name=text()).render({"name": "a", "secret": "x"}) == {"name": "a"}


def test_a_document_is_left_alone():
    stored = {**STORED}

    THING.render(stored)["name"] = "changed"

    assert stored == STORED
