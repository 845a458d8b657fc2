"""The `statuses` collection: each screen's history of coming, going and failing, kept for 90 days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import InsertOne

from core.clock import new_id
from core.events import Event, announce, workspace_channel
from models.base import Document, Ground
from models.paging import Listing, Page, page

KEPT_DAYS = 90


@dataclass(frozen=True, slots=True)
class Change:
    """A screen's new status. It was written to the screen already."""

    screen_id: str
    workspace_id: str
    status: str
    reason: str | None
    last_seen_at: datetime | None
    at: datetime


class Statuses:
    """Writes and lists the history."""

    def __init__(self, ground: Ground) -> None:
        self._docs = ground.collection("statuses")

    async def record(self, changes: Sequence[Change]) -> list[Event]:
        """Write `changes` to the history and return the `screen.status` events to publish."""
        await self._docs.bulk([InsertOne(_entry(change)) for change in changes])
        return [_event(change) for change in changes]

    async def list(self, screen_id: str, asked: Listing) -> Page:
        """Return a page of a screen's changes, the newest first. The caller has looked at the rights."""
        return await page(self._docs, {"screenId": screen_id}, asked, default_sort="-at")

    async def drop(self, screen_ids: Sequence[str]) -> None:
        """Delete the history of screens that are gone."""
        await self._docs.delete_all({"screenId": {"$in": list(screen_ids)}})


def _entry(change: Change) -> Document:
    return {
        "_id": new_id(),
        "screenId": change.screen_id,
        "at": change.at,
        "status": change.status,
        "reason": change.reason,
    }


def _event(change: Change) -> Event:
    data = {
        "screenId": change.screen_id,
        "status": change.status,
        "reason": change.reason,
        "lastSeenAt": change.last_seen_at,
    }
    return announce("screen.status", workspace_channel(change.workspace_id), data)
