"""A MongoDB that has just been started answers, and does not serve yet: that is away too, and no defect of ours."""

import asyncio
import signal
from dataclasses import replace

import pytest

from bench.attack_stores import Member
from core.errors import Unavailable
from models import indexes
from models.client import close, connect


@pytest.fixture
def ground(marquee, tmp_path):
    """The ground of stores in a mongod that is of no replica set: it says of itself what one says that is starting."""
    member = Member(tmp_path / "mongod", tmp_path / "mongod.log")
    member.start()
    client = connect(f"mongodb://127.0.0.1:{member.port}/?directConnection=true")
    yield replace(marquee.ground, client=client)
    close(client)
    member.signal(signal.SIGKILL)


@pytest.mark.gen_test(timeout=60)  # a read is tried again for 4 s, as one that finds nobody is
async def test_a_mongodb_that_does_not_serve_yet_is_away(ground):
    docs = ground.collection("server")

    async def read(session=None):
        return await docs.get({"_id": "first"}, session=session)

    for work in (ground.transaction(read), ground.snapshot(read), read(), docs.delete({"_id": "first"})):
        with pytest.raises(Unavailable):
            await work


@pytest.mark.gen_test(timeout=120)
async def test_a_start_that_builds_an_index_goes_on_when_mongodb_is_back(settings, mongodb):
    settings = replace(settings, mongodb_url=mongodb.url)
    client = connect(mongodb.url)
    await indexes.ensure(client, settings)
    rooms = client[settings.mongodb_database].rooms
    before = await rooms.index_information()
    await rooms.drop_index(next(name for name in before if name != "_id_"))

    async with await client.start_session() as session:
        session.start_transaction()
        await rooms.update_one({"_id": "nobody"}, {"$set": {"version": 1}}, session=session)  # the building waits
        starting = asyncio.ensure_future(indexes.ensure(client, settings))
        await asyncio.sleep(1)
        mongodb.members[0].signal(signal.SIGKILL)
    await asyncio.sleep(5)  # longer than a primary is looked for
    mongodb.members[0].start()
    await starting

    assert await rooms.index_information() == before
    close(client)
