"""What a start does to a MongoDB that has everything already, as every restarted process finds it."""

import asyncio

from models import indexes
from models.validators import VALIDATORS


async def test_a_start_waits_for_no_open_transaction(marquee):
    """A process that was killed in one leaves its locks for seconds: who waits for them makes all others wait too."""
    ground = marquee.ground
    async with await ground.client.start_session() as session, session.start_transaction():
        for name in indexes.INDEXES:
            await ground.collection(name).update({"_id": "nobody"}, {"$set": {"version": 1}}, session=session)

        starting = asyncio.ensure_future(indexes.ensure(ground.client, ground.database))
        await asyncio.wait([starting], timeout=3)  # the locks stay for longer

        assert starting.done()
        starting.result()


async def test_a_start_brings_validators_up_to_date(marquee):
    ground = marquee.ground
    database = ground.client[ground.database]
    await database.command("collMod", "rooms", validator={"name": {"$type": "int"}})

    await indexes.ensure(ground.client, ground.database)

    [rooms] = await (await database.list_collections(filter={"name": "rooms"})).to_list(None)
    assert rooms["options"]["validator"] == VALIDATORS["rooms"]
