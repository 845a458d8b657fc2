"""The files that are begun first: they are there."""

from pathlib import Path

import pytest

from tests.longest_first import LONGEST

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", LONGEST)
def test_a_file_that_is_said_to_last_long_is_there(name):
    assert (ROOT / name).is_file()
