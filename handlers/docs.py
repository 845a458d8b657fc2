"""`/docs`: the API's description as a page for people, with the sockets' frames and events.

It is made once, when it is first asked for, of what the calls, the sockets and the events declare: the same
declarations that check what comes in and let out what goes out.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Protocol

from tornado.template import Loader

from core.errors import Problem, title
from core.events import CONNECTION_EVENTS, EVENTS
from core.shapes import Shape
from core.validation import Json, Schema
from handlers.base import BaseHandler
from handlers.schemas import object_schema

METHOD_ORDER = ("get", "post", "put", "patch", "delete")
CONNECTION_DOCS = {
    "hello": "The answer to a successful authentication, and the first thing that a connection hears.",
    "reconnect": "The server is about to stop: connect anew after so many milliseconds.",
    "unsubscribed": "A subscription has ended by itself; `code` says why.",
}
NEEDS = {
    "nobody": "Anybody may call it, without a token.",
    "user": "Needs somebody who is signed in.",
    "admin": "Needs an admin of the server.",
    "screen": "Needs a screen's own token.",
}
EVERY_SOCKET = {
    "auth": ("Authenticate, where no header could; later: go on with a fresh token.", {"token": "string"}),
    "ping": ("Ask for an answer, for clients that cannot see WebSocket pings.", {}),
}


class Frame(Protocol):
    """What is to be known of a client's frame (realtime/endpoint.py has it)."""

    schema: Schema
    doc: str


class Socket(Protocol):
    """What is to be known of a socket."""

    name: str
    takes: Any
    frames: Mapping[str, Any]


Field = dict[str, str]


def page(document: Json, sockets: Sequence[tuple[str, Socket]]) -> bytes:
    """Return the page. `sockets` are addresses with what they take."""
    loader = Loader(str(Path(__file__).parent / "templates"), whitespace="oneline")
    return loader.load("docs.html").generate(
        about=document["info"]["description"],
        version=document["info"]["version"],
        prose=prose,
        sections=[section(tag, document["paths"]) for tag in document["tags"]],
        sockets=[socket_section(route, socket) for route, socket in sockets],
        every_socket=[
            {"name": name, "doc": doc, "fields": fields_of_names(fields)}
            for name, (doc, fields) in EVERY_SOCKET.items()
        ],
        connection_events=[event(name, CONNECTION_DOCS[name], shape) for name, shape in CONNECTION_EVENTS.items()],
        shapes=[shape_section(name, schema) for name, schema in shapes(document).items()],
        problems=problems(),
    )


def prose(text: str) -> str:
    """Return HTML of a sentence in which code stands between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def section(tag: Json, paths: Json) -> Json:
    """Return one tag with its calls, in the order of their addresses."""
    calls = [
        call(path, method, operations[method])
        for path, operations in paths.items()
        for method in METHOD_ORDER
        if method in operations and tag["name"] in operations[method]["tags"]
    ]
    about = tag["description"].partition(": ")[2] or tag["description"]
    return {"name": tag["name"], "about": about[:1].upper() + about[1:], "calls": calls}


def call(path: str, method: str, operation: Json) -> Json:
    """Return what the page shows of one call."""
    answers = operation["responses"]
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "needs": NEEDS.get(operation["x-needs"], f"Needs `{operation['x-needs']}` in the workspace."),
        "parameters": [parameter(each) for each in operation["parameters"]],
        "bodies": [
            {"kind": kind, "fields": fields(content["schema"])}
            for kind, content in operation.get("requestBody", {}).get("content", {}).items()
        ],
        "answers": [answer(status, told) for status, told in answers.items() if status < "400"],
        "refusals": [{"status": s, "title": told["description"]} for s, told in answers.items() if s >= "400"],
    }


def parameter(told: Json) -> Field:
    """Return a row of the parameters' table."""
    about = told.get("description") or told["schema"].get("description", "")
    return {
        "name": told["name"],
        "where": told["in"],
        "type": type_of(told["schema"]),
        "needed": "required" if told.get("required") else "",
        "about": about,
    }


def answer(status: str, told: Json) -> Field:
    """Return a successful answer: its status, what it carries, and its headers."""
    kinds = [(kind, content["schema"]) for kind, content in told.get("content", {}).items()]
    carried = [type_of(schema) if kind == "application/json" else kind for kind, schema in kinds]
    return {
        "status": status,
        "title": told["description"],
        "type": ", ".join(carried) or "no body",
        "headers": ", ".join(told.get("headers", {})),
    }


def fields(schema: Json, required: Iterable[str] | None = None) -> list[Field]:
    """Return the rows of an object's fields; a value that is no object has one row without a name."""
    if "properties" not in schema:
        return [{"name": "", "type": type_of(schema), "needed": "", "about": schema.get("description", "")}]
    needed = set(schema.get("required", ()) if required is None else required)
    return [
        {
            "name": name,
            "type": type_of(field),
            "needed": "required" if name in needed else "",
            "about": field.get("description", ""),
        }
        for name, field in schema["properties"].items()
    ]


def fields_of_names(named: Mapping[str, str]) -> list[Field]:
    """Return rows of fields whose types are words already."""
    return [{"name": name, "type": kind, "needed": "required", "about": ""} for name, kind in named.items()]


def type_of(schema: Json) -> str:
    """Return a type in words; a document of the API by its name."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(type_of(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join("null" if value is None else str(value) for value in schema["enum"])
    kinds = schema.get("type", "any")
    words = [_word(kind, schema) for kind in (kinds if isinstance(kinds, list) else [kinds])]
    return " or ".join(words) + _bounds(schema)


def _word(kind: str, schema: Json) -> str:
    if kind == "array":
        return f"list of {type_of(schema['items'])}"
    if kind == "string":
        return {"date-time": "time", "binary": "file"}.get(schema.get("format", ""), "string")
    if kind != "object":
        return kind
    if set(schema.get("properties", ())) >= {"items", "next"}:
        return f"list of {type_of(schema['properties']['items']['items'])}, in pages"
    if schema.get("properties"):
        return "{" + ", ".join(schema["properties"]) + "}"
    values = schema.get("additionalProperties")
    return f"names to {type_of(values)}" if isinstance(values, dict) else "object"


# The lowest and the highest, what they count, and what is not worth a word.
_BOUNDS = (("minLength", "maxLength", " characters"), ("minItems", "maxItems", ""), ("minimum", "maximum", ""))
_OBVIOUS = {"minLength": 1, "minItems": 1}


def _bounds(schema: Json) -> str:
    told = []
    for low, high, unit in _BOUNDS:
        least = None if schema.get(low) == _OBVIOUS.get(low) else schema.get(low)
        most = schema.get(high)
        if least is not None and most is not None:
            told.append(f"{least} to {most}{unit}")
        elif least is not None or most is not None:
            told.append(f"at {'most' if least is None else 'least'} {most if least is None else least}{unit}")
    if "default" in schema:
        told.append(f"by default {_shown(schema['default'])}")
    return f" ({', '.join(told)})" if told else ""


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def shapes(document: Json) -> dict[str, Json]:
    """Return the schema of every document of the API: those of calls, and those that only events carry."""
    told = {name: shape for each in EVENTS.values() for name, shape in each.data.components().items() if name}
    called: dict[str, Json] = document["components"]["schemas"]
    return {name: shape.schema() for name, shape in told.items()} | called


def shape_section(name: str, schema: Json) -> Json:
    """Return one of the API's documents."""
    return {"name": name, "about": schema.get("description", ""), "fields": fields(schema)}


def socket_section(route: str, socket: Socket) -> Json:
    """Return a socket: who may connect, what it takes, what it tells."""
    frames = [
        {"name": name, "doc": frame.doc, "fields": fields(object_schema(frame.schema))}
        for name, frame in socket.frames.items()
    ]
    told = [
        event(each.name, each.doc, each.data, each.channel) for each in EVENTS.values() if each.socket == socket.name
    ]
    return {
        "route": route,
        "takes": {"user": "people", "screen": "screens"}[socket.takes],
        "frames": frames,
        "events": told,
    }


def event(name: str, doc: str, shape: Shape, channel: str = "") -> Json:
    """Return an event; one whose data is a document of the API names it in place of its fields."""
    rows = [] if shape.name else fields(shape.schema())
    return {"name": name, "doc": doc, "channel": channel, "shape": shape.name, "fields": rows}


def problems() -> list[Field]:
    """Return every kind of refusal with its usual code and sentence."""
    kinds: list[type[Problem]] = [*sorted(Problem.__subclasses__(), key=lambda kind: kind.status), Problem]
    return [
        {
            "status": str(kind.status),
            "title": title(kind.status),
            "code": kind.default_code,
            "detail": kind.default_detail,
        }
        for kind in kinds
    ]


class Page:
    """The page of one server. Making it takes 20 ms, which is a fifth of a start that few ever read a page of."""

    def __init__(self, document: Json, sockets: Sequence[tuple[str, Socket]]) -> None:
        """Keep what `page` takes."""
        self._described = document, sockets

    @cached_property
    def content(self) -> bytes:
        """The page in HTML."""
        return page(*self._described)


class DocsHandler(BaseHandler):
    """`/docs`."""

    page = True

    def allowed_methods(self) -> list[str]:
        """Return what the Allow header lists here."""
        return ["GET", "HEAD", "OPTIONS"]

    async def get(self) -> None:
        """Serve the page."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        await self.finish(self.application.settings["docs"].content)

    async def head(self) -> None:
        """Serve the page's headers."""
        await self.get()

    async def options(self) -> None:
        """Answer what methods there are."""
        self.set_header("Allow", ", ".join(self.allowed_methods()))
        self.set_status(204)
