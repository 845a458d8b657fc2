"""Lists in keyset order: a page is found by the last row of the one before, never by counting rows (`skip`)."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from core.errors import Invalid
from core.validation import is_storable, parse_moment
from models.base import Collection, Document, Query

NAMES = {"locale": "en", "strength": 2}  # sorts and compares names without regard to case


@dataclass(frozen=True, slots=True)
class Listing:
    """What a caller asks of a list. `sort` is `field` or `-field` of the list's allow-list."""

    limit: int = 50
    cursor: str | None = None
    sort: str | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: documents, the cursor of the next page or None, and how many there are in all.

    Several who ask together may be given the same page: it is only read. `made` is as core/shared.py's `Given` has it.
    """

    items: list[Document]
    next: str | None
    total: int | None
    made: dict[object, bytes] = field(default_factory=dict, repr=False, compare=False)


async def page(
    collection: Collection,
    query: Query,
    asked: Listing,
    *,
    default_sort: str,
    projection: Query | None = None,
    exact: Mapping[str, str] = MappingProxyType({}),
) -> Page:
    """Return a page in keyset order: by the sort field, then by `_id`, both in one direction.

    Names are compared without regard to case; an index with the NAMES collation serves such a list. It would
    compare every plain string of the query so: fields that people filled in come as `exact`.
    """
    sort = asked.sort or default_sort
    field, direction = sort.lstrip("-"), -1 if sort.startswith("-") else 1
    options: Document = {"collation": NAMES} if field in {"name", "username"} else {}
    after = _after(asked.cursor, sort, field, direction) if asked.cursor else {}
    query, chosen = {**query, **exact}, {**query, **(_patterns(exact) if options else exact)}
    narrowed = {"$and": [chosen, after]} if after else chosen
    found = await collection.find(
        narrowed,
        sort=[(field, direction), ("_id", direction)],
        limit=asked.limit + 1,
        projection=projection,
        **options,
    )
    more = len(found) > asked.limit
    items = found[: asked.limit]
    total = len(items) if not more and not after else await collection.count(query)
    return Page(items, _cursor(items[-1], sort, field) if more else None, total)


def _patterns(exact: Mapping[str, str]) -> Query:
    """Return the query for exactly these strings, whatever the collation: patterns know none, and no index either."""
    return {name: {"$regex": rf"\A{re.escape(value)}\z"} for name, value in exact.items()}


def page_of(items: list[Document], asked: Listing, field: str) -> Page:
    """Return a page of a list that is at hand whole, ordered by a `field` of times and then by `_id`."""
    rows = sorted(items, key=lambda item: (item[field], item["_id"]))
    if asked.cursor:
        made_for, value, last_id = _read_cursor(asked.cursor)
        if made_for != field or not isinstance(value, datetime):
            raise Invalid.field("cursor", "is not one that this list gave")
        rows = [item for item in rows if (item[field], item["_id"]) > (value, last_id)]
    shown = rows[: asked.limit]
    more = len(rows) > asked.limit
    return Page(shown, _cursor(shown[-1], field, field) if more else None, len(items))


def contains(text: str, *fields: str) -> Query:
    """Return the query for documents in which one of `fields` contains `text`, whatever its case."""
    pattern = {"$regex": re.escape(text), "$options": "i"}
    return {"$or": [{field: pattern} for field in fields]}


def _cursor(last: Document, sort: str, field: str) -> str:
    value = last.get(field)
    shown = {"at": value.isoformat()} if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(json.dumps([sort, shown, last["_id"]]).encode()).rstrip(b"=").decode()


def _after(cursor: str, sort: str, field: str, direction: int) -> Query:
    made_for, value, last_id = _read_cursor(cursor)
    if made_for != sort:
        raise Invalid.field("cursor", "belongs to another sort order")
    beyond = "$gt" if direction > 0 else "$lt"
    same: Query = {field: value, "_id": {beyond: last_id}}
    if value is None:  # null sorts before everything, and $gt does not cross types
        return {"$or": [same, {field: {"$ne": None}}]} if direction > 0 else same
    return {"$or": [{field: {beyond: value}}, same, *([{field: None}] if direction < 0 else [])]}


def _read_cursor(cursor: str) -> tuple[str, Any, str]:
    try:
        sort, value, last_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(value, dict):
            value = parse_moment(value["at"].replace("+00:00", "Z"))
            if value is None:
                raise ValueError(cursor)
        if not isinstance(sort, str) or not isinstance(last_id, str) or isinstance(value, list | dict):
            raise ValueError(cursor)
        if not is_storable([value, last_id]):
            raise ValueError(cursor)
    except (ValueError, binascii.Error, TypeError, KeyError, AttributeError, RecursionError) as e:
        raise Invalid.field("cursor", "is not one that this list gave") from e
    return sort, value, last_id
