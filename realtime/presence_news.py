"""Tells people who comes and goes: those who share a subscribed room, once for each change.

Whoever sees a connection come or go notes its user. A second later the process asks what all the noted users'
leases amount to, over all devices and processes, and tells what has changed since it was told last: to the
rooms that these users are in, where every process passes it on to its subscribers. A process that died tells
nothing: the leases that it leaves behind run out, and who is not here any more is found by looking.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import structlog

from core.errors import Problem
from core.events import EVENTS, Event, room_channel, user_channel
from core.shapes import Json
from models.room_feed import RoomFeed
from realtime import frames
from realtime.connection import Connection
from realtime.node import Node
from realtime.presence_told import OFFLINE, Told
from realtime.publication import Publication
from realtime.room import Room

log = structlog.get_logger("marquee.presence")

NEWS = "presence.news"  # between processes, on a room's channel: {"changes": [presence.changed's data]}
GATHER_SECONDS = 1.0
COMPARE_MS = 5000
MOST_CONNECTED = 500  # members; in a room with more of them here, presence is asked for and not told
_JOIN_SECONDS = 0.05  # for the same news by way of several rooms
_REMEMBER_SECONDS = 30.0  # how many are connected in a large room
_TURN = 2000  # frames made before the loop gets its turn: about 2 ms
_TOGETHER = 500  # frames pushed as one, 85 KB: what is larger than half of an outbox would be dropped, and all of it
_CHANGED = EVENTS["presence.changed"]


class PresenceNews:
    """See above. One object a process."""

    def __init__(self, node: Node, feed: RoomFeed, told: Told) -> None:
        self._node = node
        self._feed = feed
        self._told = told
        self._noted: dict[str, datetime | None] = {}  # user -> when one was here still, as far as that is known here
        self._is_waiting = False
        self._large: dict[str, tuple[bool, float]] = {}
        self._fresh: dict[str, Json] = {}  # user -> what is about to be passed on
        self._about: dict[Room, set[str]] = {}  # whom it is about, by the room in which they are
        self._is_handing_out = False
        node.on_presence(lambda user_id: self._note(user_id, node.clock.now()))
        node.every(COMPARE_MS, self._compare)

    def _note(self, user_id: str, seen: datetime | None) -> None:
        """Look at a user within a second."""
        self._noted[user_id] = seen or self._noted.get(user_id)
        if not self._is_waiting:
            self._is_waiting = True
            asyncio.get_running_loop().call_later(GATHER_SECONDS, lambda: self._node.spawn(self._tell()))

    async def _compare(self) -> None:
        """Note those who were told to be here and are not, and the other way round; one process does it for all."""
        told = await self._told.everybody()
        if told is None:
            return
        here: Mapping[str, str] = await self._node.presence.everyone()
        for user_id in told.keys() | here.keys():
            if told.get(user_id) != here.get(user_id):
                self._note(user_id, None)

    async def _tell(self) -> None:
        self._is_waiting = False
        noted, self._noted = self._noted, {}
        try:
            here = await self._node.presence.online(sorted(noted))
            statuses: dict[str, str] = {user_id: here.get(user_id, OFFLINE) for user_id in noted}
            changed = await self._told.note(statuses)
            if changed:
                await self._publish({user_id: statuses[user_id] for user_id in changed}, noted)
        except Problem as e:
            log.warning("presence.not_told", users=len(noted), error=e.code)

    async def _publish(self, statuses: Mapping[str, str], noted: Mapping[str, datetime | None]) -> None:
        """`noted` says who was seen here just now: what is kept for good is written a moment later."""
        seen = await self._feed.last_seen(list(statuses))
        now = self._node.clock.now()
        by_room: dict[str, list[dict[str, Any]]] = {}
        for user_id, room_ids in (await self._feed.rooms_of(list(statuses))).items():
            known = [moment for moment in (seen.get(user_id), noted.get(user_id)) if moment is not None]
            last_seen = max(known, default=None) if statuses[user_id] == OFFLINE else now
            change = {"userId": user_id, "status": statuses[user_id], "lastSeenAt": last_seen}
            for room_id in room_ids:
                by_room.setdefault(room_id, []).append(change)
        crowded = await self._crowded(by_room)
        news = [
            Event(NEWS, room_channel(room_id), {"changes": changes}, ephemeral=True)
            for room_id, changes in by_room.items()
            if room_id not in crowded
        ]
        await self._node.publish(news)

    async def _crowded(self, room_ids: Mapping[str, Any]) -> set[str]:
        """Return the rooms with too many connected members to tell them all of each other."""
        crowded, now = set(), asyncio.get_running_loop().time()
        for room_id in await self._feed.larger_than(MOST_CONNECTED, room_ids):
            is_crowded, until = self._large.get(room_id, (False, 0.0))
            if until <= now:
                here = await self._node.presence.everyone()
                is_crowded = (
                    len(here) > MOST_CONNECTED and await self._feed.members_among(room_id, here) > MOST_CONNECTED
                )
                self._large[room_id] = (is_crowded, now + _REMEMBER_SECONDS)
            if is_crowded:
                crowded.add(room_id)
        return crowded

    # --- on the way to the people -----------------------------------------------------------------------------------

    def pass_on(self, room: Room, publication: Publication) -> None:
        """Take news of a room's members, for those here who are subscribed to it.

        The news of one user comes once for each of the user's rooms: it is passed on once to each connection.
        """
        changes = {change["userId"]: change for change in orjson.loads(publication.body)["data"]["changes"]}
        self._fresh |= changes
        self._about.setdefault(room, set()).update(changes)
        if not self._is_handing_out:
            self._is_handing_out = True
            asyncio.get_running_loop().call_later(_JOIN_SECONDS, lambda: self._node.spawn(self._hand_out()))

    async def _hand_out(self) -> None:
        """Tell every connection what is fresh for it; what comes meanwhile is told after that, so the latest is last.

        When five hundred come back, each is told of each: a quarter of a million frames, in turns with everybody else.
        """
        try:
            while self._fresh:
                fresh, self._fresh = self._fresh, {}
                about, self._about = self._about, {}
                await self._tell_all(fresh, _hearers(about))
        finally:
            self._is_handing_out = False

    async def _tell_all(self, fresh: Mapping[str, Json], hearers: Mapping[Connection, set[str]]) -> None:
        data = {user_id: orjson.Fragment(frames.encode(_CHANGED.data.render(one))) for user_id, one in fresh.items()}
        made = 0
        for connection, user_ids in hearers.items():
            if connection.actor is None:
                continue
            changes = [data[one] for one in user_ids]
            for start in range(0, len(changes), _TOGETHER):
                some = changes[start : start + _TOGETHER]
                connection.push(_told(connection.actor.id, some), ephemeral=True)
                made += len(some)
                if made >= _TURN:
                    made = 0
                    await asyncio.sleep(0)


def _hearers(about: Mapping[Room, set[str]]) -> dict[Connection, set[str]]:
    """Return those who hear the rooms now, and of whom each is to be told."""
    hearers: dict[Connection, set[str]] = {}
    for room, user_ids in about.items():
        for connection in room.live:
            known = hearers.get(connection)
            hearers[connection] = user_ids if known is None else known | user_ids
    return hearers


def _told(reader: str, changes: Sequence[orjson.Fragment]) -> bytes:
    """Return the frames, joined, that tell `reader` of `changes`."""
    channel = user_channel(reader)
    return b"".join([frames.event_frame(_CHANGED.name, change, channel=channel) for change in changes])
