"""The wanted revision of screens: read from the documents, stored on each screen, pushed where it changed.

Whoever writes something that screens show (a playlist, an emergency, a screen's own settings) calls
`refresh` after that write. A stored revision is for filters and for pushing; it may lag for a moment or,
after a crash between the two writes, until the job that reconciles. Beats and manifests do not lag:
they ask `wanted`, which reads the documents.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from core.events import Event, announce, screen_channel, workspace_channel
from core.shared import Shared
from models.base import Document, Ground, Query
from models.playback import content

# What `wanted` and `refresh` read of a screen, and no more: thousands are read at a time.
SCREEN_FIELDS = ("workspaceId", "orientation", "volume", "timezone", "tags", "playlistId")
_STORED = dict.fromkeys((*SCREEN_FIELDS, "revision", "appliedRevision"), 1)
_TOLD = dict.fromkeys(("workspaceId", "revision", "appliedRevision", "inSync"), 1)
_BATCH = 500
# A lost race is repaired by reading again; who loses five times leaves the rest to the winner and the job.
_ROUNDS = 5

Stale = tuple[Document, str]  # a screen as it is stored, and the revision that it should have


class Revisions:
    """Computes the wanted revision of many screens with two queries, and writes and announces those that changed."""

    def __init__(self, ground: Ground) -> None:
        self._screens = ground.collection("screens")
        self._playlists = ground.collection("playlists")
        self._emergencies = ground.collection("emergencies")
        self._events = ground.events
        self._shared: Shared[dict[str, list[Document]]] = Shared()

    async def wanted(self, screens: Sequence[Document]) -> list[str]:
        """Return the revision that each of `screens` should show now, by documents. They need SCREEN_FIELDS."""
        playlists, emergencies = await asyncio.gather(
            self._digests({s["playlistId"] for s in screens if s["playlistId"]}),
            self.running({s["workspaceId"] for s in screens}),
        )
        shown = [content(s, playlists.get(s["playlistId"]), emergencies.get(s["workspaceId"], ())) for s in screens]
        hashed = {each: each.revision for each in set(shown)}  # thousands of screens, and most show the same
        return [hashed[each] for each in shown]

    async def _digests(self, ids: set[str]) -> dict[str, Document]:
        found = await self._playlists.find({"_id": {"$in": list(ids)}}, projection={"digest": 1}) if ids else []
        return {playlist["_id"]: playlist for playlist in found}

    async def running(self, workspace_ids: set[str]) -> dict[str, list[Document]]:
        """Return the emergencies whose end is not written yet, by workspace; one of them may have run out.

        Who asks for the same workspaces at once gets the same documents, which are only read.
        """
        asked = sorted(workspace_ids)
        return await self._shared.of(" ".join(asked), lambda: self._running(asked))

    async def _running(self, workspace_ids: Sequence[str]) -> dict[str, list[Document]]:
        out: dict[str, list[Document]] = {}
        for emergency in await self._emergencies.find({"workspaceId": {"$in": workspace_ids}, "endedAt": None}):
            named = emergency["screenIds"]
            # As a set: each of thousands of screens asks whether it is among them.
            emergency["screenIds"] = None if named is None else frozenset(named)
            out.setdefault(emergency["workspaceId"], []).append(emergency)
        return out

    async def refresh(self, query: Query) -> int:
        """Bring the stored revision of all screens of `query` up to date; return how many it changed.

        First each changed screen hears `manifest.changed`: what it fetches then is read from the documents. Only when
        all have heard, the revisions are written, which takes most of the time, and the dashboards hear `screen.sync`.

        A revision is written only over the one that was read with the screen, so an older reading
        never replaces a newer one; what lost such a race is read again.
        """
        changed = 0
        for _ in range(_ROUNDS):
            raced = 0
            for stale in [await self._announce(batch) async for batch in self._batches(query)]:
                wrote = await self._write_all(stale)
                await self._tell([screen["_id"] for screen, _ in stale])
                changed, raced = changed + wrote, raced + len(stale) - wrote
            if not raced:
                break
        return changed

    async def _batches(self, query: Query) -> AsyncIterator[list[Document]]:
        batch: list[Document] = []
        async for screen in self._screens.each(query, batch=_BATCH, projection=_STORED):
            batch.append(screen)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _announce(self, screens: Sequence[Document]) -> list[Stale]:
        """Tell those of `screens` that want another revision, and return them with it."""
        wanted = zip(screens, await self.wanted(screens), strict=True)
        stale = [(screen, new) for screen, new in wanted if screen["revision"] != new]
        if stale:
            await self._events.publish(
                [
                    announce("manifest.changed", screen_channel(screen["_id"]), {"revision": new})
                    for screen, new in stale
                ]
            )
        return stale

    async def _write_all(self, stale: Sequence[Stale]) -> int:
        """Write the new revisions; return how many nobody else changed first."""
        groups: dict[tuple[str, str], list[str]] = {}
        for screen, new in stale:
            groups.setdefault((screen["revision"], new), []).append(screen["_id"])
        return sum(await asyncio.gather(*(self._write(old, new, ids) for (old, new), ids in groups.items())))

    async def _write(self, old: str, new: str, screen_ids: Sequence[str]) -> int:
        """Write `new` over `old`. One operation for all that share both: most do, with their playlist."""
        return await self._screens.update_all(
            {"_id": {"$in": screen_ids}, "revision": old},
            [{"$set": {"revision": new, "inSync": {"$eq": ["$appliedRevision", new]}}}],
        )

    async def _tell(self, screen_ids: Sequence[str]) -> None:
        """Tell the dashboards of these screens as they are now: some may have applied by now what they heard of."""
        if screen_ids:
            screens = await self._screens.find({"_id": {"$in": list(screen_ids)}}, projection=_TOLD)
            await self._events.publish([_sync(screen) for screen in screens])


def _sync(screen: Document) -> Event:
    data = {"screenId": screen["_id"], **{name: screen[name] for name in ("revision", "appliedRevision", "inSync")}}
    return announce("screen.sync", workspace_channel(screen["workspaceId"]), data)
