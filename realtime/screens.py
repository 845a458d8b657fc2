"""`/ws/screen`: a display's live connection. State comes as a revision, orders as commands, beats go the other way."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson
import structlog

from core import quick, resources
from core.errors import Problem
from core.events import announce, control, screen_channel
from core.reports import COMMAND_RESULT, HEARTBEAT
from core.validation import Json, ident
from realtime import frames
from realtime.codes import Close
from realtime.connection import Connection
from realtime.endpoint import Endpoint, FrameType
from realtime.node import Node
from realtime.publication import Publication

log = structlog.get_logger("marquee.screens")
SCREEN_CONNECTED = "screen.connected"  # control: {"screenId", "connectionId"}: older connections are replaced
_SENT_SECONDS = 0.05  # commands that were delivered are marked in one write for all of this time

_AT_ONCE = 20  # screens whose commands are read at the same time after Redis was away

_COMMAND = {"commandId": ident(required=True)}


class Beats(Protocol):
    """What the endpoint needs of the screens' store."""

    async def connected(self, screen_id: str, connection_id: str, *, user_agent: str, ip: str) -> str:
        """Note a new live connection, the screen's latest one, and return the wanted revision."""

    async def disconnected(self, screen_id: str, connection_id: str) -> None:
        """Note that a connection has ended; one that is not the screen's latest changes nothing."""

    async def beat(self, screen_id: str, beat: Mapping[str, Any]) -> str:
        """Take a heartbeat and return the wanted revision. Batched inside."""


class Orders(Protocol):
    """What the endpoint needs of the commands' store."""

    async def unfinished(self, screen_id: str) -> Sequence[Mapping[str, Any]]:
        """Return the commands that the screen has still to finish, oldest first."""

    async def mark_sent(self, command_ids: Sequence[str]) -> None:
        """Note that these were handed to their screens."""

    async def accept(self, screen_id: str, command_id: str) -> Mapping[str, Any]:
        """Note that the screen has the command and is about to run it; again is fine. Raises NotFound, Conflict."""

    async def finish(self, screen_id: str, command_id: str, *, ok: bool, result: Mapping[str, Any] | None) -> Any:
        """Note how a command ended; again is fine. Raises NotFound, Conflict after its expiry, TooLarge."""


class ScreenEndpoint(Endpoint):
    """One live connection for each screen, over all processes.

    A new connection announces itself to every process. Announcements have one order for all (the broker's),
    and a connection gives way only to one that comes after its own: so exactly the last one stays, also when
    two processes take one at the same moment.
    """

    name = "screen"
    takes = "screen"

    def __init__(self, node: Node, beats: Beats, orders: Orders, *, beat_seconds: int) -> None:
        super().__init__()
        self._node = node
        self._beats = beats
        self._orders = orders
        self._beat_seconds = beat_seconds
        self._sent: list[str] = []
        self._missed: set[str] = set()
        self._catching_up = False
        self.frames = {
            "heartbeat": FrameType(
                HEARTBEAT, self._beat, "Say how things stand; answers the wanted revision.", quick.reader(HEARTBEAT)
            ),
            "command.accept": FrameType(_COMMAND, self._accept, "Say that a command came and will be run."),
            "command.result": FrameType({**_COMMAND, **COMMAND_RESULT}, self._finish, "Say how a command ended."),
        }
        node.listen("screen", self._receive)
        node.on_control(SCREEN_CONNECTED, self._replace)
        node.on_renewed(self._catch_up_later)

    def limits(self) -> dict[str, int]:
        """Return how often a screen is to beat."""
        return {"screenHeartbeatSeconds": self._beat_seconds}

    async def joined(self, connection: Connection) -> None:
        """Replace the screen's older connection, then say what it should show and what it has still to do."""
        assert connection.actor is not None
        screen_id = connection.actor.id
        channel = screen_channel(screen_id)
        await self._node.subscribe(connection, channel)
        await self._node.publish([control(SCREEN_CONNECTED, screenId=screen_id, connectionId=connection.id)])
        revision = await self._beats.connected(
            screen_id, connection.id, user_agent=connection.user_agent, ip=connection.ip
        )
        self._say(connection, "manifest.changed", {"revision": revision})
        await self._order(connection, screen_id)

    async def left(self, connection: Connection) -> None:
        """Tell the store, which knows whether that was the screen's latest connection."""
        if connection.actor is not None:
            await self._beats.disconnected(connection.actor.id, connection.id)

    async def _beat(self, connection: Connection, data: Json) -> Mapping[str, Any]:
        assert connection.actor is not None
        revision = await self._beats.beat(connection.actor.id, data)
        return {"revision": revision, "serverTime": self._node.clock.now()}

    async def _accept(self, connection: Connection, data: Json) -> Mapping[str, Any]:
        assert connection.actor is not None
        return resources.COMMAND.render(await self._orders.accept(connection.actor.id, data["commandId"]))

    async def _finish(self, connection: Connection, data: Json) -> Mapping[str, Any]:
        assert connection.actor is not None
        command = await self._orders.finish(
            connection.actor.id, data["commandId"], ok=data["ok"], result=data.get("result")
        )
        return resources.COMMAND.render(command)

    async def _order(self, connection: Connection, screen_id: str) -> None:
        """Send what the screen has still to do."""
        for command in await self._orders.unfinished(screen_id):
            if self._say(connection, "command", command):
                self._note_sent(str(command["_id"]))

    def _catch_up_later(self, channels: list[str]) -> None:
        """Send commands again that may have been lost on the way; a lost revision heals with the next beat."""
        self._missed.update(channel for channel in channels if channel.startswith("screen:"))
        if self._missed and not self._catching_up:
            self._catching_up = True
            self._node.spawn(self._catch_up())

    async def _catch_up(self) -> None:
        try:
            while self._missed:
                some = [self._missed.pop() for _ in range(min(_AT_ONCE, len(self._missed)))]
                heard = [(one, c) for one in some for c in self._node.hub.listeners(one) if c.code is None]
                orders = (self._order(c, channel.partition(":")[2]) for channel, c in heard)
                await asyncio.gather(*orders)
        except Problem as e:
            log.warning("screens.not_caught_up", code=e.code)  # MongoDB is away too: a reconnect brings them
        finally:
            self._catching_up = False

    def _say(self, connection: Connection, name: str, document: Mapping[str, Any]) -> bool:
        event = announce(name, screen_channel(connection.actor.id if connection.actor else ""), document)
        return connection.push(frames.event_frame(event.type, event.data, channel=event.channel))

    def _receive(self, channel: str, publication: Publication) -> None:
        """Broadcast what comes for a screen; a command that some connection took has been sent."""
        if self._node.broadcast(channel, publication) and publication.type == "command":
            self._note_sent(orjson.loads(publication.body)["data"]["id"])

    def _note_sent(self, command_id: str) -> None:
        if not self._sent:
            asyncio.get_running_loop().call_later(_SENT_SECONDS, self._mark_sent)
        self._sent.append(command_id)

    def _mark_sent(self) -> None:
        sent, self._sent = self._sent, []
        self._node.spawn(self._orders.mark_sent(sent))

    def _replace(self, data: Mapping[str, Any]) -> None:
        """Close connections of a screen that were announced before this one; `place` says which were."""
        for connection in self._node.hub.listeners(screen_channel(data["screenId"])):
            if connection.id == data["connectionId"]:
                connection.place = SCREEN_CONNECTED
            elif connection.place == SCREEN_CONNECTED:
                connection.close(Close.REPLACED)
