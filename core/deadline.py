"""How long what somebody waits for may take in all."""

import asyncio
from types import TracebackType

from core.errors import Unavailable

# An answer is due within 5 s, whatever the stores and the ways to them do. Giving it up takes up to 0.5 s more.
ANSWER_SECONDS = 4.3


class answer_due:  # noqa: N801 - reads as a statement
    """Cut off what is not done after `seconds` (None: never), and raise Unavailable.

    Each step has a deadline of its own (models/base.py); several slow ones, each in time, are late together. What was
    begun has an unknown outcome then, as when a store does not answer: the caller repeats it safely.

    A class, because every frame and every request goes through it: a generator costs half as much again.
    """

    __slots__ = ("_limit",)

    def __init__(self, seconds: float | None = ANSWER_SECONDS) -> None:
        self._limit = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._limit.__aexit__(kind, error, trace)
        except TimeoutError as e:
            raise Unavailable from e
        if isinstance(error, TimeoutError) and self._limit.expired():
            raise Unavailable from error  # a step's own deadline, and ours had passed as well
