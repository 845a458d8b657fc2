"""What a workspace needs before it can play: media and screens, put into the database as their stores keep them."""

import hashlib
from datetime import timedelta

from core.clock import Clock, new_id
from core.signatures import Signatures
from models.manifests import Manifests
from models.playback import revision
from models.storage.local import LocalStorage

NOTHING = "000000000000000000000000"  # the id of nothing


class Stock:
    """Makes media and screens in one workspace, and looks at them."""

    def __init__(self, marquee, workspace):
        self.marquee = marquee
        self.workspace = workspace
        self._media = marquee.ground.collection("media")
        self._screens = marquee.ground.collection("screens")
        folder, secret = marquee.settings.data_dir, marquee.settings.secret_key
        storage = LocalStorage(folder / "media", Signatures(secret))
        self._manifests = Manifests(marquee.ground, storage, marquee.stores.revisions)

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
            "sources": [],
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

    async def manifest(self, screen_id):
        """Return what the screen would get to play."""
        return await self._manifests.of(await self.stored(screen_id))

    async def preview(self, screen_id, at=None):
        """Return what an operator would be shown of the screen."""
        return await self._manifests.preview(await self.stored(screen_id), at)


def item(media_id, **more):
    """Return an item as a caller sends it."""
    return {"mediaId": media_id, **more}


async def make_playlist(api, person, workspace, *media, **more):
    """Make a playlist of `media` through the API; return it."""
    body = {"workspaceId": workspace, "name": "Day", "items": [item(m) for m in media]} | more
    reply = await api.post("/api/playlists", body, as_=person)
    assert reply.status == 201, reply.body
    return reply.json


async def raise_emergency(api, person, workspace, **more):
    """Raise an emergency through the API; return it."""
    body = {"workspaceId": workspace, "title": "Fire", "message": "Out!", "level": "warning", "expiresIn": 600} | more
    reply = await api.post("/api/emergencies", body, as_=person)
    assert reply.status == 201, reply.body
    return reply.json


async def forget_answers(marquee):
    """Leave every Idempotency-Key as a process leaves it that dies between its write and its answer."""
    unfinished = {"answer": None, "busyUntil": marquee.clock.now() - timedelta(seconds=1)}
    await marquee.ground.collection("idempotency").update_all({}, {"$set": unfinished})


def told(heard, *types):
    """Return the events of `types` that were announced, as (type, channel, data)."""
    return [(event.type, event.channel, event.data) for event in heard if event.type in types]


def move_clock(marquee, seconds):
    """Let the server's clock run `seconds` ahead of the machine's, from now on."""
    clock = Clock()
    marquee.clock.now = lambda: clock.now() + timedelta(seconds=seconds)
