"""What a workspace needs before it can play: media and screens, put into the database as their stores keep them."""

import hashlib
from datetime import timedelta

from core.clock import new_id
from models.playback import revision

NOTHING = "000000000000000000000000"  # the id of nothing


class Stock:
    """Makes media and screens in one workspace, and looks at them."""

    def __init__(self, marquee, workspace):
        self.marquee = marquee
        self.workspace = workspace
        self._media = marquee.ground.collection("media")
        self._screens = marquee.ground.collection("screens")

    async def media(self, name="a", kind="image", **changes):
        """Insert ready media; return its id."""
        video = kind == "video"
        document = {
            "_id": new_id(),
            "workspaceId": self.workspace,
            "name": name,
            "type": kind,
            "contentType": "video/mp4" if video else "image/png",
            "ext": "mp4" if video else "png",
            "bytes": 1000,
            "sha256": hashlib.sha256(f"{self.workspace}{name}".encode()).hexdigest(),
            "width": 1920,
            "height": 1080,
            "durationMs": 7000 if video else None,
            "status": "ready",
            "failure": None,
            "tags": [],
            "createdAt": self.marquee.clock.now(),
            "version": 1,
        } | changes
        await self._media.insert(document)
        return document["_id"]

    async def screen(self, name="Lobby", **changes):
        """Insert an online screen that is in sync; return its id."""
        now = self.marquee.clock.now()
        document = {
            "_id": new_id(),
            "workspaceId": self.workspace,
            "name": name,
            "location": "",
            "tags": [],
            "orientation": "landscape",
            "resolution": None,
            "timezone": "UTC",
            "playlistId": None,
            "volume": 50,
            "status": "online",
            "statusReason": None,
            "lastSeenAt": now,
            "nowPlaying": None,
            "emergencyId": None,
            "player": {"name": None, "version": None, "userAgent": None, "ip": None},
            "pairedAt": now,
            "createdAt": now,
            "version": 1,
        } | changes
        document["revision"] = document["appliedRevision"] = revision(document, None, [])
        document["inSync"] = True
        await self._screens.insert(document)
        if document["playlistId"]:
            await self.marquee.stores.revisions.refresh({"_id": document["_id"]})
        return document["_id"]

    async def stored(self, screen_id):
        """Return a screen's document."""
        return await self._screens.get({"_id": screen_id})

    async def set(self, screen_id, **changes):
        """Change a screen's document: what its heartbeats would."""
        await self._screens.update({"_id": screen_id}, {"$set": changes})


def item(media_id, **more):
    """Return an item as a caller sends it."""
    return {"mediaId": media_id, **more}


async def make_playlist(api, person, workspace, *media, **more):
    """Make a playlist of `media` through the API; return it."""
    body = {"workspaceId": workspace, "name": "Day", "items": [item(m) for m in media]} | more
    reply = await api.post("/api/playlists", body, as_=person)
    assert reply.status == 201, reply.body
    return reply.json


def told(heard, *types):
    """Return the events of `types` that were announced, as (type, channel, data)."""
    return [(event.type, event.channel, event.data) for event in heard if event.type in types]


class ShiftedClock:
    """The server's clock, moved: `forward` seconds ahead of the machine's."""

    def __init__(self, clock):
        self._clock = clock
        self.forward = 0.0

    def now(self):
        return self._clock.now() + timedelta(seconds=self.forward)

    def timestamp(self):
        return self._clock.timestamp() + self.forward

    def monotonic(self):
        return self._clock.monotonic() + self.forward
