"""What holds for every call alike, out of the declarations: HEAD, OPTIONS, unknown parameters, Idempotency-Key."""

from urllib.parse import urlencode

import pytest

from handlers.endpoint import parameters
from tests.contract.test_matrix import ROUTES, things
from tests.contract.things import BODIES, PARAMETERS, QUERIES, pair_screen

__all__ = ["things"]  # a fixture
NAMES = [f"{method} {route}" for method, route, _ in ROUTES]
READS = [(route, declaration) for method, route, declaration in ROUTES if method == "GET"]
REPEATABLE = [(route, d) for method, route, d in ROUTES if method == "POST" and d.idempotent]
# Its own effect is that nobody is there any more to be given the first answer.
ENDS_ITSELF = "/api/auth/logout-all"


@pytest.fixture
def actors(io_loop, api, workspace, admin, owner):
    """Those who between them may make every call: fewer than the matrix asks."""
    screen = io_loop.run_sync(lambda: pair_screen(api, owner, workspace))
    return {"nobody": None, "screen": screen, "admin": admin, "owner": owner}


def caller(actors, declaration):
    """Return somebody who may make the call."""
    return actors.get(declaration.needs, actors["owner"])


async def address(things, route, query=None):
    path = route
    for name in parameters(route):
        upto = route[: route.index(f"{{{name}}}") + len(name) + 2]
        path = path.replace(f"{{{name}}}", await things.get(PARAMETERS[upto]))
    return f"{path}?{urlencode(query)}" if query else path


async def narrowed(things, declaration):
    return {name: await things.filled(QUERIES[name]) for name in declaration.query or {} if name in QUERIES}


@pytest.mark.parametrize(("method", "route", "declaration"), ROUTES, ids=NAMES)
async def test_an_unknown_parameter_is_refused(api, actors, things, method, route, declaration):
    path = await address(things, route, {**await narrowed(things, declaration), "colour": "red"})
    sent = await things.filled(BODIES.get((method, route)))
    options = {}
    if declaration.upload is not None:
        raw, kind = await things.upload(route)
        options = {"raw": raw, "headers": {"Content-Type": kind}}

    reply = await api.ask(method, path, sent, caller(actors, declaration), **options)

    assert (reply.status, reply.code) == (422, "invalid"), reply.body
    assert [error["path"] for error in reply.json["errors"]] == ["colour"]


@pytest.mark.parametrize(("route", "declaration"), READS, ids=[route for route, _ in READS])
async def test_head_and_options_work_wherever_get_does(api, actors, things, route, declaration):
    path = await address(things, route, await narrowed(things, declaration))
    who = caller(actors, declaration)

    got, head = await api.get(path, who), await api.ask("HEAD", path, None, who)
    options = await api.ask("OPTIONS", path)

    assert (got.status, head.status, head.body) == (200, 200, b"")
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert (options.status, options.body) == (204, b"")
    assert {"GET", "HEAD", "OPTIONS"} <= set(options.headers["Allow"].split(", "))


@pytest.mark.parametrize(("route", "declaration"), REPEATABLE, ids=[route for route, _ in REPEATABLE])
async def test_the_same_key_gets_the_first_answer_again(api, actors, things, route, declaration):
    path, who = await address(things, route), caller(actors, declaration)
    sent = await things.filled(BODIES.get(("POST", route)))
    headers, options = {"Idempotency-Key": "0af7651916cd43dd8448eb211c80319c"}, {}
    if declaration.upload is not None:
        raw, kind = await things.upload(route)
        headers["Content-Type"], options = kind, {"raw": raw}

    first = await api.ask("POST", path, sent, who, headers=headers, **options)
    again = await api.ask("POST", path, sent, who, headers=headers, **options)

    assert first.status < 400 or first.status in {409, 422}, first.body  # a refusal is an answer too
    if route == ENDS_ITSELF:
        assert again.status == 401
        return
    assert (again.status, again.body) == (first.status, first.body)
    for name in ("Location", "ETag", "Content-Type", "Set-Cookie"):
        assert again.headers.get(name) == first.headers.get(name)


def test_what_takes_no_key_is_repeatable_by_its_own_protocol():
    keyless = {route for method, route, d in ROUTES if method == "POST" and not d.idempotent}

    assert keyless == {
        "/api/auth/refresh",  # the grace
        "/api/auth/logout",  # ends what has ended already
        "/api/display/pairing/{pairingId}/claim",  # collectable again
    }
