"""Whom a text may mention: names as they may be written in a sentence, and not more of them than are looked up."""

import pytest

from models.message_changes import MOST_MENTIONS, mentioned_names


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("@ana", ["ana"]),
        ("Hello @Ana, and (@ben)!", ["ana", "ben"]),
        ("@ana @ANA", ["ana"]),
        ("@ana.", ["ana.", "ana"]),
        ("@ana...", ["ana...", "ana..", "ana.", "ana"]),
        ("@a.b", ["a.b"]),
        ("ana@example.com @@ana x@ana", []),
        ("@an", []),
        ("@" + "a" * 33, ["a" * 32]),
        ("\u202e@ana", ["ana"]),
    ],
)
def test_names_are_found_in_sentences(content, names):
    assert mentioned_names(content) == names


def test_so_many_names_are_looked_up_and_no_more():
    content = " ".join(f"@user{number}" for number in range(MOST_MENTIONS + 10))

    assert mentioned_names(content) == [f"user{number}" for number in range(MOST_MENTIONS)]
