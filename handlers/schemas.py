"""JSON Schema from the Cerberus rules that requests are checked by, so that the documentation cannot differ.

A rule without a counterpart here raises: nothing that is checked stays untold.
"""

from collections.abc import Mapping
from typing import Any

from core.validation import Json, Schema

_TYPES = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "dict": "object",
    "list": "array",
    "datetime": "string",
}
_LENGTHS = {"string": "Length", "list": "Items", "dict": "Properties"}
_CHECKS: Mapping[str, Json] = {
    "unique": {"uniqueItems": True},
    "not_blank": {"pattern": r"\S"},
    "timezone": {"description": "An IANA time zone, like Europe/Berlin."},
}
_SILENT = {"type", "required", "nullable", "coerce"}  # told by the object around, or by the type


def object_schema(schema: Schema) -> Json:
    """Return the JSON Schema of an object with exactly the fields of `schema`."""
    told: Json = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: field_schema(rule) for name, rule in schema.items()},
    }
    required = [name for name, rule in schema.items() if rule.get("required")]
    return told | {"required": required} if required else told


def field_schema(rule: Mapping[str, Any]) -> Json:
    """Return the JSON Schema of one field."""
    kind = rule["type"]
    told: Json = {"type": [_TYPES[kind], "null"] if rule.get("nullable") else _TYPES[kind]}
    if kind == "datetime":
        told["format"] = "date-time"
    for name, value in rule.items():
        if name not in _SILENT:
            told |= _translated(name, value, kind)
    if "enum" in told and rule.get("nullable"):
        told["enum"] = [*told["enum"], None]
    return told


def _translated(name: str, value: Any, kind: str) -> Json:
    """Return what one part of a rule is in JSON Schema."""
    match name:
        case "minlength" | "maxlength":
            return {f"{name[:3]}{_LENGTHS[kind]}": value}
        case "min" | "max":
            return {f"{name}imum": value}
        case "allowed":
            return {"enum": list(value)}
        case "regex":
            return {"pattern": f"^(?:{value})$"}
        case "default":
            return {"default": value}
        case "meta":
            return dict(value.get("told", {}))
        case "check_with":
            return dict(_CHECKS[value])
        case "schema":
            return {"items": field_schema(value)} if kind == "list" else _inside(value)
        case "keysrules":
            return {"propertyNames": field_schema(value)}
        case "valuesrules":
            return {"additionalProperties": field_schema(value)}
    raise ValueError(f"the rule {name!r} has no counterpart in JSON Schema")


def _inside(schema: Schema) -> Json:
    told = object_schema(schema)
    del told["type"]  # which may allow null besides
    return told
