"""Health, readiness and metrics: for load balancers and Prometheus."""

from typing import Any

from core import resources as r
from core.errors import NotFound, Unavailable
from handlers import requests
from handlers.base import ApiHandler
from handlers.endpoint import Answer, endpoint


class HealthHandler(ApiHandler):
    """`/healthz`."""

    @endpoint(needs="nobody", returns=r.HEALTH, counted=False)
    async def get(self) -> Any:
        """Say that the process lives."""
        return {"status": "ok"}


class ReadyHandler(ApiHandler):
    """`/readyz`."""

    @endpoint(needs="nobody", returns=r.READINESS, counted=False)
    async def get(self) -> Any:
        """Say whether requests should be sent here: degraded without Redis, 503 without MongoDB and while draining."""
        ready, checks = await self.edge.health.ready()
        if not ready:
            raise Unavailable(detail="; ".join(f"{name}: {state}" for name, state in checks.items()))
        return {"status": "ready" if set(checks.values()) == {"ok"} else "degraded", "checks": checks}


class MetricsHandler(ApiHandler):
    """`/metrics`."""

    @endpoint(needs="nobody", counted=False, content_type="text/plain; version=0.0.4; charset=utf-8", problems=(404,))
    async def get(self) -> Answer | None:
        """Expose the Prometheus metrics; only to allowed peers, and to nothing that was forwarded."""
        peer = self.request.remote_ip or ""
        if requests.was_forwarded(self.request) or not requests.address_in(peer, self.edge.settings.metrics_allow):
            raise NotFound
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        await self.finish(self.edge.metrics.text())
        return None


routes = [("/healthz", HealthHandler), ("/readyz", ReadyHandler), ("/metrics", MetricsHandler)]
