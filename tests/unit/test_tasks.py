"""Background work: how it is ended, and how it fails, in one line for an outage and with a traceback for a defect."""

import asyncio

import pytest

from core import tasks
from core.errors import Unavailable
from core.tasks import ended, logged


async def failing(error):
    raise error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Unavailable(), {"log_level": "warning", "error": "unavailable"}),
        (ValueError("of ours"), {"log_level": "error", "exc_info": True}),
    ],
)
async def test_a_failure_is_logged_and_goes_no_further(error, line, lines):
    await logged(failing(error))

    assert lines == [{"event": "task.failed", "task": "failing", **line}]


async def deaf(times):
    """Run for ever, and forget so many cancellations."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if times == 0:
                raise
            times -= 1


async def test_what_is_to_end_is_told_so_until_it_hears(monkeypatch):
    monkeypatch.setattr(tasks, "_AGAIN_SECONDS", 0.01)
    running = [asyncio.ensure_future(deaf(times)) for times in (0, 1, 5)]
    running.append(asyncio.ensure_future(failing(ValueError("before it was asked"))))
    await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await ended(running)

    assert [task.cancelled() for task in running] == [True, True, True, False]
    await ended(running)
