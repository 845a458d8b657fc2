"""Transactions: again on conflicts, aborted on refusals, bounded in time."""

import asyncio

import pytest

from core.errors import Conflict


async def test_writers_that_collide_all_get_through(marquee):
    docs = marquee.ground.collection("server")
    await docs.insert({"_id": "counter", "n": 0})

    async def raise_by_one(session):
        read = await docs.get({"_id": "counter"}, session=session)
        await docs.update({"_id": "counter"}, {"$set": {"n": read["n"] + 1}}, session=session)

    await asyncio.gather(*(marquee.ground.transaction(raise_by_one) for _ in range(20)))

    assert (await docs.get({"_id": "counter"}))["n"] == 20


async def test_a_refusal_inside_undoes_everything_and_leaves_as_it_is(marquee):
    docs = marquee.ground.collection("server")

    async def write_and_refuse(session):
        await docs.insert({"_id": "half"}, session=session)
        raise Conflict

    with pytest.raises(Conflict):
        await marquee.ground.transaction(write_and_refuse)

    assert await docs.get({"_id": "half"}) is None
