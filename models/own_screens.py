"""What screens read of themselves. Those that ask at once are read together, as beats are: many come back at once.

A read of a batch begins after the last question in it, so each screen sees all that was acknowledged before it asked.
"""

from collections.abc import Sequence
from typing import TypeVar

from core.errors import Unauthenticated
from core.gather import Gather
from core.permissions import Actor
from models.base import Document, Ground
from models.revisions import SCREEN_FIELDS, Revisions

T = TypeVar("T")
_READ = dict.fromkeys((*SCREEN_FIELDS, "name"), 1)
_MOST = 100  # screens in one batch: what MongoDB hands over with its first answer


class OwnScreens:
    """Reads the calling screens, at most two operations at a time. One object a process."""

    def __init__(self, ground: Ground, revisions: Revisions) -> None:
        self._docs = ground.collection("screens")
        self._revisions = revisions
        self._screens: Gather[str, Document | None] = Gather(self._read, most=_MOST)
        self._wanted: Gather[str, str | None] = Gather(self._read_wanted, most=_MOST)

    async def get(self, *, by: Actor) -> Document:
        """Return the calling screen, of it what a manifest needs; to be read only. Raises Unauthenticated."""
        return _there(await self._screens.add(by.id) if by.kind == "screen" else None)

    async def wanted(self, *, by: Actor) -> str:
        """Return the revision that the calling screen should show. Raises Unauthenticated when it is gone."""
        return _there(await self._wanted.add(by.id) if by.kind == "screen" else None)

    async def _read(self, ids: Sequence[str]) -> list[Document | None]:
        asked = {"_id": {"$in": list(set(ids))}}
        found = {screen["_id"]: screen for screen in await self._docs.find(asked, projection=_READ)}
        return [found.get(one) for one in ids]

    async def _read_wanted(self, ids: Sequence[str]) -> list[str | None]:
        screens = {screen["_id"]: screen for screen in await self._read(ids) if screen is not None}
        revisions = dict(zip(screens, await self._revisions.wanted(list(screens.values())), strict=True))
        return [revisions.get(one) for one in ids]


def _there(found: T | None) -> T:
    if found is None:
        raise Unauthenticated
    return found
