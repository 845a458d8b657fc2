"""Python's collector of reference cycles: while it looks around, nobody is served.

Its cost is that of the objects that it looks at, dead or alive. As Python comes it looked at all of them, 105,000
before the first connection, as often as a thousand screens were told of a change: up to 90 ms, and nothing to collect.
"""

import gc
import time
from typing import Any

from core.metrics import Metrics

# Objects made and not freed before the young are looked at, and how many such looks before the next older ones are.
# Python's 700 is less than one batch of 500 documents: they were counted as old while they were still being read. A
# look at everything comes after 180,000 now, or when a quarter is new if that is later: at 9,000 sockets, of 33
# objects each, it takes 140 ms.
THRESHOLDS = (10_000, 5, 2)


def settle(metrics: Metrics) -> None:
    """Leave alone for ever what is there now, look at the rest less often, and time each look.

    To be called once, when all that stays until the end of the process is made.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.callbacks.append(_Watch(metrics))


class _Watch:
    """Counts the pauses, by generation: 0 the youngest, 2 all."""

    def __init__(self, metrics: Metrics) -> None:
        self._timers = [metrics.gc_pause_seconds.labels(str(generation)) for generation in range(3)]
        self._began = 0.0

    def __call__(self, phase: str, collection: dict[str, Any]) -> None:
        """Be told by the collector that it begins (`start`) and that it has ended (`stop`)."""
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self._timers[collection["generation"]].observe(time.perf_counter() - self._began)
