"""Holds every answer against the API's own description, for the whole suite."""

import re
from functools import cache

import jsonschema
import orjson
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from handlers import application

PROBLEM = "application/problem+json"


@cache
def document():
    """The API's description, as the server tells it."""
    return orjson.loads(orjson.dumps(application.description()))


@cache
def _registry():
    return Registry().with_resource("urn:api", Resource.from_contents(document(), default_specification=DRAFT202012))


@cache
def _patterns():
    """Every path as a pattern, fixed ones before those with parameters."""
    paths = sorted(document()["paths"], key=lambda path: (path.count("{"), path))
    return [(re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "/?"), path) for path in paths]


@cache
def _validator(*pointer):
    steps = "/".join(step.replace("~", "~0").replace("/", "~1") for step in pointer)
    schema = {"$ref": f"urn:api#/{steps}"}
    return jsonschema.Draft202012Validator(schema, registry=_registry())


def path_of(address):
    """Return the described path that `address` belongs to, or None."""
    plain = address.partition("?")[0]
    return next((path for pattern, path in _patterns() if pattern.fullmatch(plain)), None)


def check(method, address, reply):
    """Fail unless `reply` is what the description says of this call; other addresses are not the API."""
    path = path_of(address)
    method = {"HEAD": "GET"}.get(method, method).lower()
    if path is None or method == "options":
        return
    operation = document()["paths"][path].get(method)
    if operation is None:
        assert reply.status == 405, f"{method} {path} is not described and answered {reply.status}"
        return
    told = operation["responses"].get(str(reply.status))
    assert told is not None, f"{method} {path} answered {reply.status}, which is not described: {reply.body[:300]}"
    for name in told.get("headers", {}):
        assert name in reply.headers, f"{method} {path} {reply.status}: no {name}"
    _check_body(method, path, reply, told)


def _check_body(method, path, reply, told):
    if "content" not in told:
        assert reply.body == b"", f"{method} {path} {reply.status} has a body"
        return
    kind = reply.headers.get("Content-Type", "")
    assert kind in told["content"], f"{method} {path} {reply.status} is {kind!r}"
    if reply.body and "json" in kind:
        validator = _validator("paths", path, method, "responses", str(reply.status), "content", kind, "schema")
        error = jsonschema.exceptions.best_match(validator.iter_errors(reply.json))
        assert error is None, f"{method} {path} {reply.status}: {error.json_path} {error.message}"
