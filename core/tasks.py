"""Background tasks that serve more than the request that happened to start them."""

import asyncio
import contextvars
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import structlog

from core.errors import Unavailable

log = structlog.get_logger("marquee.tasks")

T = TypeVar("T")
_AGAIN_SECONDS = 2.0  # between two cancellations: time for what a task has to put in order


def apart(work: Coroutine[Any, Any, T], *, name: str | None = None) -> "asyncio.Task[T]":
    """Start `work` as a task with an empty context.

    A task inherits the context of whoever starts it: one request's id seed (core/clock.py) would make the same
    "new" ids for all others, and its request id would stand in their log lines. The caller keeps the reference.
    """
    return asyncio.create_task(work, name=name, context=contextvars.Context())


async def logged(work: Coroutine[Any, Any, Any]) -> None:
    """Await `work`; a failure is logged and goes no further: an outage in one line, a defect with its traceback."""
    name = getattr(work, "__qualname__", "")
    try:
        await work
    except Unavailable as e:
        log.warning("task.failed", task=name, error=e.code)
    except Exception:
        log.exception("task.failed", task=name)


async def ended(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel tasks and return when all of them have ended, however.

    A cancellation can be lost: Python 3.11's `wait_for`, with which redis-py sends, forgets one that comes in the
    moment in which the sending is done. What runs for ever would go on then, and who waits for its end with it. So it
    is asked again until it is heard.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        over, running = await asyncio.wait(running, timeout=_AGAIN_SECONDS)
        for task in over:
            task.cancelled() or task.exception()  # looked at: nobody else does
