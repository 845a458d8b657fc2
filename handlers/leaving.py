"""The end of a process, seen from REST: what was asked before is answered first."""

import asyncio
import time

from core.metrics import Metrics

FINISH_SECONDS = 5  # an answer is due within this; a longer upload is cut, and repeated elsewhere


async def answered(metrics: Metrics, seconds: float = FINISH_SECONDS) -> None:
    """Wait until no request is being answered, `seconds` at most. The server has stopped listening before."""
    deadline = time.monotonic() + seconds
    while _in_progress(metrics) and time.monotonic() < deadline:  # noqa: ASYNC110 - a gauge has no event
        await asyncio.sleep(0.02)


def _in_progress(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("marquee_http_requests_in_progress") or 0
