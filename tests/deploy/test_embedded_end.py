"""How the embedded stores end: with their owner, however that ends, and with nothing left behind."""

import asyncio
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pymongo
import pytest
import redis

from deploy.embedded import EmbeddedStores, running_stores
from tests.promptness import PATIENCE


@pytest.mark.parametrize("words", [(), ("volatile",)])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_no_process_is_left_however_the_owner_ends(owners, tmp_path, number, status, words):
    owner = owners(tmp_path / "data", *words)
    assert sorted(p.name() for p in owner.family)[:1] == ["mongod"]
    assert len(owner.family) == 3
    memory = [Path(part) for p in owner.family for part in p.cmdline() if part.startswith("/dev/shm/")]

    assert owner.end(number) == status

    assert owner.left() == []
    assert not any(folder.exists() for folder in memory)


def test_two_may_end_them_at_once(stores, tmp_path):
    """As a start that is given up does in its thread, while its owner stops it."""
    running = stores()
    running.start_sync()

    with ThreadPoolExecutor(4) as threads:
        ended = [threads.submit(running.stop_sync) for _ in range(4)]

    assert [each.result() for each in ended] == [None] * 4
    assert running_stores(tmp_path / "data") is None


def test_a_kill_loses_no_data(owners, stores, tmp_path):
    owner = owners(tmp_path / "data")
    mongodb, bell_url, _ = owner.said.split()
    with pymongo.MongoClient(mongodb, timeoutMS=30_000, w="majority") as client:
        client.test.things.insert_one({"_id": 1})
    with redis.from_url(bell_url) as bell:
        bell.set("rung", 1)

    owner.end(signal.SIGKILL)
    urls = stores().start_sync()  # at once: it waits until the killed one's stores have ended

    assert owner.left() == []
    with pymongo.MongoClient(urls.mongodb, timeoutMS=30_000) as client:
        assert client.test.things.count_documents({}) == 1
    with redis.from_url(urls.redis) as bell:
        assert bell.get("rung") == b"1"


def test_a_worker_that_outlives_the_owner_does_not_keep_the_stores(owners, tmp_path):
    owner = owners(tmp_path / "data", "worker")
    worker = psutil.Process(int(owner.said.split()[2]))
    owner.family = [p for p in owner.family if p.pid != worker.pid]

    owner.end(signal.SIGKILL)

    try:
        assert worker.is_running()
        assert owner.left() == []
        assert running_stores(tmp_path / "data") is None
    finally:
        worker.kill()


def test_the_stores_end_even_if_the_watchdog_is_killed(owners, tmp_path):
    owner = owners(tmp_path / "data")
    watchdog = next(p for p in owner.family if p.name() not in ("mongod", "redis-server"))

    watchdog.kill()

    assert owner.left() == []
    assert owner.end(signal.SIGTERM) == 0


def test_a_store_that_is_killed_comes_back_where_it_was(owners, tmp_path):
    owner = owners(tmp_path / "data")
    mongodb = owner.said.split()[0]
    with pymongo.MongoClient(mongodb, timeoutMS=30_000) as client:
        client.test.things.insert_one({"_id": 1})
        next(p for p in owner.family if p.name() == "mongod").kill()

        client.test.things.insert_one({"_id": 2})
        assert client.test.things.count_documents({}) == 2


def test_a_start_that_is_cancelled_leaves_nothing(tmp_path, monkeypatch):
    before = set(psutil.Process().children(recursive=True))
    launched, cancelled, launch = threading.Event(), threading.Event(), EmbeddedStores._launch

    def launch_and_wait(*given):
        launch(*given)
        launched.set()
        cancelled.wait(PATIENCE)

    async def run():
        stores = EmbeddedStores(tmp_path, volatile=True)
        start = asyncio.create_task(stores.start())
        await asyncio.to_thread(launched.wait, PATIENCE)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        cancelled.set()

    monkeypatch.setattr(EmbeddedStores, "_launch", launch_and_wait)
    asyncio.run(run())  # returns when the thread that was starting them has ended

    assert running_stores(tmp_path) is None
    assert set(psutil.Process().children(recursive=True)) <= before
