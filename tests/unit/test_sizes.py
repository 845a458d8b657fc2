"""Sizes as people are told them."""

import pytest

from core.sizes import in_words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (262_144, "262.1 kB"),
        (2_500_000, "2.5 MB"),
        (25_000_000, "25 MB"),
        (26_214_400, "26.2 MB"),
        (29_999_999, "29.9 MB"),
        (20_000_000_000, "20 GB"),
        (10**15, "1,000,000 GB"),
    ],
)
def test_a_size_is_told_in_its_unit_and_never_as_more_than_it_is(size, words):
    assert in_words(size) == words
