"""A workspace at a glance, or all of the caller's: counts from the collections, asked for at once."""

import asyncio
from collections.abc import Sequence
from typing import Any

from core.permissions import Actor
from core.ports import Presence
from core.resources import SCREEN_STATUSES
from models.base import Document, Ground, Query

TYPES = ("image", "video")


class Overview:
    """Reads only."""

    def __init__(self, ground: Ground, presence: Presence) -> None:
        self._ground = ground
        self._quotas = ground.collection("quotas")
        self._presence = presence
        self._screens = ground.collection("screens")
        self._media = ground.collection("media")
        self._playlists = ground.collection("playlists")
        self._emergencies = ground.collection("emergencies")
        self._workspaces = ground.collection("workspaces")

    async def of(self, workspace_id: str | None, *, by: Actor) -> Document:
        """Return the overview (`OVERVIEW`) of one workspace, or of all of the caller's. Raises NotFound."""
        scope = by.scope("screens:read", workspace_id)
        workspaces = [*by.workspaces] if workspace_id is None else [workspace_id]
        running = {**scope, "endedAt": None, "expiresAt": {"$gt": self._ground.clock.now()}}
        screens, media, playlists, emergencies, members, used = await asyncio.gather(
            self._count_screens(scope),
            self._count_media(scope),
            self._playlists.count(scope),
            self._emergencies.count(running),
            self._members_online(workspaces),
            self._quotas.find({"_id": {"$in": workspaces}}),
        )
        quota = self._ground.settings.workspace_quota_bytes * len(workspaces)
        return {
            "screens": screens,
            "media": media,
            "playlists": playlists,
            "emergencies": emergencies,
            "membersOnline": members,
            "quota": {"bytes": quota, "used": sum(each["bytes"] for each in used)},
        }

    async def _count_screens(self, scope: Query) -> Document:
        """Count by status, every status named, and those that show what they should; an index has both."""
        grouped: dict[str, Any] = {"_id": {"status": "$status", "inSync": "$inSync"}, "count": {"$sum": 1}}
        found = await self._screens.aggregate([{"$match": scope}, {"$group": grouped}])
        by_status = dict.fromkeys(SCREEN_STATUSES, 0)
        for each in found:
            by_status[each["_id"]["status"]] += each["count"]
        in_sync = sum(each["count"] for each in found if each["_id"]["inSync"])
        return {"total": sum(by_status.values()), "byStatus": by_status, "inSync": in_sync}

    async def _count_media(self, scope: Query) -> Document:
        grouped = {"_id": "$type", "count": {"$sum": 1}, "bytes": {"$sum": "$bytes"}}
        found = await self._media.aggregate([{"$match": scope}, {"$group": grouped}])
        by_type = {kind: {"count": 0, "bytes": 0} for kind in TYPES}
        by_type |= {each["_id"]: {"count": each["count"], "bytes": each["bytes"]} for each in found}
        total, size = (sum(each[name] for each in by_type.values()) for name in ("count", "bytes"))
        return {"total": total, "bytes": size, "byType": by_type}

    async def _members_online(self, workspace_ids: Sequence[str]) -> int:
        """Count the people who are here now; one who is a member twice counts once."""
        found = await self._workspaces.find({"_id": {"$in": list(workspace_ids)}}, projection={"members.userId": 1})
        members = {member["userId"] for workspace in found for member in workspace["members"]}
        return len(await self._presence.online(sorted(members)))
