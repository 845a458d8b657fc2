"""Work that is shared by those who ask for it at the same time."""

import asyncio

import pytest

from core.shared import Shared


class Slow:
    """Counts its runs; each ends when it is let."""

    def __init__(self):
        self.begun = 0
        self.gates = []

    async def run(self):
        self.begun += 1
        number = self.begun
        gate = asyncio.get_running_loop().create_future()
        self.gates.append(gate)
        await gate
        return number


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_asks_while_it_runs_shares_the_next_run():
    slow, shared = Slow(), Shared()
    first = asyncio.create_task(shared.of("a", slow.run))
    await settle()
    late = [asyncio.create_task(shared.of("a", slow.run)) for _ in range(5)]
    await settle()
    assert slow.begun == 1

    slow.gates[0].set_result(None)
    await settle()
    slow.gates[1].set_result(None)

    assert await first == 1
    assert await asyncio.gather(*late) == [2] * 5
    assert slow.begun == 2


async def test_those_who_ask_at_once_share_the_first_run_too():
    slow, shared = Slow(), Shared()
    asked = [asyncio.create_task(shared.of("a", slow.run)) for _ in range(5)]
    await settle()
    slow.gates[0].set_result(None)
    assert await asyncio.gather(*asked) == [1] * 5
    assert slow.begun == 1


async def test_a_third_wave_does_not_join_the_second_one_that_has_begun():
    slow, shared = Slow(), Shared()
    first = asyncio.create_task(shared.of("a", slow.run))
    await settle()
    second = asyncio.create_task(shared.of("a", slow.run))
    slow.gates.pop().set_result(None)
    await settle()
    third = asyncio.create_task(shared.of("a", slow.run))
    await settle()
    assert slow.begun == 2

    slow.gates.pop().set_result(None)
    await settle()
    slow.gates.pop().set_result(None)

    assert [await first, await second, await third] == [1, 2, 3]


async def test_other_keys_run_at_the_same_time_and_nothing_is_kept():
    slow, shared = Slow(), Shared()
    tasks = [asyncio.create_task(shared.of(key, slow.run)) for key in "ab"]
    await settle()
    assert slow.begun == 2

    for gate in slow.gates:
        gate.set_result(None)

    assert sorted(await asyncio.gather(*tasks)) == [1, 2]
    assert not shared._running
    assert not shared._next


async def test_one_who_gives_up_does_not_end_it_for_the_others():
    slow, shared = Slow(), Shared()
    first = asyncio.create_task(shared.of("a", slow.run))
    await settle()
    gives_up, stays = (asyncio.create_task(shared.of("a", slow.run)) for _ in range(2))
    await settle()
    gives_up.cancel()
    first.cancel()
    slow.gates[0].set_result(None)
    await settle()
    slow.gates[1].set_result(None)

    assert await stays == 2


async def test_a_failure_is_everybodys_and_the_next_run_is_a_fresh_one():
    shared, gate = Shared(), asyncio.Event()

    async def fail():
        await gate.wait()
        raise OSError("on purpose")

    async def work():
        return "well"

    asked = [asyncio.create_task(shared.of("a", fail)) for _ in range(2)]
    await settle()
    gate.set()
    for each in asked:
        with pytest.raises(OSError, match="on purpose"):
            await each

    assert await shared.of("a", work) == "well"
