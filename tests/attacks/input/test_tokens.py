"""Every alteration of a token, at every door: 401 by REST, 4401 at a socket, 4403 for somebody else's on a live one.

What each alteration is for REST alone: tests/api/test_tokens.py.
"""

import pytest

from core.tokens import CLAIMS
from tests.api.test_tokens import claims, part, signed
from tests.realtime.wire import Wire

__all__ = ["claims", "signed"]  # fixtures
pytestmark = pytest.mark.usefixtures("jobs_by_hand")
UNAUTHENTICATED, FORBIDDEN, TOO_LARGE = 4401, 4403, 1009
PEOPLES = ("/ws/chat", "/ws/dashboard")
ABSURD = [
    {"iss": "somebody"},
    {"iss": None},
    {"iss": ["marquee"]},
    {"aud": "somebody"},
    {"aud": ["marquee", "others"]},
    {"aud": {"$ne": None}},
    {"typ": "refresh"},
    {"typ": "screen"},
    {"typ": None},
    {"sub": ""},
    {"sub": 17},
    {"sub": {"$ne": None}},
    {"sub": "\x00"},
    {"sub": "\ud800"},
    {"sub": "x" * 3000},
    {"sid": None},
    {"sid": {"$gt": ""}},
    {"sid": "000000000000000000000000"},
    {"exp": 0},
    {"exp": "tomorrow"},
    {"exp": 10**30},
    {"exp": -(10**30)},
    {"exp": 1e300},
    {"exp": True},
    {"exp": [1]},
    {"iat": 10**11},
    {"iat": "now"},
    {"nbf": 10**11},
    {"nbf": {}},
    {"jti": 5},
    {"jti": None},
]


@pytest.fixture
def peoples(owner, claims, signed):
    """A person's token, altered in every way, by what was done to it."""
    good, (head, body, signature) = owner.token, owner.token.split(".")
    hs256 = part({"alg": "HS256", "typ": "JWT"})
    return {
        "no algorithm": f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}.",
        "no algorithm, signed": f"{part({'alg': 'nOnE', 'typ': 'JWT'})}.{body}.{signature}",
        "another algorithm named": f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{body}.{signature}",
        "an algorithm that is a list": f"{part({'alg': ['HS256']})}.{body}.{signature}",
        "HS384": signed(algorithm="HS384", key=b"k" * 48),
        "HS512": signed(algorithm="HS512", key=b"k" * 64),
        "another key": signed(key=b"k" * 32),
        "a key of its own": f"{part({'alg': 'HS256', 'jwk': {'kty': 'oct', 'k': 'a2V5'}})}.{body}.{signature}",
        "a key elsewhere": f"{part({'alg': 'HS256', 'jku': 'http://[::1]/', 'kid': '../x'})}.{body}.{signature}",
        "critical": f"{part({'alg': 'HS256', 'crit': ['exp'], 'b64': False})}.{body}.{signature}",
        "other claims": f"{head}.{part(claims | {'sub': '0' * 24})}.{signature}",
        "claims that are a list": f"{hs256}.{part([claims])}.{signature}",
        "an = appended": good + "=",
        "an = inside": f"{head}.{body}=.{signature}",
        "no signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.",
        "five parts": f"{good}.{body}.{signature}",
        "empty parts": "..",
        "a letter changed": f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}",
        "20 KB behind it": good + "a" * 20_000,
        "20 KB": "a" * 20_000,
        "20 KB of dots": "." * 20_000,
        "a refresh token": owner.session["refreshToken"],
        "as a screen's": f"mqs_{owner.id}.{good}",
        "a screen's of nobody": f"mqs_{'0' * 24}.secret",
        "NUL": good + "%00",
        "nothing of the kind": "token",
        **{f"no {claim}": signed(without=claim) for claim in CLAIMS},
        **{f"absurd {change}": signed(**change) for change in ABSURD},
    }


@pytest.fixture
def screens(actors):
    """A screen's token, altered in every way."""
    token, other = actors["screen"].token, actors["other screen"].token
    name, _, secret = token.partition(".")
    return {
        "another screen's secret": f"{name}.{other.partition('.')[2]}",
        "another screen's name": f"{other.partition('.')[0]}.{secret}",
        "no secret": f"{name}.",
        "no name": f"mqs_.{secret}",
        "no prefix": token.removeprefix("mqs_"),
        "another case": token.swapcase(),
        "an = appended": f"{token}=",
        "cut": token[:-1],
        "more": f"{token}a",
        "20 KB": f"{name}.{'a' * 20_000}",
        "20 KB of a name": f"mqs_{'a' * 20_000}.{secret}",
        "an operator": f'mqs_{{"$ne":null}}.{secret}',
        "a pattern": f"mqs_.*.{secret}",
        "the stored hash": f"{name}.{'0' * 64}",
    }


async def at_handshake(marquee, path, token):
    wire = await Wire.open(marquee.port, path, token)
    assert wire.status == 101, wire.head
    return await wire.closed_with()


async def in_first_frame(marquee, path, token):
    wire = await Wire.open(marquee.port, path)
    await wire.send({"type": "auth", "data": {"token": token}})
    return await end_of(wire)


async def end_of(wire):
    """Return the close code, or the status of the refusal that came in place of it."""
    while True:
        opcode, payload = await wire.frame()
        if opcode == 8:
            return int.from_bytes(payload[:2])
        if b'"ok":false' in payload:
            return int(payload.partition(b'"status":')[2][:3])


# What is right but for its end tells so, where such a token is taken at all.
EXPIRED = {"absurd {'exp': 0}", "absurd {'exp': -1000000000000000000000000000000}"}


async def refused_by_rest(api, path, tokens):
    wrong = []
    for name, token in tokens.items():
        reply = await api.get(path, as_=token)
        codes = {"unauthenticated", "token_expired"} if name in EXPIRED else {"unauthenticated"}
        if (reply.status, reply.headers["WWW-Authenticate"]) != (401, "Bearer") or reply.code not in codes:
            wrong.append((name, reply.status, reply.body))
    return wrong


async def test_an_altered_token_is_401(api, peoples, screens, actors):
    of_screens = {**peoples, "a person's": actors["owner"].token}
    of_people = {**screens, "a screen's": actors["screen"].token}

    assert await refused_by_rest(api, "/api/users/profile", peoples) == []
    assert await refused_by_rest(api, "/api/users/profile", of_people) == []
    assert await refused_by_rest(api, "/api/display/manifest", of_screens) == []
    assert await refused_by_rest(api, "/api/display/manifest", screens) == []


@pytest.mark.parametrize("door", [at_handshake, in_first_frame])
async def test_an_altered_token_is_4401_at_every_socket(marquee, actors, peoples, screens, door):
    person, screen = {"a person's": actors["owner"].token}, {"a screen's": actors["screen"].token}
    tokens = {path: {**peoples, **screens, **screen} for path in PEOPLES}
    tokens["/ws/screen"] = {**peoples, **screens, **person}
    wrong = []
    for path, altered in tokens.items():
        for name, token in altered.items():
            code = await door(marquee, path, token)
            # A frame's token has a length; the connection stays for a better one, as long as it has time.
            if code != UNAUTHENTICATED and not (door is in_first_frame and len(token) > 4096 and code in {401, 422}):
                wrong.append((path, name, code))
    assert not wrong


async def test_another_ones_token_on_a_live_connection_ends_it(marquee, actors):
    kinds = {"/ws/chat": "owner", "/ws/dashboard": "owner", "/ws/screen": "screen"}
    for path, who in kinds.items():
        for shown, code in (("stranger", FORBIDDEN), ("other screen", FORBIDDEN), (None, UNAUTHENTICATED)):
            wire = await Wire.open(marquee.port, path, actors[who].token)
            while (await wire.read()).get("event") != "hello":
                pass
            token = "nonsense" if shown is None else actors[shown].token
            await wire.send({"id": 1, "type": "auth", "data": {"token": token}})
            same = (shown == "other screen") == (who == "screen")  # a token of another kind is none at all
            assert await end_of(wire) == (code if same else UNAUTHENTICATED), (path, shown)


async def test_a_token_anywhere_else_is_none(marquee, api, owner):
    for path in PEOPLES:
        for address, headers in (
            (f"{path}?token={owner.token}", ()),
            (f"{path}?access_token={owner.token}", ()),
            (path, (f"Cookie: access_token={owner.token}",)),
            (path, (f"Sec-WebSocket-Protocol: {owner.token}",)),
        ):
            wire = await Wire.open(marquee.port, address, headers=headers)
            if wire.status == 101:
                await wire.send({"type": "ping"})
                assert await end_of(wire) == 401
            wire.hang_up()
