"""Taking metadata out of images, of any bytes at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.storage.sniff import GIF, JPEG, PNG, WEBP, sniff
from models.storage.strip import STRIPPERS, Broken
from tests import samples

IMAGES = {
    "jpg": samples.image_bytes("JPEG", width=40, height=30, exif=samples.exif(3), progressive=True),
    "png": samples.image_bytes("PNG", width=40, height=30, exif=samples.exif(3)),
    "webp": samples.animation("WEBP"),
    "gif": samples.animation("GIF"),
}


@pytest.mark.parametrize("ext", IMAGES)
@settings(max_examples=300, deadline=None)
@given(place=st.floats(0, 1), patch=st.binary(min_size=1, max_size=8), cut=st.integers(0, 40))
def test_damaged_images_are_stripped_or_refused(ext, place, patch, cut):
    content = bytearray(IMAGES[ext])
    begin = int(place * len(content))
    content[begin : begin + len(patch)] = patch
    damaged = bytes(content[: len(content) - cut])

    try:
        stripped = STRIPPERS[ext](damaged)
    except (Broken, IndexError):
        return
    assert len(stripped.content) <= len(damaged) + 100
    assert 1 <= stripped.orientation <= 8


@pytest.mark.parametrize("ext", IMAGES)
def test_stripping_twice_changes_nothing_more(ext):
    once = STRIPPERS[ext](IMAGES[ext])
    twice = STRIPPERS[ext](once.content)

    assert twice.content == once.content
    assert samples.MAKER.encode() not in once.content


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_sniffed_and_stripped_or_refused(content):
    kind = sniff(content)
    assert kind is None or kind in {JPEG, PNG, GIF, WEBP} or kind.type == "video"
    for strip in STRIPPERS.values():
        try:
            strip(content)
        except (Broken, IndexError):
            continue


def test_the_kind_is_told_by_the_first_bytes():
    assert {ext: sniff(content).ext for ext, content in IMAGES.items()} == {ext: ext for ext in IMAGES}
