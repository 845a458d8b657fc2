"""Getting in by guessing: passwords, pairing codes, and made-up addresses to guess from.

What each limit is: tests/api/test_rate_limits.py. Here the ways round them are tried.
"""

import asyncio
import ipaddress
from dataclasses import replace

import bcrypt
import pytest

from core.passwords import COST, Passwords
from core.settings import Rate
from tests.api.displays import Display
from tests.attacks.input.conftest import MANY
from tests.clients import PASSWORD, Api

pytestmark = pytest.mark.usefixtures("jobs_by_hand")
LOGIN, PROFILE, PAIR = "/api/auth/login", "/api/users/profile", "/api/screens/pair"
WRONG = "not the right one"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
# By which a client may say that it is somebody else.
SPOOFS = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Via"]


def spoofed(number):
    address = f"198.51.100.{number}"
    return {**dict.fromkeys(SPOOFS, address), "Forwarded": f"for={address}", "X-Originating-IP": address}


@pytest.fixture
def settings(settings):
    return replace(settings, rate_login=Rate(4, 900), rate_pairing=Rate(4, 900), rate_anonymous=MANY)


async def attempt(api, email="owner@example.com", password=WRONG, headers=None):
    return await api.post(LOGIN, {"email": email, "password": password}, headers=headers)


async def guess(api, person, number, headers=None):
    body = {"code": f"AAAA{number // 8 + 2}{number % 8 + 2}", "name": "Lobby"}
    return await api.post(PAIR, body, as_=person, headers=headers)


# --- from made-up addresses -----------------------------------------------------------------------------------------


async def test_made_up_addresses_give_no_more_guesses_at_a_password(api, owner):
    statuses = [(await attempt(api, headers=spoofed(number))).status for number in range(12)]

    assert statuses == [401] * 4 + [429] * 8
    assert (await attempt(api, password=PASSWORD, headers=spoofed(99))).status == 429


async def test_made_up_addresses_give_no_more_guesses_at_a_code(api, owner):
    statuses = [(await guess(api, owner, number, spoofed(number))).status for number in range(12)]

    assert statuses == [404] * 4 + [429] * 8


async def test_made_up_addresses_are_not_written_down(api, owner, marquee):
    session = (await attempt(api, password=PASSWORD, headers=spoofed(7))).json

    listed = (await api.get("/api/auth/sessions", as_=session["accessToken"])).json["items"]

    assert {each["ip"] for each in listed} == {"127.0.0.1"}


async def test_metrics_are_not_opened_by_a_made_up_address_and_not_told_through_a_proxy(api):
    assert (await api.get("/metrics")).status == 200
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Proto", "Via"):
        assert (await api.get("/metrics", headers={name: "127.0.0.1"})).status == 404


class TestBehindATrustedProxy:
    """The proxy is trusted: its word for the client's address counts, the client's own does not."""

    @pytest.fixture
    def settings(self, settings):
        return replace(settings, trusted_proxies=LOOPBACK)

    async def test_only_what_the_proxy_added_counts(self, api, owner):
        ways = [
            lambda number: {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.7"},
            lambda number: {"X-Forwarded-For": "203.0.113.7", "X-Real-IP": f"198.51.100.{number}"},
            lambda number: {"X-Forwarded-For": "203.0.113.7", "Forwarded": f"for=198.51.100.{number}"},
            lambda number: {"X-Forwarded-For": f"127.0.0.1, 10.0.0.{number}, 203.0.113.7"},
        ]
        statuses = [(await attempt(api, headers=ways[number % 4](number))).status for number in range(12)]

        assert statuses == [401] * 4 + [429] * 8
        assert (await attempt(api, headers={"X-Forwarded-For": "203.0.113.8"})).status == 401

    async def test_without_the_proxys_word_it_is_the_proxy_that_is_counted(self, api, owner):
        """X-Real-IP and the others are never read: a proxy that passes them on opens nothing."""
        silent = [{"X-Real-IP": f"198.51.100.{number}"} for number in range(8)]
        silent += [{"Forwarded": f"for=198.51.100.{number}"} for number in range(8)]

        statuses = [(await attempt(api, headers=headers)).status for headers in silent]

        assert statuses == [401] * 4 + [429] * 12

    async def test_ipv6_and_mapped_spellings_of_one_address_are_one(self, api, owner):
        for spelling in ("203.0.113.7", "::ffff:203.0.113.7", "::ffff:cb00:7107", "::FFFF:203.0.113.7"):
            assert (await attempt(api, headers={"X-Forwarded-For": spelling})).status == 401

        assert (await attempt(api, headers={"X-Forwarded-For": "0:0:0:0:0:ffff:203.0.113.7"})).status == 429

    async def test_one_who_owns_a_network_is_one_client(self, api, owner):
        """A whole /64 of IPv6 belongs to one subscriber; each of its 2**64 addresses is not somebody else."""
        for number in range(4):
            assert (await attempt(api, headers={"X-Forwarded-For": f"2001:db8:0:1::{number:x}"})).status == 401

        assert (await attempt(api, headers={"X-Forwarded-For": "2001:db8:0:1:ffff::1"})).status == 429
        assert (await attempt(api, headers={"X-Forwarded-For": "2001:db8:0:2::1"})).status == 401


# --- guessing and spraying ------------------------------------------------------------------------------------------


async def test_a_success_of_ones_own_buys_no_guesses_at_others(api, owner, stranger):
    statuses = []
    for _ in range(6):
        assert (await attempt(api, stranger.email, PASSWORD)).status in {200, 429}
        statuses.append((await attempt(api)).status)

    assert statuses == [401] * 4 + [429] * 2


async def test_spellings_of_an_address_give_no_more_guesses(api, owner):
    spellings = ["owner@example.com", "OWNER@example.com", "owner@EXAMPLE.COM", "oWnEr@example.com"]
    spellings += ["owner@example.com ", " owner@example.com", "owner@example.com\t", "ｏwner@example.com"]
    statuses = [(await attempt(api, email)).status for email in spellings * 3]

    assert 200 not in statuses
    assert (await attempt(api)).status == 429


async def test_spraying_ends_whoever_it_aims_at(api, owner):
    """One password at many addresses: the address that it comes from is used up."""
    statuses = [(await attempt(api, f"nobody{number}@example.com")).status for number in range(44)]

    assert statuses == [401] * 40 + [429] * 4


async def test_people_who_guess_codes_together_share_what_their_address_has(api, owner, stranger, admin):
    replies = [await guess(api, (owner, stranger, admin)[number % 3], number) for number in range(9)]

    assert [reply.status for reply in replies] == [404] * 4 + [429] * 5


async def test_who_guesses_codes_finds_none_that_is_there(api, owner, stranger):
    """A code that is right is refused too, once the guesses are used up."""
    code = await Display(api).show_code()
    for number in range(4):
        await guess(api, stranger, number)

    assert (await api.post(PAIR, {"code": code, "name": "Mine"}, as_=stranger)).status == 429


async def test_a_poll_secret_is_not_guessed_and_tells_nothing(api):
    display, other = Display(api), Display(api)
    await display.show_code()
    await other.show_code()

    secrets = ["", "a", "a" * 43, other.pairing["pollSecret"], display.pairing["pollSecret"][:-1], "\u0000"]
    replies = [await display.claim(secret) for secret in secrets if secret]

    assert {reply.status for reply in replies} <= {404, 422}
    assert (await display.claim()).status == 202


# --- what an answer tells -------------------------------------------------------------------------------------------


async def test_the_same_work_is_done_for_known_and_unknown_addresses(api, owner, admin, monkeypatch):
    """Counted, not timed: one bcrypt check of the same cost each, whoever is asked for."""
    unset = await api.post("/api/users", {"email": "unset@example.com", "username": "unset"}, as_=admin)
    assert unset.status == 201
    costs, checkpw = [], bcrypt.checkpw

    def counted(password, hashed):
        costs.append(hashed[:7])
        return checkpw(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    replies = [await attempt(api, email) for email in ("owner@example.com", "nobody@example.com", "unset@example.com")]

    told = [{**reply.json, "requestId": ""} for reply in replies]
    assert told[0] == told[1] == told[2]
    assert [reply.headers.get("Retry-After") for reply in replies] == [None] * 3
    assert costs == [b"$2b$04$"] * 3


def test_the_decoy_costs_what_a_password_costs():
    passwords = Passwords("p" * 32)
    passwords.close()

    assert passwords._decoy.startswith(b"$2b$%d$" % COST)


async def test_asking_for_a_reset_tells_nobody_who_has_an_account(api, owner):
    known = await api.post("/api/auth/forgot", {"email": owner.email})
    unknown = await api.post("/api/auth/forgot", {"email": "nobody@example.com"})

    assert (known.status, known.body) == (unknown.status, unknown.body) == (202, b"")


async def test_a_reset_token_is_not_guessed(api, owner):
    asks = ({"token": token, "newPassword": "a new long sentence"} for token in ("", "a", "a" * 43, "0" * 64, "$ne"))
    replies = await asyncio.gather(*(api.post("/api/auth/reset", ask) for ask in asks))

    assert {reply.status for reply in replies} == {422}


def test_what_names_its_own_server_is_not_sent_to_the_owner_of_a_made_up_host(io_loop, servers, api, admin, owner):
    """A reset link is of the public URL, whatever Host or X-Forwarded-Host say."""
    public = Api(servers(public_url="https://screens.example.com").port)
    spoof = {"X-Forwarded-Host": "evil.example", "Host": "evil.example"}

    made = io_loop.run_sync(lambda: public.post(f"/api/users/{owner.id}/password-reset", as_=admin, headers=spoof))
    public.close()

    assert made.json["url"].startswith("https://screens.example.com/reset#token=")
