"""Tokens that are not what they should be: every alteration is a 401."""

import base64
import json
from datetime import timedelta

import jwt
import pytest

from core.clock import Clock
from core.tokens import CLAIMS, Tokens, _derive
from tests.clients import Api

PROFILE = "/api/users/profile"


def part(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


@pytest.fixture
def claims(owner):
    return jwt.decode(owner.token, options={"verify_signature": False})


@pytest.fixture
def signed(settings, claims):
    """Sign claims with the server's own key: what only a defect of ours could do."""

    def sign(without=None, algorithm="HS256", key=None, **changes):
        payload = {k: v for k, v in (claims | changes).items() if k != without}
        # PyJWT's encoder refuses some of what a decoder must survive.
        key = key or _derive(settings.secret_key, "access")
        return jwt.PyJWS().encode(json.dumps(payload).encode(), key, algorithm=algorithm)

    return sign


async def refused(api, token):
    reply = await api.get(PROFILE, as_=token)
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    return reply.status, reply.code


async def test_the_tests_own_signature_is_good(api, signed):
    assert (await api.get(PROFILE, as_=signed())).status == 200


async def test_another_algorithm_is_refused(api, owner, claims, signed):
    none = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."
    body = owner.token.split(".")[1]
    tokens = [
        none,
        none + owner.token.split(".")[2],
        f"{part({'alg': 'None', 'typ': 'JWT'})}.{body}.",
        f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{body}.{owner.token.split('.')[2]}",
        f"{part({'alg': ['HS256'], 'typ': 'JWT'})}.{body}.{owner.token.split('.')[2]}",
        f"{part({'typ': 'JWT'})}.{body}.{owner.token.split('.')[2]}",
        signed(algorithm="HS384", key=b"k" * 48),
        signed(algorithm="HS512", key=b"k" * 64),
        signed(key=b"k" * 32),
    ]
    for token in tokens:
        assert await refused(api, token) == (401, "unauthenticated")


@pytest.mark.parametrize("claim", CLAIMS)
async def test_every_claim_is_required(api, signed, claim):
    assert await refused(api, signed(without=claim)) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"iss": ["marquee"]},
        {"aud": "somebody"},
        {"aud": ["marquee", "others"]},
        {"typ": "refresh"},
        {"typ": ["access"]},
        {"typ": None},
        {"sub": 17},
        {"sub": ""},
        {"sub": {"$ne": None}},
        {"sid": None},
        {"sid": {"$ne": None}},
        {"sid": "000000000000000000000000"},
        {"exp": "tomorrow"},
        {"exp": 10**30},
        {"exp": -(10**30)},
        {"exp": 1e300},
        {"exp": None},
        {"exp": True},
        {"exp": [1]},
        {"iat": 10**11},
        {"iat": "now"},
        {"nbf": 10**11},
        {"nbf": {}},
        {"jti": 5},
    ],
)
async def test_absurd_claims_are_refused(api, signed, changes):
    assert await refused(api, signed(**changes)) == (401, "unauthenticated")


async def test_a_token_of_another_user_with_ones_own_session_is_refused(api, signed, stranger):
    assert await refused(api, signed(sub=stranger.id)) == (401, "unauthenticated")


async def test_an_altered_token_is_refused(api, owner):
    head, body, signature = owner.token.split(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    altered = [
        owner.token + "=",
        owner.token + "==",
        f"{head}.{body}=.{signature}",
        f"{head}.{body}.{flipped}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature}.",
        "." * 2,
        "a.b.c",
        "é.é.é",
        owner.token + "a" * 12_000,
        owner.session["refreshToken"],
        f"mqs_{owner.id}.{owner.token}",
        "mqs_.",
        "mqs_000000000000000000000000.secret",
    ]
    for token in altered:
        assert await refused(api, token) == (401, "unauthenticated"), token[:80]


@pytest.mark.parametrize("scheme", ["bearer {}", "BEARER {}", "Bearer  {}"])
async def test_the_schemes_name_is_read_as_http_reads_it(api, owner, scheme):
    assert (await api.get(PROFILE, headers={"Authorization": scheme.format(owner.token)})).status == 200


@pytest.mark.parametrize("value", ["{}", "Basic {}", "Token {}", "Bearer", "Bearer {} extra", "Bearer {0}, Bearer {0}"])
async def test_another_scheme_is_refused(api, owner, value):
    reply = await api.get(PROFILE, headers={"Authorization": value.format(owner.token)})

    assert (reply.status, reply.code) == (401, "unauthenticated")


async def test_a_token_in_the_query_or_a_cookie_is_nothing(api, owner):
    assert (await api.get(f"{PROFILE}?access_token={owner.token}")).status == 401
    assert (await api.get(PROFILE, headers={"Cookie": f"access_token={owner.token}"})).status == 401


async def test_a_bad_token_does_no_harm_where_none_is_needed(api, owner):
    for token in ("nonsense", owner.token + "="):
        assert (await api.get("/healthz", as_=token)).status == 200


async def test_a_token_ends_after_fifteen_minutes_and_says_so(api, owner, clock):
    clock.advance(minutes=14, seconds=50)
    assert (await api.get(PROFILE, as_=owner)).status == 200
    clock.advance(seconds=20)

    assert await refused(api, owner.token) == (401, "token_expired")


async def test_a_token_that_was_good_is_good_only_as_it_is(api, owner):
    for _ in range(2):
        assert (await api.get(PROFILE, as_=owner.token)).status == 200
    head, body, mac = owner.token.split(".")
    for other in (f"{head}.{body}.{mac[:-2]}", f"{head}.{body}.", f"{head}.{body[:-1]}.{mac}", f"{owner.token}="):
        assert await refused(api, other) == (401, "unauthenticated")


async def test_another_servers_token_is_refused(api, owner):
    theirs = Tokens("another server's secret key, 32 bytes and more").access(owner.id, "a" * 24, Clock().now())

    assert await refused(api, theirs) == (401, "unauthenticated")


async def test_a_token_from_the_future_is_refused(api, owner, settings, claims):
    later = Clock().now() + timedelta(minutes=5)
    early = Tokens(settings.secret_key).access(owner.id, claims["sid"], later)

    assert await refused(api, early) == (401, "unauthenticated")


def test_a_rotated_key_leaves_everybody_signed_in(io_loop, api, owner, servers, settings):
    new = {"secret_key": "n" * 20 + "0123456789abcdefghij", "secret_key_previous": settings.secret_key}
    rotated = Api(servers(**new).port)
    forgotten = Api(servers(**new | {"secret_key_previous": None}).port)

    async def both():
        assert (await rotated.get(PROFILE, as_=owner)).status == 200
        assert (await forgotten.get(PROFILE, as_=owner)).status == 401
        ask = {"refreshToken": owner.session["refreshToken"]}
        assert (await forgotten.post("/api/auth/refresh", ask)).status == 401
        first = await api.post("/api/auth/refresh", ask)  # by a process that still has the old key
        twin = await rotated.post("/api/auth/refresh", ask)  # the same token, a moment later, by one with the new
        assert (first.status, twin.status) == (200, 200)
        assert first.json["refreshToken"] == twin.json["refreshToken"]
        renewed = await rotated.post("/api/auth/refresh", {"refreshToken": twin.json["refreshToken"]})
        assert renewed.status == 200
        assert (await forgotten.get(PROFILE, as_=renewed.json["accessToken"])).status == 200
        assert (await forgotten.post("/api/auth/refresh", {"refreshToken": renewed.json["refreshToken"]})).status == 200

    io_loop.run_sync(both)
    rotated.close()
    forgotten.close()
