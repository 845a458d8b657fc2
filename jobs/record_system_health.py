"""Records how this process is and, in the leader, how the whole system is: for metrics and a week's history."""

import os
import socket
from datetime import datetime

import psutil

from core.clock import Clock, new_id
from core.metrics import Metrics
from jobs.leader import Leader
from jobs.loop_lag import LoopLag
from jobs.runner import Job
from models.base import Document
from models.health import Health
from models.stores import Stores


class SystemHealth:
    """What one process reports."""

    def __init__(
        self, stores: Stores, health: Health, leader: Leader, lag: LoopLag, *, clock: Clock, metrics: Metrics
    ) -> None:
        self._log = stores.health_log
        self._health = health
        self._leader = leader
        self._lag = lag
        self._metrics = metrics
        self._process = psutil.Process()
        self._fixed = {"_id": new_id(), "host": socket.gethostname(), "pid": os.getpid(), "startedAt": clock.now()}

    async def record(self, now: datetime) -> None:
        """Report this process; then count the screens if it leads, and show no count of old if it does not."""
        measured = await self._health.measure()
        await self._log.report(self._own(now, measured))
        if self._leader.leads:
            recorded = await self._log.record(now)
            for status, count in recorded["screens"].items():
                self._metrics.screens.labels(status).set(count)
        else:
            self._metrics.screens.clear()

    def _own(self, now: datetime, measured: dict[str, float | None]) -> Document:
        connections = next(iter(self._metrics.connections.collect())).samples
        return {
            **self._fixed,
            "at": now,
            "leads": self._leader.leads,
            "rssBytes": self._process.memory_info().rss,
            "connections": {sample.labels["kind"]: int(sample.value) for sample in connections},
            "loopLagMs": round(self._lag.take_worst() * 1000, 1),
            **measured,
        }


def record_system_health(system: SystemHealth) -> Job:
    """Return the job. It runs everywhere, and does more in the leader."""
    # Prometheus asks every 10 s, its alerts look at minutes. Each round is one small write a process.
    return Job("record_system_health", system.record, every=15, limit=10, everywhere=True)
