"""A file that is written as it arrives: whole, in order, no faster than the disk, and gone when it is not wanted."""

import asyncio
import errno
import hashlib
import os
import threading

import pytest

from core.errors import StorageFull
from models.storage.spool import BATCH, MOST_AHEAD, Spool

PIECE = BATCH // 4


@pytest.fixture
def disk(monkeypatch):
    """A disk that writes when it is told to."""
    return Disk(monkeypatch)


class Disk:
    def __init__(self, monkeypatch):
        self.turning, self.began = threading.Event(), threading.Event()
        self.writes, self.full_after, self._write = 0, None, os.write
        self.turning.set()
        monkeypatch.setattr("models.storage.spool.os.write", self.write)

    def write(self, file, content):
        self.began.set()
        assert self.turning.wait(30)
        if self.writes == self.full_after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.writes += 1
        return self._write(file, content[: BATCH // 2])  # a disk may take less than it is given


async def fill(spool, content):
    for start in range(0, len(content), PIECE):
        spool.add(content[start : start + PIECE])
        await spool.write()


async def test_what_arrives_is_written_in_its_order_and_hashed(tmp_path, disk):
    content, spool = os.urandom(7 * BATCH + 123), Spool(tmp_path)
    await fill(spool, content)

    assert await spool.close() == hashlib.sha256(content).hexdigest()
    assert spool.path.read_bytes() == content
    assert spool.bytes == len(content)


async def test_nothing_at_all_is_a_file_too(tmp_path):
    spool = Spool(tmp_path)

    assert await spool.close() == hashlib.sha256(b"").hexdigest()
    assert spool.path.read_bytes() == b""


async def test_a_sender_waits_for_a_slow_disk(tmp_path, disk):
    disk.turning.clear()
    content, spool = os.urandom(12 * BATCH), Spool(tmp_path)
    filling = asyncio.ensure_future(fill(spool, content))
    await asyncio.to_thread(disk.began.wait, 30)
    for _ in range(100):
        await asyncio.sleep(0)

    assert not filling.done()
    assert spool.bytes == (MOST_AHEAD + 1) * BATCH
    disk.turning.set()
    await filling
    await spool.close()
    assert spool.path.read_bytes() == content


async def test_a_full_disk_is_told_and_nothing_is_written_after_it(tmp_path, disk):
    disk.full_after = 3
    spool = Spool(tmp_path)

    with pytest.raises(StorageFull):
        await fill(spool, os.urandom(12 * BATCH))
    assert spool.bytes <= (2 + MOST_AHEAD + 1) * BATCH
    with pytest.raises(StorageFull):
        await spool.close()
    assert disk.writes == 3
    await spool.discard()
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_is_full_at_the_very_end_is_told(tmp_path, disk):
    disk.full_after = 4
    spool = Spool(tmp_path)
    await fill(spool, os.urandom(2 * BATCH))
    spool.add(b"the last of it")

    with pytest.raises(StorageFull):
        await spool.close()
    await spool.discard()


async def test_what_is_discarded_is_not_written_on(tmp_path, disk):
    disk.turning.clear()
    spool = Spool(tmp_path)
    filling = asyncio.ensure_future(fill(spool, os.urandom(12 * BATCH)))
    await asyncio.to_thread(disk.began.wait, 30)
    filling.cancel()
    discarding = asyncio.ensure_future(spool.discard())
    await asyncio.sleep(0)
    disk.turning.set()
    await discarding

    assert list(tmp_path.iterdir()) == []
    assert disk.writes == 2  # both halves of the batch that was under way
    spool.add(b"x" * BATCH)
    await spool.write()
    await spool.discard()
    assert list(tmp_path.iterdir()) == []
