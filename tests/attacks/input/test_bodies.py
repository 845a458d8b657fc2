"""Every body of every route, spoilt field by field: refused as the contract says, and nothing of it is stored."""

import itertools
import json

import pytest

from handlers.endpoint import parameters
from tests.attacks.input import hostile
from tests.contract.test_every_route import address, caller
from tests.contract.test_matrix import ROUTES
from tests.contract.things import BODIES

pytestmark = pytest.mark.usefixtures("jobs_by_hand")
REFUSED = {400, 413, 415, 422}
JSON = {"Content-Type": "application/json"}
TAKES_BODY = [
    (method, route, declaration)
    for method, route, declaration in ROUTES
    if declaration.upload is None and method in {"POST", "PUT", "PATCH"}
]
TAGS = sorted({declaration.tag for _, _, declaration in TAKES_BODY})


async def spoilt(things, method, route, schema):
    """Yield `(name, raw body)` of everything that this route has to refuse."""
    right = await things.filled(BODIES.get((method, route), {}))
    for name, text in hostile.whole_bodies(right).items():
        yield name, text.encode("utf-8", "surrogatepass")
    for path, rule in hostile.fields(schema):
        holed = hostile.with_hole(right, path)
        for name, value in hostile.wrong_for(rule).items():
            yield f"{name} as {'.'.join(map(str, path))}", hostile.filled(holed, value)


@pytest.mark.parametrize("tag", TAGS)
async def test_a_spoilt_body_is_refused_and_nothing_is_stored(api, actors, things, stored, tag):
    for method, route, declaration in (each for each in TAKES_BODY if each[2].tag == tag):
        who, wrong = caller(actors, declaration), []
        path = await address(things, route)
        bodies = [each async for each in spoilt(things, method, route, declaration.body or {})]
        before = stored()
        for name, raw in bodies:
            reply = await api.ask(method, path, raw=raw, as_=who, headers=JSON)
            if reply.status not in REFUSED:
                wrong.append((method, route, name, reply.status, reply.body[:200]))
        assert not wrong
        assert stored() == before, f"{method} {route} stored something that it had refused"


async def test_a_right_body_of_another_type_is_refused_everywhere(api, actors, things, stored):
    kinds = itertools.cycle(["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
    for method, route, declaration in TAKES_BODY:
        kind = next(kinds)
        path = await address(things, route)
        raw = json.dumps(await things.filled(BODIES.get((method, route), {}))).encode()
        before = stored()

        reply = await api.ask(method, path, raw=raw, as_=caller(actors, declaration), headers={"Content-Type": kind})

        assert (reply.status, reply.code) == (415, "unsupported_type"), (method, route)
        assert stored() == before


# Ids as nobody has them: percent-encoded, as they stand in an address.
IDS = {
    "an operator": "%7B%22%24ne%22%3Anull%7D",
    "NUL": "%00",
    "an id and NUL": "64f0c0ffee64f0c0ffee64f0%00",
    "a way up": "..%2f..%2fetc%2fpasswd",
    "two dots": "%2e%2e",
    "a line's end": "a%0d%0aSet-Cookie:%20a=b",
    "a lone surrogate": "%ed%a0%80",
    "no UTF-8": "%ff%fe",
    "twenty thousand": "a" * 20_000,
    "a number beyond 64 bits": str(2**70),
    "a pattern": ".*",
    "a format": "%25s%7B0%7D",
    "white space": "%20",
    "turned round": "%E2%80%AE",
    "script": "%3Cscript%3E",
}


@pytest.mark.parametrize("tag", sorted({declaration.tag for _, route, declaration in ROUTES if "{" in route}))
async def test_an_id_that_nobody_has_is_refused_wherever_an_id_stands(api, actors, things, stored, tag):
    for method, route, declaration in ROUTES:
        if declaration.tag != tag or not parameters(route):
            continue
        who, options, wrong = caller(actors, declaration), {}, []
        path = await address(things, route)
        sent = await things.filled(BODIES.get((method, route)))
        if declaration.upload is not None:
            raw, kind = await things.upload(route)
            options = {"raw": raw, "headers": {"Content-Type": kind}}
        right = path.split("/")
        places = [at for at, part in enumerate(route.split("/")) if part.startswith("{")]
        before = stored()
        for at in places:
            for name, value in IDS.items():
                reply = await api.ask(method, "/".join([*right[:at], value, *right[at + 1 :]]), sent, who, **options)
                if reply.status not in {400, 404, 409, 422}:
                    wrong.append((method, route, name, reply.status, reply.body[:200]))
        assert not wrong
        assert stored() == before, f"{method} {route} stored something under an id that nobody has"


VALUES = ["", "%00", "%ed%a0%80", "%ff", "NaN", "1e999", str(2**70), "-1", "%7B%22%24ne%22%3Anull%7D", "x" * 5000]
VALUES += ["%0d%0aa:b", "true'--", "%27%20OR%201%3D1", "0x10", "%D9%A1"]


async def test_a_spoilt_parameter_is_refused_or_finds_what_there_is(api, actors, things):
    wrong = []
    for method, route, declaration in ROUTES:
        if method != "GET":
            continue
        path, who = await address(things, route), caller(actors, declaration)
        for name in declaration.query or {}:
            asked = [f"{name}={value}" for value in VALUES]
            asked += [f"{name}[$ne]=1", f"{name}=1&{name}=2", f"{name}[]=1", f"{name}.a=1", f"%24{name}=1"]
            for query in asked:
                reply = await api.get(f"{path}?{query}", as_=who)
                if reply.status not in {200, 400, 404, 422}:
                    wrong.append((route, query[:60], reply.status, reply.body[:200]))
    assert not wrong


HEADERS = {
    "If-Match": ['"', '"-1"', "9" * 5000, "\xb2", "W/", '"1", "2"', "null"],
    "If-None-Match": ['"', "," * 3000, "W/" * 3000, "null"],
    "Idempotency-Key": ["", "x" * 65, "x" * 20_000, "\xff", "$ne", "a\tb"],
    "Range": ["bytes=-1", "bytes=9-1", "bytes=0-" + "9" * 30, "bytes=" + "0-0," * 3000, "lines=1"],
    "X-Request-Id": ["x" * 65, "\xff", "a b", "{}"],
    "Content-Length": ["0"],
    "Origin": ["null", "\xff", "http://", "a" * 5000],
    "Accept-Encoding": ["gzip;q=x", "*" * 3000],
    "User-Agent": ["\xff" * 900, "$where"],
}


async def test_an_absurd_header_harms_nothing(api, owner, workspace):
    calls = [
        ("GET", "/api/users/profile", None),
        ("GET", f"/api/workspaces/{workspace}", None),
        ("PATCH", f"/api/workspaces/{workspace}", {"name": "Malls"}),
        ("POST", "/api/workspaces", {"name": "Malls"}),
    ]
    for name, values in HEADERS.items():
        for value in values:
            for method, path, body in calls:
                reply = await api.ask(method, path, body, owner, headers={name: value})
                assert reply.status < 500, (method, path, name, value[:60], reply.body)
