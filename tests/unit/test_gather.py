import asyncio

import pytest

from core.gather import Gather


async def test_calls_of_one_moment_go_together_in_order_and_get_their_own_results():
    batches = []

    async def work(items):
        batches.append(list(items))
        await asyncio.sleep(0.01)
        return [item * 2 for item in items]

    gather = Gather(work, most=4)
    results = await asyncio.gather(*(gather.add(number) for number in range(10)))

    assert results == [number * 2 for number in range(10)]
    assert [item for batch in batches for item in batch] == list(range(10))
    assert max(map(len, batches)) == 4


async def test_one_batch_is_under_way_at_a_time():
    under_way = most = 0

    async def work(items):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return items

    gather = Gather(work, most=2)
    await asyncio.gather(*(gather.add(number) for number in range(20)))

    assert most == 1


async def test_a_failure_is_that_of_its_batch_only():
    async def work(items):
        if 1 in items:
            raise LookupError
        return items

    gather = Gather(work, most=1)
    results = await asyncio.gather(*(gather.add(number) for number in range(3)), return_exceptions=True)

    assert (results[0], results[2]) == (0, 2)
    assert isinstance(results[1], LookupError)


async def test_a_caller_that_gave_up_disturbs_nobody():
    async def work(items):
        await asyncio.sleep(0.01)
        return items

    gather = Gather(work, most=10)
    impatient = asyncio.ensure_future(gather.add(1))
    patient = asyncio.ensure_future(gather.add(2))
    await asyncio.sleep(0)
    impatient.cancel()

    assert await patient == 2
    with pytest.raises(asyncio.CancelledError):
        await impatient
