"""One strict validator for bodies, query strings and WebSocket frames.

A rule's `meta` is not checked: `words` say what its pattern takes when something else came, `told` is what
the documentation says of the field besides (JSON Schema).

Cerberus with its traps closed (design, section 5): every field needs a type, integers are neither
booleans nor beyond 64 bits, numbers are finite, strings are free of NUL and lone surrogates, patterns
match to the very end. A fresh validator is made for each check: Cerberus keeps state.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

import cerberus
from cerberus.schema import UnvalidatedSchema

from core.errors import Invalid, Malformed

Json = dict[str, Any]
Schema = Mapping[str, Mapping[str, Any]]
MAX_DEPTH = 32  # deeper than anything the API takes; BSON itself ends at 100
INT64 = 2**63

_string = cerberus.TypeDefinition("string", (str,), ())
_integer = cerberus.TypeDefinition("integer", (int,), (bool,))
_number = cerberus.TypeDefinition("number", (int, float), (bool,))


def _is_clean(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


class _Errors(cerberus.errors.BasicErrorHandler):  # type: ignore[misc]
    messages = {  # noqa: RUF012 - Cerberus' own way of setting them
        **cerberus.errors.BasicErrorHandler.messages,
        0x02: "is required",
        0x03: "is not a field of this request",
        0x23: "must not be null",
        0x42: "must be at least {constraint}",
        0x43: "must be at most {constraint}",
        0x27: "must have at least {constraint} {counted}",
        0x28: "must have at most {constraint} {counted}",
        0x44: "must be one of {constraint}",
        0x41: "is not written as it has to be",
        0x24: "must be of type {constraint}",
        0x61: "must be an RFC 3339 time, like 2026-01-31T08:00:00Z",
    }

    def _format_message(self, _field: str, error: Any) -> str:
        one, some = ("character", "characters") if isinstance(error.value, str) else ("entry", "entries")
        told = error.constraint
        if isinstance(told, list):
            told = ", ".join(value if isinstance(value, str) else json.dumps(value) for value in told)
        return str(self.messages[error.code].format(*error.info, constraint=told, counted=one if told == 1 else some))


class StrictValidator(cerberus.Validator):  # type: ignore[misc]
    """The validator. Use `check`."""

    types_mapping = {  # noqa: RUF012
        **cerberus.Validator.types_mapping,
        "string": _string,
        "integer": _integer,
        "number": _number,
        "float": _number,
    }

    def _validate_regex(self, pattern: str, field: str, value: Any) -> None:
        """{'type': 'string'}"""
        if isinstance(value, str) and re.fullmatch(pattern, value) is None:
            self._error(field, self.schema[field].get("meta", {}).get("words", "is not written as it has to be"))

    def _normalize_default(self, mapping: Json, schema: Schema, field: str) -> None:
        """{'nullable': True}"""
        if field not in mapping:  # Cerberus takes null for absent; here it is refused like any other wrong type
            mapping[field] = schema[field]["default"]

    def _check_with_timezone(self, field: str, value: Any) -> None:
        if isinstance(value, str) and value not in _TIMEZONES:
            self._error(field, "must be an IANA time zone, like Europe/Berlin")

    def _check_with_not_blank(self, field: str, value: Any) -> None:
        if isinstance(value, str) and not value.strip():
            self._error(field, "must not be blank")

    def _check_with_unique(self, field: str, value: Any) -> None:
        if isinstance(value, list) and len({json.dumps(v, sort_keys=True) for v in value}) != len(value):
            self._error(field, "must not name anything twice")


_TIMEZONES = frozenset(available_timezones())


class _Proven(UnvalidatedSchema):  # type: ignore[misc]
    """A schema that Cerberus has looked at, and does not look at again in each check: most of its time goes there."""

    def __setitem__(self, field: str, rules: Any) -> None:
        self.schema[field] = rules


_proven: dict[int, tuple[Schema, _Proven]] = {}  # by the schema's id, with the schema itself: it keeps its id then
_NOTHING: Schema = {}  # all empty schemas are this one
_MOST_PROVEN = 1000  # far above the number of those that are declared; the rest is made up for one request


def _prove(schema: Schema) -> _Proven:
    """Return the schema as Cerberus has expanded and accepted it. Raises cerberus.SchemaError for a defect of ours."""
    found = _proven.get(id(schema or _NOTHING))
    if found is None:
        if len(_proven) >= _MOST_PROVEN:
            _proven.clear()
        schema = schema or _NOTHING
        found = _proven[id(schema)] = (schema, _Proven(StrictValidator(schema).schema.schema))
    return found[1]


def check(document: Any, schema: Schema, *, what: str = "body") -> Json:
    """Return `document` with the schema's defaults and coercions, or raise Invalid with every wrong field.

    Paths in the problem are dotted (`items.0.durationMs`). A document that is no object is Invalid too.
    """
    if not isinstance(document, dict):
        raise Invalid.field(what, "must be an object")
    dirty = _dirty(document, "", 0)
    if dirty:
        raise Invalid.field(*dirty)
    validator = StrictValidator(_prove(schema), error_handler=_Errors(), require_all=False)
    if validator.validate(document):
        return dict(validator.document)
    raise _problem(_flatten(validator.errors))


def _problem(errors: list[dict[str, str]]) -> Invalid:
    first = {error["path"]: error for error in reversed(errors)}  # one sentence a field is enough
    errors = sorted(first.values(), key=lambda e: e["path"])[:50]
    if len(errors) == 1:
        return Invalid(detail=f"{errors[0]['path']}: {errors[0]['message']}.", errors=errors)
    return Invalid(detail=f"{len(errors)} fields are wrong.", errors=errors)


def _flatten(errors: Mapping[Any, Any], prefix: str = "") -> list[dict[str, str]]:
    found = []
    for key, problems in errors.items():
        path = f"{prefix}{_shown(key)}"
        for problem in problems:
            if isinstance(problem, dict):
                found.extend(_flatten(problem, f"{path}."))
            else:
                found.append({"path": path, "message": str(problem).replace("type dict", "type object")})
    return found


def _shown(key: Any) -> str:
    """A key as it may stand in an answer: a sender's own key can be anything."""
    text = str(key)[:100]
    return text if _is_clean(text) else repr(text)


def is_storable(value: Any) -> bool:
    """Tell whether the stores can keep `value`, wherever it came from."""
    return _dirty(value, "", 0) is None


def _dirty(value: Any, path: str, depth: int) -> tuple[str, str] | None:
    """Find what no field may hold, wherever it is: strings and numbers that the stores cannot keep."""
    if depth > MAX_DEPTH:
        return path or "body", "is nested too deeply"
    if isinstance(value, str):
        return None if _is_clean(value) else (path, "must not contain NUL or lone surrogates")
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return None if -INT64 <= value < INT64 else (path, "is too large a number")
    if isinstance(value, float):
        return None if math.isfinite(value) else (path, "must be a finite number")
    if isinstance(value, list):
        pairs = ((str(i), v) for i, v in enumerate(value))
    elif isinstance(value, dict):
        pairs = ((str(k), v) for k, v in value.items())
    else:
        return None
    for key, item in pairs:
        if not _is_clean(key):
            return f"{path}.{key!r}".lstrip("."), "must not contain NUL or lone surrogates"
        found = _dirty(item, f"{path}.{key[:100]}".lstrip("."), depth + 1)
        if found:
            return found
    return None


def parse_json(raw: bytes | str) -> Any:
    """Read JSON strictly: UTF-8, no repeated keys, no NaN, no absurd depth. Raises Malformed."""
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
        return _STRICT.decode(text)
    except _RepeatedKey as e:
        raise Malformed(detail=f"The JSON repeats the key {e.args[0]!r:.100}.") from e
    except (ValueError, RecursionError) as e:
        raise Malformed(detail="This is not JSON.") from e


class _RepeatedKey(Exception):
    pass


def _unique_keys(pairs: list[tuple[str, Any]]) -> Json:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        raise _RepeatedKey(next(k for k, _ in pairs if k in seen or seen.add(k)))  # type: ignore[func-returns-value]
    return document


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# Kept: json.loads would make one for every frame and body, which takes a third of the time of a heartbeat's reading.
_STRICT = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def parse_moment(text: str) -> datetime | None:
    """Read an RFC 3339 time as aware UTC, cut to milliseconds; None when it is not one."""
    if _MOMENT.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def moment(*, required: bool = False, nullable: bool = False) -> Json:
    """Return the rule of a time field: RFC 3339 in, aware datetime out."""
    return {"type": "datetime", "coerce": _to_moment, "required": required, "nullable": nullable}


def _to_moment(value: Any) -> datetime:
    found = parse_moment(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError
    return found


def text(low: int, high: int, *, required: bool = False, nullable: bool = False, blank: bool = False) -> Json:
    """Return the rule of a text field, `low` to `high` code points; `blank` allows white space only."""
    rule: Json = {"type": "string", "minlength": low, "maxlength": high, "required": required, "nullable": nullable}
    return rule if blank or low == 0 else {**rule, "check_with": "not_blank"}


def whole(low: int, high: int, *, required: bool = False, nullable: bool = False) -> Json:
    """Return the rule of a whole number from `low` to `high`."""
    return {"type": "integer", "min": low, "max": high, "required": required, "nullable": nullable}


def choice(*values: str, required: bool = False) -> Json:
    """Return the rule of a closed set of strings."""
    return {"type": "string", "allowed": list(values), "required": required}


def ident(*, required: bool = False, nullable: bool = False) -> Json:
    """Return the rule of an id that a caller names: any short text, for what does not exist is a 404, not a 422."""
    return {"type": "string", "minlength": 1, "maxlength": 64, "required": required, "nullable": nullable}


def tags(*, required: bool = False) -> Json:
    """Return the rule of a list of tags: up to 20, each 1 to 40 code points, none twice."""
    return {
        "type": "list",
        "maxlength": 20,
        "check_with": "unique",
        "schema": {"type": "string", "minlength": 1, "maxlength": 40, "check_with": "not_blank"},
        "required": required,
    }


TIMEZONE: Json = {"type": "string", "maxlength": 64, "check_with": "timezone"}
_EMAIL_CHARACTER = r"[^@\s\x00-\x20\"<>()\[\],;:\\"  # closed by the pattern below
EMAIL: Json = {
    "type": "string",
    "minlength": 3,
    "maxlength": 254,  # RFC 5321's longest path
    "regex": rf"{_EMAIL_CHARACTER}]{{1,64}}@{_EMAIL_CHARACTER}.]+(\.{_EMAIL_CHARACTER}.]+)*",
    "meta": {"words": "must be an address, like ann@example.org"},
}
USERNAME: Json = {
    "type": "string",
    "minlength": 3,
    "maxlength": 32,
    "regex": r"[A-Za-z0-9_.-]{3,32}",
    "meta": {"words": "must be 3 to 32 letters (a to z, A to Z), digits, dots, hyphens and underscores"},
}
