"""Screens, playlists and emergencies for the tests of playback: plain documents, and hypothesis strategies of them."""

import hashlib
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from core.clock import new_id
from core.resources import FITS, LEVELS, ORIENTATIONS, TRANSITIONS
from models.playback import emergency_digest, playlist_digest

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def urls(media):
    return f"/media/{media['sha256']}.{media['ext']}"


def make_screen(**changes):
    screen = {
        "_id": "s1",
        "workspaceId": "w1",
        "name": "Lobby",
        "tags": ["ground"],
        "orientation": "landscape",
        "timezone": "Europe/Berlin",
        "volume": 40,
        "playlistId": "p1",
        "nowPlaying": None,
    }
    return screen | changes


def make_media(name="a", kind="image", **changes):
    media = {
        "sha256": hashlib.sha256(name.encode()).hexdigest(),
        "ext": "png" if kind == "image" else "mp4",
        "type": kind,
        "contentType": "image/png" if kind == "image" else "video/mp4",
        "bytes": 1000,
        "width": 1920,
        "height": 1080,
        "durationMs": None if kind == "image" else 7000,
    }
    return media | changes


def make_item(name="a", media=None, **changes):
    item = {
        "id": f"i-{name}",
        "mediaId": f"m-{name}",
        "durationMs": None,
        "transition": "fade",
        "fit": "contain",
        "media": media or make_media(name),
    }
    return item | changes


def make_playlist(*items, **changes):
    playlist = {
        "_id": "p1",
        "workspaceId": "w1",
        "name": "Day",
        "description": "",
        "version": 1,
        "items": list(items),
        "digest": playlist_digest(items),
    }
    return playlist | changes


def make_emergency(**changes):
    emergency = {
        "_id": "e1",
        "workspaceId": "w1",
        "title": "Fire drill",
        "message": "Leave by the stairs.",
        "level": "warning",
        "mediaId": None,
        "media": None,
        "screenIds": None,
        "tag": None,
        "startedAt": NOON,
        "expiresAt": NOON + timedelta(hours=1),
        "endedAt": None,
    } | changes
    return emergency | {"digest": emergency_digest(emergency)}


moments = st.integers(-7200, 7200).map(lambda seconds: NOON + seconds * SECOND)
medias = st.builds(
    make_media,
    name=st.sampled_from("abcdef"),
    kind=st.sampled_from(["image", "video"]),
    durationMs=st.none() | st.integers(1, 60_000),
)
items = st.builds(
    lambda media, **changes: make_item(media=media, id=new_id(), **changes),
    media=medias,
    durationMs=st.none() | st.integers(1000, 86_400_000),
    transition=st.sampled_from(TRANSITIONS),
    fit=st.sampled_from(FITS),
    validFrom=st.none() | moments,
    validTo=st.none() | moments,
)
playlists = st.lists(items, max_size=6).map(lambda found: make_playlist(*found))
screens = st.builds(
    make_screen,
    orientation=st.sampled_from(ORIENTATIONS),
    volume=st.integers(0, 100),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "America/Phoenix"]),
    tags=st.lists(st.sampled_from(["ground", "roof"]), unique=True),
)
emergencies = st.builds(
    lambda begins, lasts, **changes: make_emergency(startedAt=begins, expiresAt=begins + lasts * SECOND, **changes),
    begins=moments,
    lasts=st.integers(60, 86_400),
    _id=st.uuids().map(str),
    workspaceId=st.sampled_from(["w1", "w1", "w2"]),
    level=st.sampled_from(LEVELS),
    title=st.text(max_size=10),
    screenIds=st.none() | st.lists(st.sampled_from(["s1", "s2"]), unique=True),
    tag=st.none() | st.sampled_from(["ground", "roof"]),
    endedAt=st.none() | moments,
)
