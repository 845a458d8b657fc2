"""`/api/openapi.json`: OpenAPI 3.1 out of the `@endpoint` declarations, and of nothing else.

Why no library makes it: docs/decisions/0007-openapi.md.
"""

import inspect
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from core.errors import title
from core.permissions import GRANTS
from core.resources import PROBLEM
from core.shapes import Shape, free, many, text
from core.validation import Json
from handlers.base import ApiHandler
from handlers.endpoint import Declaration, ListOf, declared, endpoint, parameters
from handlers.schemas import field_schema, object_schema

VERSION = "1.0.0"  # of the API, which grows by addition only
Routes = Sequence[tuple[str, type[ApiHandler]]]
ABOUT = (
    "Screens, what they play, and the people who run them. Times are RFC 3339 in UTC with milliseconds; every error is "
    "`application/problem+json` (RFC 9457). Every answer carries `X-Request-Id`, the caller's own when it is sane. "
    "`HEAD` and `OPTIONS` work wherever `GET` does. `x-needs` says who may call: `nobody` (no token needed), `user`, "
    "`admin`, `screen`, or a grant in the workspace concerned. What a caller may not see answers 404 like what does "
    "not exist. The sockets and their events are described at `/docs`."
)
WITH_BODY = {"post", "put", "patch"}
EVERY_CALL = (422, 503)  # wrong parameters; a store is away
IN_PROBLEM = {"$ref": "#/components/schemas/Problem"}
PROBLEM_HEADERS = {
    401: ("WWW-Authenticate", "Always `Bearer`."),
    429: ("Retry-After", "Seconds until the limit is whole again."),
    503: ("Retry-After", "Seconds until it is worth another try."),
}
VERSIONED = {"id", "version"}

DOCUMENT = Shape(
    "OpenApiDocument",
    "This document.",
    openapi=text(),
    info=free(),
    tags=many(free()),
    paths=free(),
    components=free(),
)


def document(routes: Routes) -> Json:
    """Return the OpenAPI document of `routes`. Raises ValueError where two shapes share a name and differ."""
    shapes: dict[str, Shape] = PROBLEM.components()
    paths: Json = {}
    modules: dict[str, Any] = {}
    for route, handler in routes:
        for method, declaration in declared(handler).items():
            paths.setdefault(route, {})[method] = operation(route, handler, method, declaration)
            modules[declaration.tag] = sys.modules[handler.__module__]
            for name, shape in _shapes(declaration).items():
                if shapes.setdefault(name, shape).schema() != shape.schema():
                    raise ValueError(f"two different shapes are called {name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Marquee",
            "version": VERSION,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": name, "description": _about(module)} for name, module in modules.items()],
        "paths": paths,
        "components": {
            "schemas": {name: shape.schema() for name, shape in sorted(shapes.items())},
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


SECURITY_SCHEMES: Json = {
    "user": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A person's access token, good for 15 minutes.",
    },
    "screen": {"type": "http", "scheme": "bearer", "description": "A screen's own token, good until it is revoked."},
}


def operation(route: str, handler: type[ApiHandler], method: str, declaration: Declaration) -> Json:
    """Return the operation object of one declared method."""
    told: Json = {
        "operationId": _operation_id(handler, method, declaration),
        "tags": [declaration.tag],
        "summary": declaration.summary,
        "security": _security(declaration),
        "x-needs": declaration.needs,
        "parameters": [*_path(route), *_query(declaration), *_headers(method, declaration)],
        "responses": {**_answers(declaration), **_problems(route, method, declaration)},
    }
    if declaration.description:
        told["description"] = declaration.description
    if declaration.upload is not None:
        told["requestBody"] = {"required": True, "content": dict(declaration.upload)}
    elif declaration.body is not None:
        schema = object_schema(declaration.body)
        told["requestBody"] = {"required": "required" in schema, "content": {"application/json": {"schema": schema}}}
    return told


def _operation_id(handler: type[ApiHandler], method: str, declaration: Declaration) -> str:
    verb = "list" if isinstance(declaration.returns, ListOf) and method == "get" else method
    return verb + handler.__name__.removesuffix("Handler")


def _about(module: Any) -> str:
    return (inspect.getdoc(module) or "").partition("\n")[0]


def _security(declaration: Declaration) -> list[Json]:
    if declaration.needs == "nobody":
        return [{}, {"user": []}, {"screen": []}]  # a token does no harm, and is counted as its owner's call
    return [{"screen": []}] if declaration.needs == "screen" else [{"user": []}]


def _path(route: str) -> Iterable[Json]:
    for name in parameters(route):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query(declaration: Declaration) -> Iterable[Json]:
    for name, rule in (declaration.query or {}).items():
        yield {"name": name, "in": "query", "required": bool(rule.get("required")), "schema": field_schema(rule)}


def _headers(method: str, declaration: Declaration) -> Iterable[Json]:
    if method == "post" and declaration.idempotent:
        about = "For 24 h the same key from the same caller gets the first answer again."
        yield _header("Idempotency-Key", about, minLength=1, maxLength=64)
    if 412 in declaration.problems:
        yield _header("If-Match", "The version that is to be changed, as ETag named it; another one: 412.")
    if 304 in declaration.also:
        yield _header("If-None-Match", "The ETag that the caller holds: 304 when it is still the present one.")


def _header(name: str, about: str, **schema: int) -> Json:
    return {"name": name, "in": "header", "description": about, "schema": {"type": "string", **schema}}


def _answers(declaration: Declaration) -> Json:
    return {str(status): _answer(status, declaration) for status in (declaration.status, *declaration.also)}


def _answer(status: int, declaration: Declaration) -> Json:
    told: Json = {"description": title(status)}
    headers = _answer_headers(status, declaration)
    if headers:
        told["headers"] = {
            name: {"description": about, "schema": {"type": "string"}} for name, about in headers.items()
        }
    if declaration.returns is not None and status != 304:
        told["content"] = {declaration.content_type: {"schema": _returned(declaration.returns)}}
    elif declaration.content_type != "application/json":
        told["content"] = {declaration.content_type: {"schema": {"type": "string"}}}
    return told


def _answer_headers(status: int, declaration: Declaration) -> Json:
    headers = {}
    if isinstance(declaration.returns, Shape) and set(declaration.returns.fields) >= VERSIONED:
        headers["ETag"] = "The version, for If-Match."
    if 304 in declaration.also:
        headers["ETag"] = "What If-None-Match compares."
    if declaration.location and status in {200, 201, 202}:
        headers["Location"] = "Where it is read."
    if _is_limited(declaration):
        headers["RateLimit"] = "What is left of the caller's limit, and the seconds until it is whole again."
        headers["RateLimit-Policy"] = "The limit: its name, how many, in how many seconds."
    return headers


def _returned(returns: Shape | ListOf) -> Json:
    if isinstance(returns, Shape):
        return returns.ref
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["items", "next"],
        "properties": {
            "items": {"type": "array", "items": returns.shape.ref},
            "next": {"type": ["string", "null"], "description": "The cursor of the next page."},
            "total": {"type": "integer", "description": "How many there are in all."},
        },
    }


def _shapes(declaration: Declaration) -> dict[str, Shape]:
    returns = declaration.returns
    if returns is None:
        return {}
    return (returns.shape if isinstance(returns, ListOf) else returns).components()


def _is_limited(declaration: Declaration) -> bool:
    return declaration.counted or 429 in declaration.problems


def refusals(route: str, method: str, declaration: Declaration) -> list[int]:
    """Return every status with which a call may be refused, a defect of ours (500) aside."""
    statuses = {*EVERY_CALL, *declaration.problems}
    if declaration.needs != "nobody":
        statuses |= {401, 429}
    if declaration.counted:
        statuses.add(429)
    if declaration.needs == "admin" or any(_withholds(role, declaration.needs) for role in GRANTS):
        statuses.add(403)
    if parameters(route):
        statuses.add(400)  # an address that is no UTF-8
    if method in WITH_BODY:
        statuses |= {400, 413, 415}
    return sorted(statuses)


def _withholds(role: str, needs: str) -> bool:
    return ":" in needs and needs not in GRANTS[role]


def _problems(route: str, method: str, declaration: Declaration) -> Json:
    content = {"application/problem+json": {"schema": IN_PROBLEM}}
    told = {}
    for status in refusals(route, method, declaration):
        told[str(status)] = {"description": title(status), "content": content}
        if status in PROBLEM_HEADERS:
            name, about = PROBLEM_HEADERS[status]
            told[str(status)]["headers"] = {name: {"description": about, "schema": {"type": "string"}}}
    return told


class OpenApiHandler(ApiHandler):
    """`/api/openapi.json`."""

    @endpoint(needs="nobody", returns=DOCUMENT)
    async def get(self) -> Any:
        """Read this API's own description: OpenAPI 3.1."""
        return self.application.settings["openapi"]


routes = [("/api/openapi.json", OpenApiHandler)]
