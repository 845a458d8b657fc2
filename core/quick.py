"""A quick yes for what comes by the thousand, frames and requests: a schema compiled into plain comparisons.

Cerberus takes 480 us for a full heartbeat, this 5 us: at 9,000 screens that is a third of a core, and it takes
a tenth of the time of a small read to find an empty query right. This says yes only to what is plainly right;
whatever it does not like goes to the strict validator, which has the last word and the words for the answer.
"""

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from math import isfinite
from typing import Any

from core.validation import Json, Schema, check, parse_moment

Read = Callable[[Any], Any]
_KNOWN_RULES = frozenset(
    {"type", "required", "nullable", "minlength", "maxlength", "allowed", "schema", "keysrules", "valuesrules",
     "coerce", "check_with", "min", "max", "default", "regex", "meta"}
)  # fmt: skip
_INT64 = 2**63


class _NotPlain(Exception):
    """Something that the strict validator must decide about."""


def reader(schema: Schema, *, what: str = "data") -> Callable[[Any], Json]:
    """Return a function that checks `data` against `schema`, exactly as `core.validation.check` does, but faster.

    Raises ValueError at once for a schema with rules that it does not know.
    """
    read = _object(schema)

    def quick(data: Any) -> Json:
        try:
            found: Json = read(data)
        except _NotPlain:
            return check(data, schema, what=what)
        return found

    return quick


def reader_of_any(schema: Schema, *, what: str) -> Callable[[Any], Json]:
    """Return `reader`'s function, or the strict validator for a schema that needs it."""
    try:
        return reader(schema, what=what)
    except ValueError:
        return partial(check, schema=schema, what=what)


def _object(schema: Schema) -> Read:
    fields = {name: _field(rule) for name, rule in schema.items()}
    required = [name for name, rule in schema.items() if rule.get("required")]
    defaults = {name: _maker(rule["default"]) for name, rule in schema.items() if "default" in rule}

    def read(value: Any) -> Json:
        if type(value) is not dict or any(name not in value for name in required):
            raise _NotPlain
        try:
            found = {name: fields[name](item) for name, item in value.items()}
        except KeyError as e:
            raise _NotPlain from e
        for name, make in defaults.items():
            if name not in found:
                found[name] = make()
        return found

    return read


def _maker(default: Any) -> Callable[[], Any]:
    """Return what gives a default, a fresh one each time where it could be changed."""
    if default == []:
        return list
    if isinstance(default, dict | list):
        raise ValueError("a default that could be changed is not known here")
    return lambda: default


def _field(rule: Mapping[str, Any]) -> Read:
    unknown = rule.keys() - _KNOWN_RULES
    checks = "unique" if rule["type"] == "list" else "not_blank"
    if unknown or rule.get("check_with", checks) != checks or ("coerce" in rule) != _is_moment(rule):
        raise ValueError(f"{dict(rule)} has what is not known here")
    read = _typed(rule)
    if not rule.get("nullable"):
        return read
    return lambda value: None if value is None else read(value)


def _is_moment(rule: Mapping[str, Any]) -> bool:
    return bool(rule["type"] == "datetime")


def _typed(rule: Mapping[str, Any]) -> Read:
    kind = rule["type"]
    if kind == "string":
        return _string(rule)
    if kind == "datetime":
        return _moment
    if kind == "number" and not rule.keys() & {"min", "max"}:
        return _number
    if kind == "integer":
        return _integer(rule.get("min", -_INT64), rule.get("max", _INT64 - 1))
    if kind == "boolean":
        return _boolean(rule.get("allowed", (False, True)))
    if kind == "dict" and "schema" in rule:
        return _object(rule["schema"])
    if kind == "dict" and "valuesrules" in rule:
        return _mapping(_field(rule["keysrules"]), _field(rule["valuesrules"]), rule.get("maxlength", 10**6))
    if kind == "list" and rule.get("check_with") == "unique" and rule.get("schema", {}).get("type") == "string":
        return _distinct(_field(rule["schema"]), rule.get("minlength", 0), rule.get("maxlength", 10**6))
    if kind == "list" and "check_with" not in rule and rule.get("schema", {}).get("type") == "dict":
        return _list(_field(rule["schema"]), rule.get("minlength", 0), rule.get("maxlength", 10**6))
    raise ValueError(f"{kind} is not known here")


def _string(rule: Mapping[str, Any]) -> Read:
    low, high, allowed = rule.get("minlength", 0), rule.get("maxlength", 10**6), rule.get("allowed")
    fits = re.compile(rule["regex"]).fullmatch if "regex" in rule else None

    def read(value: Any) -> str:
        # Printable ASCII needs no look at surrogates, NUL or blanks; anything else gets a strict one.
        if type(value) is str and low <= len(value) <= high and value.isascii() and value.isprintable():
            plain = allowed is None or value in allowed
            if plain and not value.isspace() and (fits is None or fits(value)):
                return value
        raise _NotPlain

    return read


def _moment(value: Any) -> Any:
    found = parse_moment(value) if type(value) is str else None
    if found is None:
        raise _NotPlain
    return found


def _number(value: Any) -> int | float:
    if (type(value) is int and -_INT64 <= value < _INT64) or (type(value) is float and isfinite(value)):
        return value
    raise _NotPlain


def _integer(low: int, high: int) -> Read:
    def read(value: Any) -> int:
        if type(value) is int and low <= value <= high and -_INT64 <= value < _INT64:
            return value
        raise _NotPlain

    return read


def _boolean(allowed: Collection[bool]) -> Read:
    def read(value: Any) -> bool:
        if type(value) is bool and value in allowed:
            return value
        raise _NotPlain

    return read


def _list(item: Read, low: int, high: int) -> Read:
    def read(value: Any) -> list[Any]:
        if type(value) is not list or not low <= len(value) <= high:
            raise _NotPlain
        return [item(each) for each in value]

    return read


def _distinct(item: Read, low: int, high: int) -> Read:
    read_list = _list(item, low, high)

    def read(value: Any) -> list[Any]:
        found: list[Any] = read_list(value)
        if len(set(found)) != len(found):
            raise _NotPlain
        return found

    return read


def _mapping(key: Read, value: Read, most: int) -> Read:
    def read(given: Any) -> Json:
        if type(given) is not dict or len(given) > most:
            raise _NotPlain
        return {key(name): value(item) for name, item in given.items()}

    return read
