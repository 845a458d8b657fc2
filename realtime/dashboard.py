"""`/ws/dashboard`: people watch the workspaces that they are members of."""

from collections.abc import Mapping
from typing import Any

from core.errors import Unauthenticated
from core.events import workspace_channel
from core.validation import Json, ident
from realtime import frames
from realtime.codes import Close
from realtime.connection import Connection
from realtime.endpoint import Endpoint, FrameType
from realtime.shared import Shared

_WORKSPACE = {"workspaceId": ident(required=True)}
_READ = "workspaces:read"


class DashboardEndpoint(Endpoint):
    """Subscriptions to `workspace:<id>`, for viewers and up, for as long as they are members."""

    name = "dashboard"
    takes = "user"

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._node = shared.node
        self._gate = shared.gate
        self.frames = {
            "subscribe": FrameType(_WORKSPACE, self._subscribe, "Watch a workspace."),
            "unsubscribe": FrameType(_WORKSPACE, self._unsubscribe, "Watch it no longer."),
        }

    async def recheck(self, connection: Connection) -> None:
        """End the subscriptions whose membership has ended, and the connection when its account has."""
        assert connection.actor is not None
        try:
            actor = await self._gate.refreshed(connection.actor)
        except Unauthenticated:
            connection.close(Close.UNAUTHENTICATED)
            return
        connection.actor = actor
        for channel in self._node.hub.channels_of(connection):
            if not actor.can(_READ, channel.partition(":")[2]):
                self._node.unsubscribe(connection, channel)
                connection.push(frames.event_frame("unsubscribed", {"code": "forbidden"}, channel=channel))

    async def _subscribe(self, connection: Connection, data: Json) -> Mapping[str, Any] | None:
        """Look at the rights before, to refuse, and after: a membership may end while the subscription is made."""
        channel = workspace_channel(data["workspaceId"])
        assert connection.actor is not None
        watched = channel in self._node.hub.channels_of(connection)
        actor = connection.actor = await self._gate.refreshed(connection.actor)
        actor.require(_READ, data["workspaceId"])
        if not watched:
            await self._node.subscribe(connection, channel)
            await self.recheck(connection)
        return None

    async def _unsubscribe(self, connection: Connection, data: Json) -> Mapping[str, Any] | None:
        self._node.unsubscribe(connection, workspace_channel(data["workspaceId"]))
        return None
