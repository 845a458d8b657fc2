"""Work that many ask for at the same time, done once for all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from core.tasks import apart

T = TypeVar("T")


class Given(dict[str, Any]):
    """A document that several who asked together are given: it is only read.

    `made` is what was made of it, by what it was made with, so that the others need not make it again
    (handlers/base.py).
    """

    __slots__ = ("made",)

    def __init__(self, **fields: Any) -> None:
        super().__init__(fields)
        self.made: dict[object, bytes] = {}


class Shared(Generic[T]):
    """Runs what is asked under one key once at a time.

    Whoever asks shares the run that has not begun yet; while one runs, that is the next. A result never comes from
    before the question, so a caller sees all that was acknowledged before it asked.
    """

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[T]] = {}
        self._next: dict[str, asyncio.Task[T]] = {}

    async def of(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `work()`, one's own or another's under the same key; its exception is everybody's."""
        task = self._next.get(key)
        if task is None or task.done():  # done before it began: cancelled
            task = self._next[key] = apart(self._run(key, work, self._running.get(key)))
        return await asyncio.shield(task)  # one who gives up does not end it for the others

    async def _run(self, key: str, work: Callable[[], Awaitable[T]], earlier: "asyncio.Task[T] | None") -> T:
        if earlier is not None:
            await asyncio.wait([earlier])
        self._running[key] = self._next.pop(key)
        try:
            return await work()
        finally:
            del self._running[key]
