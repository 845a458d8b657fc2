"""How long what somebody waits for may take in all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.errors import Unavailable

# An answer is due within 5 s, whatever the stores and the ways to them do. Giving it up takes up to 0.5 s more.
ANSWER_SECONDS = 4.3


@asynccontextmanager
async def answer_due(seconds: float | None = ANSWER_SECONDS) -> AsyncIterator[None]:
    """Cut off what is not done after `seconds` (None: never), and raise Unavailable.

    Each step has a deadline of its own (models/base.py); several slow ones, each in time, are late together. What was
    begun has an unknown outcome then, as when a store does not answer: the caller repeats it safely.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as e:
        if limit.expired():
            raise Unavailable from e
        raise
