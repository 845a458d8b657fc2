"""What a start does to a MongoDB that has everything already, as every restarted process finds it."""

import asyncio
from contextlib import asynccontextmanager

from core.deadline import ANSWER_SECONDS
from models import indexes
from models.validators import VALIDATORS
from tests.promptness import PATIENCE, eventually


@asynccontextmanager
async def transaction(marquee):
    """Open a transaction for as long as the block lasts; by itself it would end after 5 s."""
    client = marquee.ground.client
    life = await client.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=2 * PATIENCE)
    try:
        async with await client.start_session() as session:
            session.start_transaction()
            yield session
            await session.abort_transaction()
    finally:
        await client.admin.command("setParameter", 1, transactionLifetimeLimitSeconds=life["was"])


async def test_a_start_waits_for_no_open_transaction(marquee):
    """A process that was killed in one leaves its locks for seconds: who waits for them makes all others wait too."""
    ground = marquee.ground
    async with transaction(marquee) as session:
        for name in indexes.INDEXES:
            await ground.collection(name).update({"_id": "nobody"}, {"$set": {"version": 1}}, session=session)

        starting = asyncio.ensure_future(indexes.ensure(marquee.mongo, marquee.settings))
        await asyncio.wait([starting], timeout=PATIENCE)  # the locks stay for longer

        assert starting.done()
        starting.result()


async def test_a_start_brings_validators_up_to_date(marquee):
    ground = marquee.ground
    database = ground.client[ground.database]
    await database.command("collMod", "rooms", validator={"name": {"$type": "int"}})

    await indexes.ensure(marquee.mongo, marquee.settings)

    [rooms] = await (await database.list_collections(filter={"name": "rooms"})).to_list(None)
    assert rooms["options"]["validator"] == VALIDATORS["rooms"]


@asynccontextmanager
async def held_up(marquee):
    """Drop an index of the rooms and start a server, whose building of it waits until the block's end."""
    ground = marquee.ground
    rooms = ground.client[ground.database].rooms
    before = await rooms.index_information()
    await rooms.drop_index(next(name for name in before if name != "_id_"))
    async with transaction(marquee) as session:
        await rooms.update_one({"_id": "nobody"}, {"$set": {"version": 1}}, session=session)
        starting = asyncio.ensure_future(indexes.ensure(marquee.mongo, marquee.settings))
        yield starting
    await starting
    assert await rooms.index_information() == before


async def building(marquee):
    """Return MongoDB's operations that build an index of the rooms."""
    asked = {"command.createIndexes": "rooms", "opid": {"$exists": True}}
    return (await marquee.ground.client.admin.command("currentOp", 1, **asked))["inprog"]


async def test_an_index_may_take_longer_to_build_than_an_answer(marquee):
    async def lasts():
        return any(one["microsecs_running"] > ANSWER_SECONDS * 1_000_000 for one in await building(marquee))

    async with held_up(marquee) as starting:
        await eventually(lasts)
        assert not starting.done()


async def test_an_index_whose_building_was_interrupted_is_built_again(marquee):
    async with held_up(marquee):
        killed = []
        while not killed:
            killed = [
                await marquee.ground.client.admin.command("killOp", op=operation["opid"])
                for operation in await building(marquee)
            ]
        await asyncio.sleep(0.3)
