"""Every Prometheus metric that a process exposes, in a registry of its own.

Names follow Prometheus' conventions: a unit at the end, `_total` for counters. docs/operations.md lists
them; deploy/prometheus and deploy/grafana use them.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import generate_latest

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SLOW = (*_FAST, 10, 30, 60, 120)


class Metrics:
    """One attribute a metric. Made once a process (once a server in tests) and passed to whoever counts."""

    def __init__(self) -> None:
        """Register every metric in a fresh registry."""
        self.registry = r = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=r)
        PlatformCollector(registry=r)
        # requests
        self.requests = Counter(
            "marquee_http_requests_total", "Answers given.", ["route", "method", "status"], registry=r
        )
        self.request_seconds = Histogram(
            "marquee_http_request_seconds", "From headers read to answer written.", ["route"], buckets=_SLOW, registry=r
        )
        self.requests_in_progress = Gauge("marquee_http_requests_in_progress", "Requests being answered.", registry=r)
        self.rate_limited = Counter("marquee_rate_limited_total", "Refusals by policy.", ["policy"], registry=r)
        self.password_hashes_waiting = Gauge(
            "marquee_password_hashes_waiting", "bcrypt runs that go on or wait.", registry=r
        )
        # stores
        self.store_seconds = Histogram(
            "marquee_store_seconds", "MongoDB operations.", ["collection", "operation"], buckets=_FAST, registry=r
        )
        self.store_errors = Counter("marquee_store_errors_total", "Failed store operations.", ["store"], registry=r)
        self.redis_up = Gauge("marquee_redis_up", "1 while Redis answers.", registry=r)
        # realtime
        self.connections = Gauge("marquee_connections", "Open sockets.", ["kind"], registry=r)
        self.connections_closed = Counter(
            "marquee_connections_closed_total", "Closed sockets by close code.", ["kind", "code"], registry=r
        )
        self.frames_received = Counter("marquee_frames_received_total", "Frames from clients.", ["kind"], registry=r)
        self.deliveries = Counter("marquee_deliveries_total", "Frames handed to connections.", registry=r)
        self.dropped = Counter("marquee_dropped_total", "Ephemeral events dropped for slow clients.", registry=r)
        self.slow_clients = Counter("marquee_slow_clients_total", "Connections closed for slowness.", registry=r)
        self.publications = Counter("marquee_publications_total", "Publications by way.", ["way"], registry=r)
        self.fanout_seconds = Histogram(
            "marquee_fanout_seconds", "One broadcast to this process's connections.", buckets=_FAST, registry=r
        )
        self.broker_lag_seconds = Gauge("marquee_broker_lag_seconds", "A message's way to oneself.", registry=r)
        self.broker_up = Gauge("marquee_broker_up", "1 while the broker's subscription lives.", registry=r)
        self.broker_reconnects = Counter("marquee_broker_reconnects_total", "Renewed subscriptions.", registry=r)
        self.room_repairs = Counter(
            "marquee_room_repairs_total", "Rooms that read from a snapshot what was not delivered.", registry=r
        )
        self.room_retries = Counter(
            "marquee_room_retries_total",
            "Batches that met another process's, and were tried again.",
            registry=r,
        )
        self.room_groups_undone = Counter(
            "marquee_room_groups_undone_total",
            "Transactions of several rooms that were aborted, and done again room by room.",
            registry=r,
        )
        self.presence = Gauge("marquee_presence_leases", "Leases this process renews.", registry=r)
        # the process
        self.loop_lag_seconds = Histogram(
            "marquee_loop_lag_seconds", "How late the event loop runs a due callback.", buckets=_FAST, registry=r
        )
        self.gc_pause_seconds = Histogram(
            "marquee_gc_pause_seconds",
            "How long the collector of cyclic garbage held the process.",
            ["generation"],
            buckets=_FAST,
            registry=r,
        )
        # jobs
        self.job_runs = Counter("marquee_job_runs_total", "Job runs by outcome.", ["job", "outcome"], registry=r)
        self.job_seconds = Histogram("marquee_job_seconds", "Job durations.", ["job"], buckets=_SLOW, registry=r)
        self.job_last_success = Gauge(
            "marquee_job_last_success_timestamp_seconds", "When the job last succeeded.", ["job"], registry=r
        )
        self.leader = Gauge("marquee_leader", "1 while this process leads the jobs.", registry=r)
        # screens and media
        self.screens = Gauge("marquee_screens", "Screens by status, as the leader counts.", ["status"], registry=r)
        self.offline_held_seconds = Gauge(
            "marquee_offline_held_seconds", "For how long this process calls no screen offline.", registry=r
        )
        self.beats = Counter("marquee_screen_beats_total", "Heartbeats answered.", registry=r)
        self.uploads = Counter("marquee_uploads_total", "Uploads by outcome.", ["outcome"], registry=r)
        self.upload_bytes = Counter("marquee_upload_bytes_total", "Bytes received in uploads.", registry=r)
        self.probe_seconds = Histogram(
            "marquee_probe_seconds", "Media probing in the worker process.", buckets=_SLOW, registry=r
        )
        self.mails = Counter("marquee_mails_total", "Mails by outcome.", ["outcome"], registry=r)

    def text(self) -> bytes:
        """Return the registry in Prometheus' text format."""
        return generate_latest(self.registry)
