"""Rate limits: whom they follow, what they count, and that all processes share them."""

import asyncio
import ipaddress
import re
from dataclasses import replace

import pytest

from core.settings import Rate
from deploy.embedded import EmbeddedStores
from models import health
from tests.api.displays import pair
from tests.clients import PASSWORD, Api
from tests.promptness import PATIENCE

PROFILE = "/api/users/profile"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
LOGIN = "/api/auth/login"


@pytest.fixture
def settings(settings):
    return replace(settings, rate_anonymous=Rate(30, 600), rate_user=Rate(12, 600), rate_login=Rate(4, 900))


@pytest.fixture
def other(servers, api):
    """Speaks to a second process on the same stores."""
    client = Api(servers().port)
    yield client
    client.close()


def left(reply):
    return int(re.fullmatch(r'"[\w-]+";r=(\d+);t=\d+', reply.headers["RateLimit"])[1])


def from_(address):
    return {"X-Forwarded-For": address}


async def test_each_counted_answer_says_where_the_caller_stands(api, owner):
    anonymous = await api.get("/api/nowhere") and await api.get(PROFILE)
    user = await api.get(PROFILE, as_=owner)

    assert anonymous.headers["RateLimit-Policy"] == '"anonymous";q=30;w=600'
    assert user.headers["RateLimit-Policy"] == '"user";q=12;w=600'
    assert re.fullmatch(r'"user";r=11;t=(600|599)', user.headers["RateLimit"])
    assert left(await api.get(PROFILE, as_=owner)) == 10


async def test_beyond_the_limit_comes_429_with_the_time_to_wait(api, owner):
    replies = [await api.get(PROFILE, as_=owner) for _ in range(14)]
    refused = replies[-1]

    assert [reply.status for reply in replies] == [200] * 12 + [429] * 2
    assert (refused.code, left(refused)) == ("rate_limited", 0)
    assert 590 <= int(refused.headers["Retry-After"]) <= 600
    assert b'marquee_rate_limited_total{policy="user"} 2.0' in (await api.get("/metrics")).body


async def test_a_user_is_followed_over_all_sessions_and_addresses(api, owner):
    session = (await api.post(LOGIN, {"email": owner.email, "password": PASSWORD})).json
    for token in (owner.token, session["accessToken"]):
        for _ in range(6):
            assert (await api.get(PROFILE, as_=token)).status == 200

    assert (await api.get(PROFILE, as_=owner)).status == 429
    assert (await api.get(PROFILE, as_=session["accessToken"])).status == 429


async def test_one_users_limit_is_not_anothers(api, owner, stranger):
    for _ in range(13):
        last = await api.get(PROFILE, as_=owner)

    assert last.status == 429
    assert (await api.get(PROFILE, as_=stranger)).status == 200


async def test_two_processes_share_every_limit(api, other, owner):
    replies = [await (api, other)[i % 2].get(PROFILE, as_=owner) for i in range(14)]

    assert [reply.status for reply in replies] == [200] * 12 + [429] * 2


async def test_calls_at_once_are_all_counted(api, other, owner):
    replies = await asyncio.gather(*((api, other)[i % 2].get(PROFILE, as_=owner) for i in range(30)))

    assert sorted(reply.status for reply in replies) == [200] * 12 + [429] * 18


async def test_calls_at_once_are_each_counted_once_by_a_redis_that_knows_no_scripts(api, marquee, owner):
    assert left(await api.get(PROFILE, as_=owner)) == 11
    await marquee.ground.redis.client.script_flush()
    replies = await asyncio.gather(*(api.get(PROFILE, as_=owner) for _ in range(10)))

    assert sorted(left(reply) for reply in replies) == list(range(1, 11))
    assert marquee.ground.redis.up


@pytest.mark.parametrize("token", [None, "nonsense", "mqs_000000000000000000000000.secret"])
async def test_without_a_good_token_the_address_is_counted(api, token):
    replies = [await api.get(PROFILE, as_=token) for _ in range(31)]

    assert [reply.status for reply in replies] == [401] * 30 + [429]
    assert replies[-1].headers["RateLimit-Policy"].startswith('"anonymous"')


async def test_bad_tokens_at_a_socket_count_for_the_address_and_end_with_its_limit(api):
    async def knock(number):
        token = f"mqs_{number:024x}.made-up"
        return await (await api.socket("/ws/screen", as_=token)).closed()

    codes = [await knock(number) for number in range(32)]

    assert codes == [4401] * 30 + [4429] * 2
    assert (await api.get(PROFILE)).status == 429


async def test_a_user_is_served_though_the_address_has_used_up_its_own(api, owner):
    for _ in range(32):
        await api.get(PROFILE)

    assert (await api.get(PROFILE)).status == 429
    assert (await api.get(PROFILE, as_=owner)).status == 200
    assert (await api.post("/api/auth/refresh", {"refreshToken": owner.session["refreshToken"]})).status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/player", "/api/nowhere"])
async def test_probes_and_pages_are_not_counted(api, path):
    for _ in range(35):
        reply = await api.get(path)
        assert reply.status in {200, 404}
        assert "RateLimit" not in reply.headers


async def test_preflights_are_not_counted(api):
    for _ in range(35):
        assert (await api.ask("OPTIONS", PROFILE)).status == 204


async def test_made_up_forwarding_headers_change_nothing(api):
    names = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP")
    for i in range(30):
        await api.get(PROFILE, headers=dict.fromkeys(names, f"10.0.0.{i}"))

    assert (await api.get(PROFILE, headers=from_("10.9.9.9"))).status == 429


class TestBehindATrustedProxy:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, trusted_proxies=LOOPBACK)

    async def test_each_client_has_a_limit_of_its_own(self, api):
        for _ in range(30):
            await api.get(PROFILE, headers=from_("203.0.113.7"))

        assert (await api.get(PROFILE, headers=from_("203.0.113.7"))).status == 429
        assert (await api.get(PROFILE, headers=from_("203.0.113.8"))).status == 401

    async def test_what_the_client_wrote_itself_never_wins(self, api):
        """The proxy adds the peer's address at the end; what stands before it is the client's own."""
        for i in range(30):
            await api.get(PROFILE, headers=from_(f"198.51.100.{i}, 203.0.113.7"))

        assert (await api.get(PROFILE, headers=from_("198.51.100.99, 203.0.113.7"))).status == 429
        assert (await api.get(PROFILE, headers=from_("203.0.113.7, 127.0.0.1"))).status == 429

    @pytest.mark.parametrize("value", ["", "unknown", "nonsense, more", "203.0.113.7:8080", "' OR 1=1"])
    async def test_a_header_that_names_no_address_counts_as_the_proxy(self, api, value):
        for _ in range(30):
            await api.get(PROFILE, headers=from_(value))

        assert (await api.get(PROFILE)).status == 429


class TestLogin:
    async def attempt(self, api, email="owner@example.com", password="not the right one", address=None):
        headers = from_(address) if address else {}
        return await api.post(LOGIN, {"email": email, "password": password}, headers=headers)

    async def test_only_failures_count(self, api, owner):
        for _ in range(8):
            assert (await self.attempt(api, password=PASSWORD)).status == 200
        for _ in range(4):
            assert (await self.attempt(api)).status == 401

        refused = await self.attempt(api)
        assert (refused.status, refused.code) == (429, "rate_limited")
        assert int(refused.headers["Retry-After"]) > 800
        assert (await self.attempt(api, password=PASSWORD)).status == 429
        assert (await self.attempt(api, "stranger@example.com")).status == 401

    async def test_of_many_guesses_at_once_only_so_many_are_looked_at(self, api, other, owner):
        replies = await asyncio.gather(*(self.attempt((api, other)[i % 2]) for i in range(20)))

        assert sorted(reply.status for reply in replies) == [401] * 4 + [429] * 16

    async def test_the_case_of_an_address_is_no_way_round(self, api, owner):
        for email in ("owner@example.com", "OWNER@example.com", "Owner@Example.com", "owner@EXAMPLE.com"):
            await self.attempt(api, email)

        assert (await self.attempt(api, "oWNER@example.com")).status == 429

    async def test_guesses_at_a_current_password_count_too(self, api, owner):
        ask = {"currentPassword": "not the right one", "newPassword": "whatever this may be"}
        replies = [await api.post("/api/auth/password", ask, as_=owner) for _ in range(5)]

        assert [reply.status for reply in replies] == [401] * 4 + [429]

    class TestFromMany:
        @pytest.fixture
        def settings(self, settings):
            return replace(settings, trusted_proxies=LOOPBACK, rate_anonymous=Rate(10_000, 900))

        async def test_spraying_one_address_from_many_ends_at_ten_times_that(self, api, owner):
            login = TestLogin()
            statuses = [(await login.attempt(api, address=f"10.0.{i // 4}.1")).status for i in range(41)]

            assert statuses == [401] * 40 + [429]

        async def test_spraying_many_addresses_from_one_ends_at_ten_times_that(self, api, owner):
            login = TestLogin()
            statuses = [(await login.attempt(api, f"u{i}@example.com", address="10.0.0.1")).status for i in range(41)]

            assert statuses == [401] * 40 + [429]
            assert (await login.attempt(api, "u1@example.com", address="10.0.0.2")).status == 401


class TestWithRedisOfItsOwn:
    @pytest.fixture
    def bell(self, tmp_path):
        stores = EmbeddedStores(tmp_path / "bell", mongodb=False, volatile=True)
        yield stores.start_sync().redis, stores
        stores.stop_sync()

    @pytest.fixture
    def settings(self, settings, bell):
        return replace(settings, redis_url=bell[0])

    async def test_without_redis_a_limiter_in_each_process_takes_over(self, api, owner, bell, monkeypatch):
        monkeypatch.setattr(health, "PING_SECONDS", PATIENCE)  # MongoDB is not away, however busy the machine
        await asyncio.to_thread(bell[1].stop_sync)

        users = [(await api.get(PROFILE, as_=owner)).status for _ in range(14)]
        anonymous = [(await api.get(PROFILE)).status for _ in range(32)]
        logins = [
            (await api.post(LOGIN, {"email": owner.email, "password": "wrong as can be"})).status for _ in range(3)
        ]

        assert users == [200] * 12 + [429] * 2
        assert anonymous == [401] * 30 + [429] * 2
        assert logins == [429] * 3
        assert (await api.get("/readyz")).json == {
            "status": "degraded",
            "checks": {"mongodb": "ok", "redis": "away"},
        }


class TestScreens:
    @pytest.fixture
    def settings(self, settings):
        return replace(settings, rate_screen=Rate(6, 600), rate_anonymous=Rate(10_000, 900))

    async def test_a_screen_is_followed_by_its_own_limit(self, api, other, owner, workspace):
        screen, neighbour = [(await pair(api, owner, workspace, name))[0].screen for name in ("Door", "Hall")]
        replies = [await (api, other)[i % 2].get("/api/display/manifest", as_=screen) for i in range(7)]

        assert [reply.status for reply in replies] == [200] * 6 + [429]
        assert replies[0].headers["RateLimit-Policy"] == '"screen";q=6;w=600'
        assert (await api.get("/api/display/manifest", as_=neighbour)).status == 200

    async def test_who_knows_a_screens_id_cannot_use_its_limit_up(self, api, owner, workspace):
        screen = (await pair(api, owner, workspace))[0].screen
        for _ in range(20):
            assert (await api.get("/api/display/manifest", as_=f"mqs_{screen.id}.made-up")).status == 401

        assert (await api.get("/api/display/manifest", as_=screen)).status == 200
