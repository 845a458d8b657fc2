"""How late this process's event loop is: what everybody else waits, whatever they wait for."""

import asyncio
import time

from core.metrics import Metrics

SAMPLE_SECONDS = 0.1  # ten timers a second cost nothing and see a pause of 250 ms twice


class LoopLag:
    """Samples the lag into the metrics, from `start` to `stop`, and keeps the worst of it."""

    def __init__(self, metrics: Metrics) -> None:
        self._histogram = metrics.loop_lag_seconds
        self._worst = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to sample."""
        self._plan()

    def stop(self) -> None:
        """Sample no more."""
        if self._timer is not None:
            self._timer.cancel()

    def take_worst(self) -> float:
        """Return the longest lag since this was asked last, in seconds."""
        worst, self._worst = self._worst, 0.0
        return worst

    def _plan(self) -> None:
        due = time.perf_counter() + SAMPLE_SECONDS
        self._timer = asyncio.get_running_loop().call_later(SAMPLE_SECONDS, self._sample, due)

    def _sample(self, due: float) -> None:
        lag = max(0.0, time.perf_counter() - due)
        self._histogram.observe(lag)
        self._worst = max(self._worst, lag)
        self._plan()
