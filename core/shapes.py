"""What documents look like outside: one declaration that is allow-list, JSON Schema and documentation at once.

A `Shape` picks the fields that a caller may see from a stored document (which carries the API's own
names, rule 4 of the design; only `_id` becomes `id`), and describes them for OpenAPI.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Json = dict[str, Any]


class Field:
    """One field: its JSON Schema, whether it may be absent, and how a nested value is picked."""

    def __init__(
        self,
        schema: Json,
        *,
        optional: bool = False,
        pick: Callable[[Any], Any] | None = None,
        shape: "Shape | None" = None,
    ) -> None:
        self.schema = schema
        self.optional = optional
        self.pick = pick
        self.shape = shape


Taken = list[tuple[str, str, Callable[[Any], Any] | None]]  # where a field is stored, its name, how it is picked


def _compiled(fields: Taken) -> Callable[[Mapping[str, Any]], Json]:
    """Return a function that takes these fields of a document. It raises KeyError where one is missing.

    It is written as one dict display and compiled, as dataclasses' methods are: a screen takes 1.4 us so and 3 us in
    a loop over its fields, and every list has fifty.
    """
    picks: Json = {f"pick_{name}": pick for _, name, pick in fields if pick is not None}
    parts = []
    for stored, name, pick in fields:
        value = f"document[{stored!r}]"
        shown = value if pick is None else f"None if (value := {value}) is None else pick_{name}(value)"
        parts.append(f"{name!r}: {shown}")
    take: Callable[[Mapping[str, Any]], Json]
    take = eval(f"lambda document: {{{', '.join(parts)}}}", picks)  # noqa: S307 - made of our own declarations only
    return take


class Shape:
    """A named object of the API.

    `render(document)` gives a new dict with the declared fields only, in their order. A field that is
    neither there nor optional is a defect and raises KeyError.
    """

    def __init__(self, name: str, doc: str = "", /, **fields: Field) -> None:
        self.name = name
        self.doc = doc
        self.fields = fields
        self._plan = [("_id" if key == "id" else key, key, f.optional, f.pick) for key, f in fields.items()]
        self._extra = frozenset(key for _, key, optional, _ in self._plan if optional)
        self._whole = _compiled([(stored, key, pick) for stored, key, _, pick in self._plan])
        self._bare = _compiled([(stored, key, pick) for stored, key, optional, pick in self._plan if not optional])

    def render(self, document: Mapping[str, Any]) -> Json:
        """Return what the outside sees of `document`. `id` is taken from `_id`, or from `id` where there is none."""
        if self._extra.isdisjoint(document):
            take = self._bare
        elif document.keys() >= self._extra:
            take = self._whole
        else:
            return self._one_by_one(document)
        try:
            return take(document)
        except KeyError:
            return self._one_by_one(document)

    def _one_by_one(self, document: Mapping[str, Any]) -> Json:
        """Render field after field: for documents that have only some optional ones, or lack others. Slower."""
        out: Json = {}
        for stored, key, optional, pick in self._plan:
            source = stored if stored in document else key
            if source not in document:
                if optional:
                    continue
                raise KeyError(f"{self.name}.{key} is missing from the document")
            value = document[source]
            out[key] = pick(value) if pick is not None and value is not None else value
        return out

    def schema(self) -> Json:
        """Return the JSON Schema; nested shapes are references into `#/components/schemas`."""
        required = [key for key, f in self.fields.items() if not f.optional]
        schema: Json = {
            "type": "object",
            "additionalProperties": False,
            "properties": {key: f.schema for key, f in self.fields.items()},
        }
        if required:
            schema["required"] = required
        return {"description": self.doc, **schema} if self.doc else schema

    @property
    def ref(self) -> Json:
        """Return the reference to this shape's schema."""
        return {"$ref": f"#/components/schemas/{self.name}"}

    def components(self) -> dict[str, "Shape"]:
        """Return this shape and every shape nested in it, by name, as OpenAPI's components want them."""
        found = {self.name: self}
        for f in self.fields.values():
            if f.shape is not None:
                found |= f.shape.components()
        return found

    def extended(self, name: str, doc: str = "", /, **fields: Field) -> "Shape":
        """Return a new shape with this one's fields and `fields` besides."""
        return Shape(name, doc or self.doc, **{**self.fields, **fields})

    def without(self, name: str, /, *fields: str) -> "Shape":
        """Return a new shape that lacks `fields`."""
        return Shape(name, self.doc, **{key: f for key, f in self.fields.items() if key not in fields})


def text(**schema: Any) -> Field:
    """Return a string field; keywords are JSON Schema's."""
    return Field({"type": "string", **schema})


def ident() -> Field:
    """Return the field of an opaque id."""
    return Field({"type": "string"})


def moment() -> Field:
    """Return an RFC 3339 time in UTC, with milliseconds and `Z`."""
    return Field({"type": "string", "format": "date-time"})


def integer(**schema: Any) -> Field:
    """Return an integer field; keywords are JSON Schema's."""
    return Field({"type": "integer", **schema})


def number(**schema: Any) -> Field:
    """Return a number field."""
    return Field({"type": "number", **schema})


def flag() -> Field:
    """Return a boolean field."""
    return Field({"type": "boolean"})


def enum(*values: str) -> Field:
    """Return a string field with a closed set of values."""
    return Field({"type": "string", "enum": list(values)})


def free() -> Field:
    """Return an object whose members are the sender's own."""
    return Field({"type": "object"})


def mapping(of: Field) -> Field:
    """Return an object from free keys to values like `of`."""
    return Field({"type": "object", "additionalProperties": of.schema}, shape=of.shape)


def one(shape: Shape) -> Field:
    """Return a nested object."""
    return Field(shape.ref, pick=shape.render, shape=shape)


def many(of: Shape | Field) -> Field:
    """Return a list of shapes or of plain values."""
    if isinstance(of, Shape):
        render = of.render

        def pick(values: Iterable[Any]) -> list[Json]:
            return [render(value) for value in values]

        return Field({"type": "array", "items": of.ref}, pick=pick, shape=of)
    return Field({"type": "array", "items": of.schema})


def nullable(field: Field) -> Field:
    """Return `field`, or null in its place."""
    schema = field.schema
    if "$ref" in schema or "enum" in schema:
        return Field({"anyOf": [schema, {"type": "null"}]}, optional=field.optional, pick=field.pick, shape=field.shape)
    return Field(
        {**schema, "type": [schema["type"], "null"]}, optional=field.optional, pick=field.pick, shape=field.shape
    )


def optional(field: Field) -> Field:
    """Return `field`, which may be absent."""
    return Field(field.schema, optional=True, pick=field.pick, shape=field.shape)
