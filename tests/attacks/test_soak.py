"""What `python -m bench.soak` takes for flat, and what not."""

import pytest

from bench.soak import Record

MB = 1 << 20


def record(sizes, descriptors):
    return Record(
        [(second, size * MB, open_) for second, (size, open_) in enumerate(zip(sizes, descriptors, strict=True))]
    )


@pytest.mark.parametrize(
    "sizes",
    [
        [90] * 30,
        [60, 70, 80, 90, 100, 110, 120, 120, 121, 120, *[121, 122] * 10],  # the warm-up does not count
        [100] * 20 + [100, 160, 100, 101, 100, 99, 180, 100, 100, 101],  # what an attack takes and gives back
        [100, 90, 95] * 10,
    ],
)
def test_memory_that_comes_and_goes_is_flat(sizes):
    assert record(sizes, [50] * 30).faults("process 0", 10) == []


def test_memory_that_grows_on_after_the_warm_up_is_found_out():
    found = record([100 + 4 * n for n in range(30)], [50] * 30).faults("process 0", 10)

    assert found == ["process 0: memory grew from 166 to 208 MB after the warm-up"]


def test_descriptors_that_are_not_given_back_are_found_out():
    found = record([100] * 30, [50 + 2 * n for n in range(30)]).faults("process 1", 10)

    assert found == ["process 1: descriptors grew from 79 to 99 after the warm-up"]


def test_too_short_a_run_proves_nothing():
    assert record([100] * 30, [50] * 30).is_long_enough(10)
    assert not record([100] * 30, [50] * 30).is_long_enough(11)
    assert not record([100] * 30, [50] * 30).is_long_enough(float("inf")), "no round was ever done"
