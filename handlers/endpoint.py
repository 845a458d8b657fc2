"""One declaration per endpoint: who may call it, what it takes, what it answers, and what the docs say of it.

`@endpoint(...)` on an HTTP method is the only way for it to be served: the server refuses to start where
a handler has a method without one. Authorisation, validation, the response's allow-list, OpenAPI and
`/docs` all read the same `Declaration`.
"""

import functools
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.permissions import EVERY_GRANT
from core.quick import reader_of_any
from core.shapes import Shape
from core.validation import Json, Schema, ident, whole

METHODS = ("get", "post", "put", "patch", "delete")
NEEDS = frozenset({"nobody", "user", "admin", "screen"}) | EVERY_GRANT
Method = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class ListOf:
    """An answer of the form `{"items", "next", "total"}`."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Answer:
    """What a method returns when a plain document does not say it all."""

    document: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `@endpoint` was told. `counted` is False for calls that no rate limit counts.

    `read_body` and `read_query` let through what the schemas do, or raise Invalid.
    """

    needs: str
    body: Schema | None
    query: Schema | None
    returns: Shape | ListOf | None
    status: int
    also: tuple[int, ...]
    location: str | None
    counted: bool
    idempotent: bool
    upload: Mapping[str, Any] | None
    problems: tuple[int, ...]
    tag: str
    content_type: str
    summary: str
    description: str
    read_body: Callable[[Any], Json]
    read_query: Callable[[Any], Json]


def endpoint(
    *,
    needs: str,
    body: Schema | None = None,
    query: Schema | None = None,
    returns: Shape | ListOf | None = None,
    status: int | None = None,
    also: tuple[int, ...] = (),
    location: str | None = None,
    counted: bool = True,
    idempotent: bool = True,
    upload: Mapping[str, Any] | None = None,
    problems: tuple[int, ...] = (),
    content_type: str = "application/json",
) -> Callable[[Method], Method]:
    """Declare an HTTP method of an `ApiHandler`.

    needs         `nobody`, `user`, `admin`, `screen`, or a grant such as `screens:write`
    body, query   Cerberus schemas; the method gets what they let through as `body=` and `query=`
    returns       the shape of the answer, also its allow-list; None answers 204 (or what `content_type` says)
    also          further successful statuses (200 beside 201: it was there already)
    location      of what was created, with `{field}`s of the answer
    counted       False: no rate limit counts it
    idempotent    False: a POST that keeps no answer under an Idempotency-Key, because its own protocol makes
                  it repeatable
    upload        OpenAPI schema of a body that the method reads as a stream itself
    problems      statuses of the contract's table that this call may answer besides the usual ones
    """
    if needs not in NEEDS:
        raise ValueError(f"needs={needs!r} is no grant")

    def declare(method: Method) -> Method:
        summary, _, rest = (method.__doc__ or "").strip().partition("\n")
        if not summary:
            raise ValueError(f"{method.__qualname__} has no docstring, which is its summary in the docs")
        declaration = Declaration(
            needs=needs,
            body=body,
            query=query,
            returns=returns,
            status=status or (200 if returns or content_type != "application/json" else 204),
            also=also,
            location=location,
            counted=counted,
            idempotent=idempotent,
            upload=upload,
            problems=problems,
            tag=method.__module__.rpartition(".")[2],
            content_type=content_type,
            summary=summary.rstrip("."),
            description=" ".join(rest.split()),
            read_body=reader_of_any(body or {}, what="body"),
            read_query=reader_of_any(query or {}, what="query"),
        )

        @functools.wraps(method)
        async def serve(self: Any, *_args: str, **path: str) -> None:
            await self.serve(declaration, method, path)

        serve.declaration = declaration  # type: ignore[attr-defined]
        return serve

    return declare


def declared(handler: type) -> dict[str, Declaration]:
    """Return a handler's declarations by method (`get`, `post`, ...)."""
    found = {}
    for method in METHODS:
        declaration = getattr(getattr(handler, method, None), "declaration", None)
        if declaration is not None:
            found[method] = declaration
    return found


def refuse_undeclared(handlers: Sequence[tuple[str, type]], unimplemented: Callable[..., Any]) -> None:
    """Raise where a handler has a method without a declaration: then the server does not start."""
    for route, handler in handlers:
        for method in METHODS:
            function = getattr(handler, method)
            if function is not unimplemented and not hasattr(function, "declaration"):
                raise TypeError(f"{handler.__name__}.{method} ({route}) has no @endpoint declaration")


def listing(*, sort: Sequence[str] = (), search: bool = False, **filters: Mapping[str, Any]) -> Schema:
    """Return the query schema of a list: `limit`, `cursor`, and where asked `sort`, `search` and field filters."""
    schema: dict[str, Mapping[str, Any]] = {
        "limit": {**whole(1, 100), "default": 50},
        "cursor": {"type": "string", "minlength": 1, "maxlength": 1000},
        **filters,
    }
    if sort:
        schema["sort"] = {"type": "string", "allowed": [s for name in sort for s in (name, f"-{name}")]}
    if search:
        schema["search"] = {"type": "string", "minlength": 1, "maxlength": 200}
    return schema


WORKSPACE_FILTER = {"workspaceId": ident()}

_PARAMETER = re.compile(r"\{(\w+)\}")


def compile_route(route: str) -> str:
    """Turn `/api/screens/{id}` into the pattern that Tornado matches, a slash at the end allowed."""
    parts = _PARAMETER.split(route)
    pattern = "".join(re.escape(part) if i % 2 == 0 else f"(?P<{part}>[^/]+)" for i, part in enumerate(parts))
    return f"{pattern}/?$"


def parameters(route: str) -> list[str]:
    """Return the names of a route's path parameters."""
    return _PARAMETER.findall(route)
