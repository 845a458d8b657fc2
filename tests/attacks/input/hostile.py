"""Bodies that are right but for one field, which is as wrong as JSON can be, and often wronger.

Wrong values are JSON as text: no library writes NaN, a key twice or a lone surrogate. `<thing>` in a body
stands for an id (tests/contract/things.py).
"""

import itertools
import json

HOLE = "this is where the wrong value goes"
DEEP = "[" * 100_000
# Wrong for a field of any type.
FOR_ANY = {
    "NaN": "NaN",
    "infinity": "-Infinity",
    "beyond floats": "1e999",
    "beyond 64 bits": str(2**70),
    "beyond what Python reads": "9" * 5000,
    "NUL": '"a\\u0000b"',
    "a lone surrogate": '"\\ud800"',
    "surrogates the wrong way round": '"\\udfff\\ud800"',
    "a key twice": '{"a": 1, "a": 2}',
    "nested deeply": "[" * 40 + "]" * 40,
    "nested without end": DEEP,
    "cut off": '{"a": [1, ',
    "more than a body may have": f'"{"x" * 262_144}"',
}
OPERATORS = {
    "$ne": '{"$ne": null}',
    "$gt": '{"$gt": ""}',
    "$regex": '{"$regex": ".*"}',
    "$where": '{"$where": "sleep(5000)"}',
    "$in": '{"$in": [null, ""]}',
    "$oid": '{"$oid": "64f0c0ffee64f0c0ffee64f0"}',
    "prototype": '{"__proto__": {"role": "admin"}}',
}
# One value of each type, for the fields of the other types.
OF_TYPE = {
    "null": "null",
    "boolean": "true",
    "integer": "7",
    "number": "1.5",
    "string": '"text"',
    "list": '["text"]',
    "dict": '{"text": "text"}',
}
ALSO = {"number": {"integer"}, "datetime": set(), "list": set()}  # what else a rule of a type takes


def wrong_for(rule):
    """Return, by name, the values that no field under `rule` may take."""
    kind = rule["type"]
    taken = {kind, *ALSO.get(kind, ())} | ({"null"} if rule.get("nullable") else set())
    wrong = FOR_ANY | {f"the type {name}": value for name, value in OF_TYPE.items() if name not in taken}
    if kind == "datetime":
        wrong["a time that is none"] = '"2026-02-31T25:61:00Z"'
    if kind == "dict" and "schema" not in rule and "valuesrules" not in rule:
        return wrong  # an object that may hold anything, and is kept as text
    return wrong | OPERATORS


def fields(schema, above=()):
    """Yield `(path, rule)` of every field of a schema, nested ones and the items of lists among them."""
    for name, rule in schema.items():
        yield from _below((*above, name), rule)


def _below(path, rule):
    yield path, rule
    inner = rule.get("schema")
    if rule["type"] == "dict" and inner:
        yield from fields(inner, path)
    if rule["type"] == "list" and inner:
        yield from _below((*path, 0), inner)
    if "valuesrules" in rule:
        yield from _below((*path, "key"), rule["valuesrules"])


def with_hole(body, path):
    """Return `body` as JSON text with HOLE at `path`; what leads there is made where it is missing."""
    whole = json.loads(json.dumps(body))
    at = whole
    for step, following in itertools.pairwise(path):
        empty = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            at.append(empty)
            at = at[-1]
        else:
            if not isinstance(at.get(step), type(empty)):
                at[step] = empty
            at = at[step]
            if isinstance(at, list):
                at.clear()
    if isinstance(at, list):
        at.append(HOLE)
    else:
        at[path[-1]] = HOLE
    return json.dumps(whole)


def filled(text, value):
    """Put a wrong value into the hole; return bytes."""
    return text.replace(json.dumps(HOLE), value).encode()


def whole_bodies(body):
    """Return, by name, the ways to spoil a body as a whole."""
    text = json.dumps(body)
    inside = text[1:-1]
    twice = f"{{{inside}, {inside}}}" if inside else '{"a": 1, "a": 1}'
    extra = f"{{{inside}, " if inside else "{"
    return {
        "every field twice": twice,
        "a list": f"[{text}]",
        "a string": json.dumps(text),
        "a number": "17",
        "null": "null",
        "nested without end": DEEP,
        "no JSON": text[:-1],
        "two bodies": text + text,
        **{
            f"the field {name}": f"{extra}{json.dumps(name)}: 1}}"
            for name in ("_id", "$where", "$set", "__proto__", "passwordHash", "version", "a.b", "\x00", "\ud800", "")
        },
    }
