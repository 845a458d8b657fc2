"""Media on the local disk, and the addresses that they are served under."""

import asyncio
import errno
import re
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import Forbidden, StorageFull, Unavailable
from core.signatures import WINDOW, Signatures, window, window_expiry
from models.storage import local
from models.storage.local import LocalStorage

SHA = "ab" * 32
KEY = f"{SHA}.png"
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
SIGNED = re.compile(r"(?P<path>/media/[^?]+)\?exp=(?P<exp>\d+)&sig=(?P<sig>[\w-]+)")


@pytest.fixture
def storage(tmp_path):
    return LocalStorage(tmp_path / "media", Signatures("k" * 32))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "incoming" / "source"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"picture")
    return path


def test_what_was_put_lies_under_its_hash(storage, source):
    asyncio.run(storage.put(source, KEY))

    assert storage.path(KEY).read_bytes() == b"picture"
    assert storage.path(KEY).relative_to(storage.path(KEY).parents[1]).as_posix() == f"ab/{KEY}"
    assert storage.path(f"thumbs/{SHA}.webp") != storage.path(f"{SHA}.webp")


def test_the_same_key_again_is_no_error(storage, source):
    asyncio.run(storage.put(source, KEY))
    source.write_bytes(b"picture")
    asyncio.run(storage.put(source, KEY))

    assert storage.path(KEY).read_bytes() == b"picture"


def test_deleting_twice_is_no_error(storage, source):
    asyncio.run(storage.put(source, KEY))
    asyncio.run(storage.delete(KEY))
    asyncio.run(storage.delete(KEY))

    assert not storage.path(KEY).exists()


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", f"{SHA}.png/..", "", f"x/{KEY}", f"{SHA}.", f"{KEY}\n", f"{SHA}.p/g"]
)
def test_nothing_else_than_a_key_becomes_a_path(storage, key):
    with pytest.raises(ValueError, match="no storage key"):
        storage.path(key)


def test_another_disk_is_copied_to_whole_or_not_at_all(storage, source, tmp_path, monkeypatch):
    def within_one_disk(path, target):
        if path.is_relative_to(tmp_path / "media") != target.is_relative_to(tmp_path / "media"):
            raise OSError(errno.EXDEV, "another device")
        return path.rename(target)

    monkeypatch.setattr(type(source), "replace", within_one_disk)
    asyncio.run(storage.put(source, KEY))

    assert storage.path(KEY).read_bytes() == b"picture"
    assert list((tmp_path / "media" / "parts").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "problem"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, Unavailable)]
)
def test_a_disk_that_is_full_or_ill_is_told_apart(storage, source, monkeypatch, number, problem):
    def fails(_path):
        raise OSError(number, "no")

    monkeypatch.setattr(local, "_sync", fails)
    with pytest.raises(problem):
        asyncio.run(storage.put(source, KEY))
    assert not storage.path(KEY).exists()


def test_an_address_is_good_for_a_week_at_least_and_stays_the_same_in_its_window(storage):
    begin = datetime.fromtimestamp(0, UTC) + window(NOW) * WINDOW
    moments = [begin, begin + timedelta(days=3), begin + WINDOW - timedelta(milliseconds=1)]

    assert len({storage.url(KEY, moment) for moment in moments}) == 1
    assert storage.url(KEY, begin + WINDOW) != storage.url(KEY, begin)
    assert all(timedelta(days=7) <= window_expiry(moment) - moment <= timedelta(days=14) for moment in moments)


def test_a_signed_address_verifies_until_it_expires(storage):
    signatures = Signatures("k" * 32)
    path, exp, sig = SIGNED.fullmatch(storage.url(KEY, NOW)).groups()

    expires = signatures.verify(path, exp, sig, NOW)

    assert expires == window_expiry(NOW)
    signatures.verify(path, exp, sig, expires - timedelta(seconds=1))
    with pytest.raises(Forbidden, match="expired"):
        signatures.verify(path, exp, sig, expires)


def test_an_altered_address_is_refused(storage):
    signatures = Signatures("k" * 32)
    path, exp, sig = SIGNED.fullmatch(storage.url(KEY, NOW)).groups()
    later = str(int(exp) + 1)
    altered = [
        (path.replace("ab", "cd", 1), exp, sig),
        (path, later, sig),
        (path, exp, sig[:-1] + ("A" if sig[-1] != "A" else "B")),
        (path, exp, sig + "="),
        (path, exp, ""),
        (path, "", sig),
        (path, f"0{exp}", sig),
        (path, f"+{exp}", sig),
        (path, "٣", sig),
        (path, exp, "ü"),
    ]
    for case in altered:
        with pytest.raises(Forbidden):
            signatures.verify(*case, NOW)


def test_addresses_of_the_previous_key_still_open(storage):
    path, exp, sig = SIGNED.fullmatch(storage.url(KEY, NOW)).groups()

    Signatures("n" * 32, "k" * 32).verify(path, exp, sig, NOW)
    with pytest.raises(Forbidden):
        Signatures("n" * 32).verify(path, exp, sig, NOW)
