"""The secrets that a server makes for itself in its data directory."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.embedded import EmbeddedStoresError, ensure_secret


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path):
    first = ensure_secret(tmp_path / "data" / "secret_key")

    assert len(first) == 43
    assert ensure_secret(tmp_path / "data" / "secret_key") == first
    assert stat.S_IMODE((tmp_path / "data" / "secret_key").stat().st_mode) == 0o600
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["secret_key"]


def test_a_secret_that_others_could_read_is_shut(tmp_path):
    path = tmp_path / "secret_key"
    secret = ensure_secret(path)
    path.chmod(0o644)

    assert ensure_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_all_who_race_for_a_secret_get_the_same(tmp_path):
    together = threading.Barrier(16)

    def race(path):
        together.wait()
        return ensure_secret(path)

    for turn in range(20):
        with ThreadPoolExecutor(16) as pool:
            assert len(set(pool.map(race, [tmp_path / str(turn)] * 16))) == 1


def test_an_empty_secret_is_refused(tmp_path):
    (tmp_path / "secret_key").touch(mode=0o600)

    with pytest.raises(EmbeddedStoresError, match="secret_key is shorter"):
        ensure_secret(tmp_path / "secret_key")
