"""The deadline of an answer: what it cuts off, and what it lets pass."""

import asyncio

import pytest

from core.deadline import answer_due
from core.errors import NotFound, Unavailable


async def test_what_takes_too_long_is_cut_off_as_unavailable():
    with pytest.raises(Unavailable):
        async with answer_due(0.01):
            await asyncio.Event().wait()


async def test_a_step_that_gives_up_because_of_the_deadline_is_unavailable_too():
    async def step():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as e:
            raise TimeoutError from e

    with pytest.raises(Unavailable):
        async with answer_due(0.01):
            await step()


@pytest.mark.parametrize("error", [TimeoutError, NotFound, asyncio.CancelledError])
async def test_other_errors_pass_as_they_are(error):
    with pytest.raises(error):
        async with answer_due():
            raise error


async def test_without_a_deadline_nothing_is_cut_off():
    async with answer_due(None):
        await asyncio.sleep(0.01)


async def test_who_is_cancelled_from_outside_is_cancelled():
    async def answer():
        async with answer_due():
            await asyncio.Event().wait()

    task = asyncio.ensure_future(answer())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
