"""What is on a screen at a moment, and why: the sentences of `GET /api/screens/{id}/preview`. Pure, as playback is.

A manifest says what a screen needs; this says what a player makes of it at `at`, by the documents as
they stand: a past or a future moment is judged by today's playlist. Which item of a loop is on depends
on when the player began it. The preview knows that only where one item is valid, or where the screen
itself reported what it plays and no window has opened or closed since; else it gives the first valid
item and says so.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from core.clock import rfc3339
from models.playback import (
    Document,
    Urls,
    duration_ms,
    emergency_item,
    is_target,
    is_valid_at,
    manifest_emergency,
    manifest_item,
    precedence,
)

# Every change of item costs a player some frames: after an hour the reckoning may be an item off.
_REPORT_COUNTS_FOR = timedelta(hours=1)

Rejected = dict[str, str]  # {"what", "reason"}


def playing_at(
    screen: Document,
    playlist: Document | None,
    emergencies: Iterable[Document],
    at: datetime,
    *,
    urls: Urls,
) -> dict[str, Any]:
    """Return the preview (`core.resources.PREVIEW`) of `screen` at the moment `at`.

    `emergencies` are the workspace's that had not ended before `at`. Unlike the manifest this counts an
    emergency that has run out as over, whether or not its end is written yet.
    """
    emergency, rejected = _emergency_at(screen, emergencies, at)
    if emergency:
        shown: Document | None = emergency_item(emergency) if emergency["media"] else None
        why = [
            f"The emergency {_named(emergency)} is in force from {rfc3339(emergency['startedAt'])}"
            f" until {rfc3339(emergency['expiresAt'])} and overrides every playlist."
        ]
        if playlist:
            rejected.append(_rejection(f'playlist "{playlist["name"]}"', "An emergency overrides it."))
    else:
        shown, why, more = _item_at(screen, playlist, at)
        rejected += more
    return {
        "at": at,
        "emergency": manifest_emergency(emergency, urls) if emergency else None,
        "playlist": {"id": playlist["_id"], "name": playlist["name"], "version": playlist["version"]}
        if playlist
        else None,
        "item": manifest_item(shown, urls) if shown else None,
        "why": why,
        "rejected": rejected,
    }


def _emergency_at(
    screen: Document, emergencies: Iterable[Document], at: datetime
) -> tuple[Document | None, list[Rejected]]:
    """Return the emergency in force at `at`, and why each of the others is not."""
    best: Document | None = None
    rejected = []
    here = [e for e in emergencies if e["workspaceId"] == screen["workspaceId"]]
    for emergency in sorted(here, key=precedence, reverse=True):
        reason = _not_in_force(screen, emergency, at) or _outranked(emergency, best)
        if reason:
            rejected.append(_rejection(f"emergency {_named(emergency)}", reason))
        else:
            best = emergency
    return best, rejected


def _not_in_force(screen: Document, emergency: Document, at: datetime) -> str | None:
    """Return why `emergency` does not concern `screen` at `at`, or None if it does."""
    ended = emergency["endedAt"]
    if not is_target(screen, emergency):
        return "This screen is not among its targets."
    if at < emergency["startedAt"]:
        return f"It begins at {rfc3339(emergency['startedAt'])}."
    if ended is not None and ended <= at:
        return f"It was ended at {rfc3339(ended)}."
    if emergency["expiresAt"] <= at:
        return f"It ran out at {rfc3339(emergency['expiresAt'])}."
    return None


def _outranked(emergency: Document, best: Document | None) -> str | None:
    """Return why `emergency`, in force too, gives way to `best`, which ranks above it; None if there is none."""
    if best is None:
        return None
    if best["level"] != emergency["level"]:
        return f"{_named(best)} has a higher level."
    return f"{_named(best)} is newer, at the same level."


def _item_at(
    screen: Document, playlist: Document | None, at: datetime
) -> tuple[Document | None, list[str], list[Rejected]]:
    """Return the playlist's item that is on at `at` (or None), why, and why others cannot be."""
    if playlist is None:
        return None, ["No playlist is assigned to this screen."], []
    name, items = f'"{playlist["name"]}"', playlist["items"]
    why = [f"The playlist {name} is assigned to this screen and no emergency is in force."]
    if not items:
        reason = "It has no items."
        return None, [*why, f"{reason} Nothing is shown."], [_rejection(f"playlist {name}", reason)]
    valid = [item for item in items if is_valid_at(item, at)]
    rejected = [_outside(position, item, at) for position, item in enumerate(items, 1) if not is_valid_at(item, at)]
    if not valid:
        return None, [*why, f"None of its {_count(items)} is valid at this moment. {_next_start(items, at)}"], rejected
    shown, reason = _place_in_loop(screen, items, valid, at)
    return shown, [*why, reason], rejected


def _place_in_loop(
    screen: Document, items: Sequence[Document], valid: Sequence[Document], at: datetime
) -> tuple[Document, str]:
    """Return which of the `valid` items is on, and the sentence that says how that is known."""
    if len(valid) == 1:
        return valid[0], f"Item {items.index(valid[0]) + 1} is the only one of {_count(items)} that is valid."
    reckoned = _reckoned(screen, items, valid, at)
    if reckoned is not None:
        began = rfc3339(screen["nowPlaying"]["startedAt"])
        return reckoned, (
            f"Item {items.index(reckoned) + 1} of {len(items)} is on, reckoned from the screen's own report of {began}."
        )
    return valid[0], (
        f"{len(valid)} of {_count(items)} are valid and play in turn. Which one is on depends on when the player"
        f" began, so the first valid one, item {items.index(valid[0]) + 1}, stands for all."
    )


def _reckoned(screen: Document, items: Sequence[Document], valid: Sequence[Document], at: datetime) -> Document | None:
    """Return the item that is on by what the screen last reported, or None where that does not tell."""
    report = screen.get("nowPlaying") or {}
    began = report.get("startedAt")
    first = next((n for n, item in enumerate(valid) if item["id"] == report.get("itemId")), None)
    if began is None or first is None or not timedelta() <= at - began <= _REPORT_COUNTS_FOR:
        return None
    bounds = [item[side] for item in items for side in ("validFrom", "validTo") if item.get(side) is not None]
    if any(began < bound <= at for bound in bounds):
        return None
    order = [*valid[first:], *valid[:first]]
    left = (at - began) // timedelta(milliseconds=1) % sum(map(duration_ms, order))
    for item in order:
        if left < duration_ms(item):
            return item
        left -= duration_ms(item)
    raise AssertionError("the rest of a division is smaller than its divisor")


def _outside(position: int, item: Document, at: datetime) -> Rejected:
    begins, ends = item.get("validFrom"), item.get("validTo")
    if ends is not None and ends <= at:
        return _rejection(f"item {position}", f"It was valid until {rfc3339(ends)}.")
    assert begins is not None  # else it would be valid
    return _rejection(f"item {position}", f"It is valid from {rfc3339(begins)} on.")


def _next_start(items: Iterable[Document], at: datetime) -> str:
    starts = [item["validFrom"] for item in items if item.get("validFrom") is not None and item["validFrom"] > at]
    return f"The next one begins at {rfc3339(min(starts))}." if starts else "None will become valid again."


def _named(emergency: Document) -> str:
    return f'"{emergency["title"]}" ({emergency["level"]})'


def _count(items: Sequence[Document]) -> str:
    return f"{len(items)} items" if len(items) != 1 else "1 item"


def _rejection(what: str, reason: str) -> Rejected:
    return {"what": what, "reason": reason}
