"""What one screen gets to play, and the operator's preview of it: the documents read, the pure functions asked.

When a playlist changes, all its screens ask for their manifests at the same moment: they share the reading of it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core.ports import Storage
from core.shared import Shared
from core.signatures import window
from models.base import Document, Ground
from models.playback import Urls, manifest
from models.preview import playing_at
from models.revisions import Revisions

_MOST_SIGNED = 20_000  # URLs that are remembered: about 6 MB


class Manifests:
    """Reads a screen's playlist and its workspace's emergencies. Screens are given as documents, already allowed."""

    def __init__(self, ground: Ground, storage: Storage, revisions: Revisions) -> None:
        self._playlists = ground.collection("playlists")
        self._emergencies = ground.collection("emergencies")
        self._clock = ground.clock
        self._storage = storage
        self._revisions = revisions
        self._shared: Shared[Document | None] = Shared()
        self._window = 0
        self._signed: dict[str, str] = {}

    async def of(self, screen: Document) -> Document:
        """Return the manifest of `screen` (`MANIFEST`), with URLs signed now."""
        now = self._clock.now()
        playlist, running = await asyncio.gather(
            self._playlist_of(screen), self._revisions.running({screen["workspaceId"]})
        )
        emergencies = running.get(screen["workspaceId"], [])
        return manifest(screen, playlist, emergencies, now=now, urls=self._urls(now))

    async def preview(self, screen: Document, at: datetime | None = None) -> Document:
        """Return what is on `screen` at the moment `at`, by default now, and why (`PREVIEW`)."""
        now = self._clock.now()
        at = at or now
        playlist, emergencies = await asyncio.gather(self._playlist_of(screen), self._emergencies_at(screen, at))
        return playing_at(screen, playlist, emergencies, at, urls=self._urls(now))

    async def _playlist_of(self, screen: Document) -> Document | None:
        """Return a screen's playlist, the same document for all who ask at once: it is only read."""
        playlist_id = screen["playlistId"]
        if playlist_id is None:
            return None
        return await self._shared.of(playlist_id, lambda: self._playlists.get({"_id": playlist_id}))

    async def _emergencies_at(self, screen: Document, at: datetime) -> Sequence[Document]:
        """Return the workspace's emergencies that ran at `at`, and all whose end is not written yet."""
        ran = {"startedAt": {"$lte": at}, "endedAt": {"$gt": at}}
        return await self._emergencies.find({"workspaceId": screen["workspaceId"], "$or": [{"endedAt": None}, ran]})

    def _urls(self, now: datetime) -> Urls:
        """Return what signs URLs: each once in its 7-day window, all through which it is the same."""
        if self._window != window(now) or len(self._signed) > _MOST_SIGNED:
            self._window, self._signed = window(now), {}
        signed = self._signed

        def url(media: Mapping[str, Any]) -> str:
            key = f"{media['sha256']}.{media['ext']}"
            found = signed.get(key)
            if found is None:
                found = signed[key] = self._storage.url(key, now)
            return found

        return url
