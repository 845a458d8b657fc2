"""/healthz, /readyz and /metrics: who may ask, and what they say when a store is away or the process ends."""

import ipaddress
from dataclasses import replace

import pytest

from deploy.embedded import EmbeddedStores
from models import health
from tests.clients import Api
from tests.promptness import PATIENCE, eventually, within
from tests.realtime.redis_process import RedisProcess


@pytest.fixture
def patient_probe(monkeypatch):
    """Let MongoDB answer a probe as late as the machine lets it, where the test is not about its being away."""
    monkeypatch.setattr(health, "PING_SECONDS", PATIENCE)


async def test_a_living_process_says_so(api):
    reply = await api.get("/healthz")

    assert (reply.status, reply.json) == (200, {"status": "ok"})
    assert "RateLimit" not in reply.headers


@pytest.mark.usefixtures("patient_probe")
async def test_a_process_with_both_stores_is_ready(api):
    reply = await api.get("/readyz")

    assert reply.status == 200
    assert reply.json == {"status": "ready", "checks": {"mongodb": "ok", "redis": "ok"}}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_probes_answer_head_and_take_nothing_else(api, path):
    head = await api.ask("HEAD", path)
    refused = await api.post(path, {})

    assert (head.status, head.body) == (200, b"")
    assert (refused.status, refused.code, refused.headers["Allow"]) == (405, "method_not_allowed", "GET, HEAD, OPTIONS")


@pytest.mark.usefixtures("patient_probe")
async def test_a_draining_process_is_alive_and_not_ready(api, marquee):
    marquee.health.draining = True

    ready = await api.get("/readyz")

    assert (ready.status, ready.code, ready.json["detail"]) == (
        503,
        "unavailable",
        "mongodb: ok; redis: ok; process: draining",
    )
    assert ready.headers["Retry-After"]
    living = await api.get("/healthz")
    assert (living.status, living.headers["Connection"]) == (200, "close")


@pytest.mark.usefixtures("patient_probe")
class TestWithoutRedis:
    @pytest.fixture
    def own_redis(self, tmp_path):
        process = RedisProcess(tmp_path)
        yield process
        process.thaw_if_alive()
        process.kill()

    @pytest.fixture
    def settings(self, settings, own_redis):
        return replace(settings, redis_url=own_redis.url)

    @pytest.mark.parametrize("how", ["killed", "frozen"])
    async def test_a_process_without_redis_is_degraded_and_heals(self, api, marquee, own_redis, how):
        own_redis.kill() if how == "killed" else own_redis.freeze()

        with within(2):
            reply = await api.get("/readyz")

        assert (reply.status, reply.json) == (
            200,
            {"status": "degraded", "checks": {"mongodb": "ok", "redis": "away"}},
        )
        assert b"marquee_redis_up 0.0" in (await api.get("/metrics")).body
        assert b'marquee_store_errors_total{store="redis"}' in (await api.get("/metrics")).body
        own_redis.start() if how == "killed" else own_redis.thaw()

        async def healed():
            ready = await api.get("/readyz")
            return ready.json["status"] == "ready" and b"marquee_redis_up 1.0" in (await api.get("/metrics")).body

        await eventually(healed)  # for good: on a busy machine a call of a job's may miss its half second once more


class TestWithoutMongoDB:
    @pytest.fixture
    def own_mongodb(self, tmp_path):
        stores = EmbeddedStores(tmp_path / "mongodb", redis=False, volatile=True)
        (tmp_path / "mongodb").mkdir()
        yield stores, stores.start_sync()
        stores.stop_sync()

    @pytest.fixture
    def settings(self, settings, own_mongodb):
        return replace(settings, mongodb_url=own_mongodb[1].mongodb)

    async def test_a_process_without_mongodb_is_alive_and_not_ready(self, api, admin, own_mongodb):
        assert (await api.get("/readyz")).status == 200
        await own_mongodb[0].stop()

        with within(3):
            ready = await api.get("/readyz")

        assert (ready.status, ready.json["detail"]) == (503, "mongodb: away; redis: ok")
        for who in (None, admin, "nonsense"):
            assert (await api.get("/healthz", as_=who)).status == 200
        assert (await api.get("/metrics")).status == 200


# --- who may read the metrics -----------------------------------------------------------------------------------------


async def test_an_allowed_peer_reads_the_metrics(api):
    reply = await api.get("/metrics")

    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"# TYPE marquee_http_requests_total counter" in reply.body
    assert b"process_resident_memory_bytes" in reply.body


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Proto", "X-Scheme", "Via", "x-forwarded-for"],
)
async def test_nothing_that_was_forwarded_reads_the_metrics(api, header):
    reply = await api.get("/metrics", headers={header: "127.0.0.1"})

    assert (reply.status, reply.code) == (404, "not_found")


async def test_a_forwarded_header_does_not_make_a_peer_an_allowed_one(closed):
    reply = await closed.get("/metrics", headers={"X-Forwarded-For": "10.0.0.1"})

    assert reply.status == 404


async def test_a_peer_that_is_not_allowed_finds_nothing(closed):
    reply = await closed.get("/metrics")

    assert (reply.status, reply.code) == (404, "not_found")
    assert b"marquee_" not in reply.body


@pytest.fixture
def closed(servers):
    """Speaks to a server whose metrics are for another network than ours."""
    client = Api(servers(metrics_allow=(ipaddress.ip_network("10.0.0.0/8"),)).port)
    yield client
    client.close()


# --- what the metrics say ---------------------------------------------------------------------------------------------


async def test_requests_are_counted_by_route_and_never_by_what_a_sender_makes_up(api, marquee, admin):
    await api.get("/api/screens?limit=1", as_=admin)
    await api.get("/api/screens/0123456789abcdef01234567", as_=admin)
    for number in range(3):
        await api.ask(f"MADEUP{number}", "/healthz")
        await api.get(f"/no/such/{number}")

    sample = marquee.metrics.registry.get_sample_value
    count = "marquee_http_requests_total"
    assert sample(count, {"route": "/api/screens", "method": "GET", "status": "200"}) == 1
    assert sample(count, {"route": "/api/screens/{id}", "method": "GET", "status": "404"}) == 1
    assert sample(count, {"route": "/healthz", "method": "other", "status": "405"}) == 3
    assert b"MADEUP" not in (await api.get("/metrics")).body
    assert b"no/such" not in (await api.get("/metrics")).body
    assert sample("marquee_http_requests_in_progress") == 0


@pytest.mark.parametrize(
    ("ask", "policy"),
    [
        ("/api/auth/login", "login"),
        ("/api/screens/pair", "pairing"),
    ],
)
async def test_refusals_are_counted_by_the_limit_that_made_them(api, marquee, admin, ask, policy):
    bodies = {
        "/api/auth/login": {"email": "x@example.com", "password": "wrong and wrong"},
        "/api/screens/pair": {"code": "AAAAAA", "name": "x"},
    }
    for _ in range(12):
        reply = await api.post(ask, bodies[ask], as_=admin if policy == "pairing" else None)

    assert reply.status == 429
    sample = marquee.metrics.registry.get_sample_value
    assert sample("marquee_rate_limited_total", {"policy": policy}) >= 1
    assert sample("marquee_rate_limited_total", {"policy": "user"}) is None
