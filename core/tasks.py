"""Background tasks that serve more than the request that happened to start them."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from core.errors import Unavailable

log = structlog.get_logger("marquee.tasks")

T = TypeVar("T")


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
