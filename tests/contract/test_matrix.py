"""Who may call what: every route times everybody, out of the declarations, so that no route escapes.

A new route fails here until tests/contract/things.py knows what its parameters and its body stand for.
"""

import re
from urllib.parse import urlencode

import pytest

from core.permissions import GRANTS
from handlers.application import api_routes
from handlers.endpoint import declared, parameters
from tests.contract.things import BODIES, PARAMETERS, QUERIES, Things, pair_screen

# Those that are refused come first: they must not change anything. The owner, who makes the things, comes last.
ACTORS = ("nobody", "screen", "other screen", "stranger", "admin", "viewer", "editor", "owner")
ROUTES = [
    (method.upper(), route, declaration)
    for route, handler in api_routes()
    for method, declaration in declared(handler).items()
]
FREE = "anybody"  # to whom a call is open: then only its own rules can refuse it
DONE = "done"

# Calls whose grant depends on more than the route, with the grant that they need as the matrix makes them.
GRANT_OF = {("DELETE", "/api/workspaces/{id}/members/{userId}"): "members:write"}  # leaving needs less
# Calls of people whose subject is one person's own.
OWN = {("DELETE", "/api/auth/sessions/{id}"), ("GET", "/api/files/{id}"), ("DELETE", "/api/files/{id}")}
# Calls that answer those who may call them with a conflict: the tests' storage is local.
CONFLICT = {("POST", "/api/media/upload-ticket")}
# And one that says so before it looks at anything: there are no tickets to be found.
CONFLICT_FOR_ALL = {("POST", "/api/media/upload-ticket/{ticketId}/complete")}
# The chat: rooms have roles of their own. Here the owner owns the room, viewer and editor are its members.
ROOM_OWNERS = {
    ("PATCH", "/api/rooms/{idOrName}"),
    ("DELETE", "/api/rooms/{idOrName}"),
    ("PUT", "/api/rooms/{idOrName}/members/{userId}"),
    ("DELETE", "/api/rooms/{idOrName}/members/{userId}"),
    ("PATCH", "/api/messages/{id}"),
    ("DELETE", "/api/messages/{id}"),
}


@pytest.fixture
def actors(io_loop, api, workspace, admin, owner, editor, viewer, stranger):
    async def screens():
        theirs = (await api.get("/api/workspaces", as_=stranger)).json["items"][0]["id"]
        return await pair_screen(api, owner, workspace), await pair_screen(api, stranger, theirs)

    screen, other = io_loop.run_sync(screens)
    people = {"stranger": stranger, "admin": admin, "viewer": viewer, "editor": editor, "owner": owner}
    return {"nobody": None, "screen": screen, "other screen": other, **people}


@pytest.fixture
def things(marquee, api, actors, workspace):
    return Things(marquee, api, actors, workspace, actors["screen"])


def expected(actor, method, route, declaration):
    """Return the status that the actor is to get, DONE where the call is to succeed, FREE where it is everybody's."""
    call, needs, is_screen = (method, route), declaration.needs, actor.endswith("screen")
    if needs == "nobody":
        return FREE
    if actor == "nobody" or is_screen != (needs == "screen"):
        return 401
    if needs == "screen":
        return 404 if actor == "other screen" and parameters(route) else DONE
    if needs == "admin":
        return DONE if actor == "admin" else 403
    if needs != "user":
        return granted(actor, GRANT_OF.get(call, needs), call)
    if call in OWN:
        return DONE if actor == "owner" else 404
    return in_room(actor, call, declaration)


def granted(actor, grant, call):
    """Return what follows from the role in the workspace that the call is about."""
    if call in CONFLICT_FOR_ALL:
        return 409
    if actor not in GRANTS:
        return 404
    if grant not in GRANTS[actor]:
        return 403
    return 409 if call in CONFLICT else DONE


def in_room(actor, call, declaration):
    """Return what follows from being a member of the room that the call is about, where it is about one."""
    concerned = "room" in {**(declaration.body or {}), **(declaration.query or {})}
    if call[1] not in {"/api/rooms", "/api/messages"} and call[1].startswith(("/api/rooms", "/api/messages/{")):
        concerned = True
    if not concerned:
        return DONE
    if actor in {"stranger", "admin"}:
        return 404
    return 403 if call in ROOM_OWNERS and actor != "owner" else DONE


async def ask(api, things, actor, method, route, declaration):
    """Call the route as the actor, with things in place of its parameters."""
    address, options = route, {}
    for name in parameters(route):
        upto = route[: route.index(f"{{{name}}}") + len(name) + 2]
        assert upto in PARAMETERS, f"nothing is known to stand for {upto}: see things.py"
        address = address.replace(f"{{{name}}}", await things.get(PARAMETERS[upto]))
    query = {name: await things.filled(QUERIES[name]) for name in declaration.query or {} if name in QUERIES}
    if declaration.upload is not None:
        raw, kind = await things.upload(route)
        options = {"raw": raw, "headers": {"Content-Type": kind}}
    elif any(rule.get("required") for rule in (declaration.body or {}).values()):
        assert (method, route) in BODIES, f"no body is known for {method} {route}: see things.py"
    body = await things.filled(BODIES.get((method, route)))
    return await api.ask(method, f"{address}?{urlencode(query)}" if query else address, body, actor, **options)


@pytest.mark.parametrize(("method", "route", "declaration"), ROUTES, ids=[f"{m} {r}" for m, r, _ in ROUTES])
async def test_everybody_gets_what_the_declaration_says(api, actors, things, method, route, declaration):
    for actor in ACTORS:
        wanted = expected(actor, method, route, declaration)

        reply = await ask(api, things, actors[actor], method, route, declaration)

        if wanted == FREE:
            assert reply.status not in {401, 403, 404}, f"{actor}: {reply.status} {reply.body}"
        elif wanted == DONE:
            assert reply.status < 400, f"{actor}: {reply.status} {reply.body}"
        else:
            assert reply.status == wanted, f"{actor}: {reply.status} {reply.body}"
        if wanted in {FREE, DONE}:
            things.forget()


@pytest.mark.parametrize(("method", "route", "declaration"), ROUTES, ids=[f"{m} {r}" for m, r, _ in ROUTES])
def test_a_grant_says_in_which_workspace(method, route, declaration):
    if ":" not in declaration.needs:
        return
    told = {**(declaration.body or {}), **(declaration.query or {})}
    fields = str(declaration.upload)

    assert parameters(route) or "workspaceId" in told or "workspaceId" in fields


def test_nothing_is_known_of_routes_that_are_not_there():
    routes = {route for _, route, _ in ROUTES}
    calls = {(method, route) for method, route, _ in ROUTES}

    assert [
        call for call in (*BODIES, *GRANT_OF, *OWN, *CONFLICT, *CONFLICT_FOR_ALL, *ROOM_OWNERS) if call not in calls
    ] == []
    assert [known for known in PARAMETERS if not any(re.match(re.escape(known), route) for route in routes)] == []
