"""`/ws/chat`: people in rooms. Each frame is the store call of its REST twin, with the same effect and errors."""

from collections.abc import Mapping
from typing import Any

import orjson

from core import chat_bodies as bodies
from core import quick
from core.chat_resources import MESSAGE, ROOM
from core.errors import Forbidden, Unauthenticated
from core.events import OWN_READ, announce, room_channel, user_channel
from core.permissions import Actor
from core.validation import Json
from models.stores import Stores
from realtime import frames
from realtime.codes import Close
from realtime.connection import Connection
from realtime.endpoint import Endpoint, FrameType
from realtime.node import Node
from realtime.presence import Lease
from realtime.presence_news import NEWS, PresenceNews
from realtime.publication import Publication
from realtime.rooms import Rooms
from realtime.shared import Gate
from realtime.subscribing import Subscriber
from realtime.typing import Typing
from realtime.unread import Unread

Data = Mapping[str, Any] | None


class ChatEndpoint(Endpoint):
    """People's connections. `place` of one is its subscriptions, by room id."""

    name = "chat"
    takes = "user"

    def __init__(self, node: Node, gate: Gate, stores: Stores, presence: PresenceNews, rooms: Rooms) -> None:
        super().__init__()
        self._node = node
        self._gate = gate
        self._stores = stores
        self._rooms = rooms
        self._subscriber = Subscriber(node, rooms, stores.room_feed, stores.rooms)
        self._typing = Typing(node)
        self._unread = Unread(node, stores.room_news)
        node.listen("user", self._receive)
        rooms.on_inside(NEWS, presence.pass_on)
        self.frames = self._room_frames() | self._message_frames()

    def _room_frames(self) -> dict[str, FrameType]:
        return {
            "room.subscribe": FrameType(
                bodies.SUBSCRIBE, self._subscribe, "Hear rooms, from where one left off.", read_subscribe, patient=True
            ),
            "room.unsubscribe": FrameType(bodies.UNSUBSCRIBE, self._unsubscribe, "Hear a room no longer."),
            "typing": FrameType(bodies.TYPING_FRAME, self._type, "Say that one is writing, every few seconds."),
            "read": FrameType(bodies.READ_FRAME, self._read, "Note up to where one has read a room."),
            "presence.set": FrameType(bodies.PRESENCE_FRAME, self._set_presence, "Say whether one is at hand."),
        }

    def _message_frames(self) -> dict[str, FrameType]:
        return {
            "message.send": FrameType(
                bodies.SEND_FRAME,
                self._send,
                "Write a message; the same clientId is it again.",
                quick.reader(bodies.SEND_FRAME),
            ),
            "message.edit": FrameType(bodies.EDIT_FRAME, self._edit, "Give one's own message new content."),
            "message.delete": FrameType(bodies.DELETE_FRAME, self._delete, "Delete a message."),
            "reaction.add": FrameType(bodies.REACTION_FRAME, self._add_reaction, "React to a message."),
            "reaction.remove": FrameType(bodies.REACTION_FRAME, self._remove_reaction, "Take a reaction back."),
        }

    def limits(self) -> dict[str, int]:
        """Return how long messages may be."""
        return {"contentLength": bodies.CONTENT_LENGTH}

    # --- a connection's life ----------------------------------------------------------------------------------------

    async def joined(self, connection: Connection) -> None:
        """Let the connection hear what is said to its user."""
        connection.place = {}
        self._unread.enter(connection)
        await self._node.subscribe(connection, user_channel(_actor(connection).id))

    async def left(self, connection: Connection) -> None:
        """Take the connection out of its rooms."""
        self._unread.leave(connection)
        for subscription in list((connection.place or {}).values()):
            self._rooms.leave(subscription)
        self._typing.left(connection)

    async def recheck(self, connection: Connection) -> None:
        """Take up the server role that the user has now. Memberships end by the rooms' own logs."""
        try:
            connection.actor = await self._gate.refreshed(_actor(connection))
        except Unauthenticated:
            connection.close(Close.UNAUTHENTICATED)

    def _receive(self, channel: str, publication: Publication) -> None:
        """Pass on what a user is told; the counts of a room only to connections that do not hear the room itself."""
        if publication.type == OWN_READ:
            self._pass_on_read(channel, publication)
        elif publication.type == "room.unread":
            self._unread.take(channel, publication)
        else:
            self._node.broadcast(channel, publication)

    def _pass_on_read(self, channel: str, publication: Publication) -> None:
        """Tell those of the reader's connections that hear the room, as the room itself is not told."""
        data = orjson.loads(publication.body)["data"]
        event = announce("read", room_channel(data["roomId"]), data)
        hearers = [one for one in self._node.hub.listeners(channel) if data["roomId"] in one.place]
        frame = frames.event_frame(event.type, event.data, channel=event.channel)
        self._node.hub.send(hearers, frame, ephemeral=True)

    # --- rooms ------------------------------------------------------------------------------------------------------

    async def _subscribe(self, connection: Connection, data: Json) -> Data:
        return await self._subscriber.subscribe(connection, data["rooms"])

    async def _unsubscribe(self, connection: Connection, data: Json) -> Data:
        subscription = self._rooms.of(connection, data["room"])
        if subscription is not None:
            self._rooms.leave(subscription)
        return None

    async def _type(self, connection: Connection, data: Json) -> Data:
        actor = _actor(connection)
        room, member = await self._stores.rooms.resolve(data["room"], by=actor)
        if member is None:
            raise Forbidden(detail="Join the room first.")
        if data["on"]:
            self._typing.began(connection, room["_id"])
        else:
            self._typing.ended(room["_id"], actor.id)
        return None

    async def _read(self, connection: Connection, data: Json) -> Data:
        return ROOM.render(await self._stores.rooms.read(data["room"], data["seq"], by=_actor(connection)))

    async def _set_presence(self, connection: Connection, data: Json) -> Data:
        await self._node.hold(Lease(_actor(connection).id, connection.id, data["status"]))
        return None

    # --- messages ---------------------------------------------------------------------------------------------------

    async def _send(self, connection: Connection, data: Json) -> Data:
        message, _ = await self._stores.messages.send(
            data["room"],
            data["content"],
            client_id=data["clientId"],
            reply_to=data.get("replyTo"),
            attachments=data["attachments"],
            by=_actor(connection),
        )
        self._typing.ended(message["roomId"], _actor(connection).id)
        return MESSAGE.render(message)

    async def _edit(self, connection: Connection, data: Json) -> Data:
        return MESSAGE.render(
            await self._stores.messages.edit(data["messageId"], data["content"], by=_actor(connection))
        )

    async def _delete(self, connection: Connection, data: Json) -> Data:
        await self._stores.messages.delete(data["messageId"], by=_actor(connection))
        return None

    async def _add_reaction(self, connection: Connection, data: Json) -> Data:
        return await self._react(connection, data, on=True)

    async def _remove_reaction(self, connection: Connection, data: Json) -> Data:
        return await self._react(connection, data, on=False)

    async def _react(self, connection: Connection, data: Json, *, on: bool) -> Data:
        message = await self._stores.messages.react(data["messageId"], data["emoji"], on=on, by=_actor(connection))
        return MESSAGE.render(message)


def read_subscribe(data: Json) -> Json:
    """Return the frame's data in its form for many rooms; one room may be given without a list."""
    return _read_rooms(data) if "rooms" in data else {"rooms": [_read_room(data)]}


_read_rooms, _read_room = quick.reader(bodies.SUBSCRIBE), quick.reader(bodies.ONE_ROOM)


def _actor(connection: Connection) -> Actor:
    assert connection.actor is not None
    return connection.actor
