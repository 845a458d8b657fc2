"""The `messages` collection: writing by way of the room's log, and reading, for whoever may."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from core.errors import Forbidden, Invalid, NotFound
from core.permissions import Actor
from core.writing import is_emoji
from models.base import Document, Ground
from models.history import Asked, History
from models.message_changes import Delete, Edit, Pin, React, Send, mentioned_names, refuse_blank
from models.message_search import MessageSearch
from models.message_views import MessageViews
from models.paging import Listing, Page
from models.people import People
from models.room_log import RoomLog
from models.room_state import Change
from models.rooms import Rooms, author_of, is_room_id

Sent = tuple[Document, bool, Document]  # the message, whether it is new, and its room


class Messages:
    """Every read and write of messages. REST and sockets call the same methods."""

    def __init__(self, ground: Ground, rooms: Rooms, log: RoomLog, people: People, views: MessageViews) -> None:
        self._limits = ground.limits
        self._rooms = rooms
        self._log = log
        self._people = people
        self._views = views
        self._history = History(ground, views)
        self._search = MessageSearch(ground)
        self._docs = ground.collection("messages")
        self._room_docs = ground.collection("rooms")

    # --- writing ----------------------------------------------------------------------------------------------------

    async def send(
        self,
        room: str,
        content: str,
        *,
        client_id: str | None = None,
        reply_to: str | None = None,
        attachments: Sequence[str] = (),
        by: Actor,
    ) -> tuple[Document, bool]:
        """Write a message; return it as it is now, and whether it is new (the same clientId again is not).

        Raises RateLimited, NotFound, Forbidden (not joined, `muted`), Conflict (archived), Invalid.
        """
        author = author_of(by)
        (await self._limits.count("messages", by.id)).enforce()
        if not attachments:
            refuse_blank(content)
        candidates = await self._people.by_username(mentioned_names(content))
        change = Send(author, content, client_id, reply_to, attachments, candidates)
        message, is_new, found = await self._submitted(room, change, by)
        return await self._shown(message, found), is_new

    async def _submitted(self, room: str, change: Send, by: Actor) -> Sent:
        """Submit a new message: at once where the room is named by its id, for the log itself sees who may write."""
        if is_room_id(room):
            try:
                return cast(Sent, await self._log.submit(room, change))
            except Forbidden as e:
                if e.code == "muted":
                    raise  # who has not joined may still be one whom `general` takes in
        found, _ = await self._rooms.resolve(room, by=by)
        return cast(Sent, await self._log.submit(found["_id"], change))

    async def edit(self, message_id: str, content: str, *, by: Actor) -> Document:
        """Give one's own message new content. It may be blank only where the message has attachments."""
        candidates = await self._people.by_username(mentioned_names(content))
        return await self._change(message_id, Edit(author_of(by), message_id, content, candidates), by)

    async def delete(self, message_id: str, *, by: Actor) -> Document:
        """Delete one's own message, or another's as a moderator; return the tombstone."""
        stored, room = await self._readable(message_id, by)
        parent = (stored.get("replyTo") or {}).get("id")
        deleted = await self._log.submit(room["_id"], Delete(author_of(by), message_id, parent))
        return await self._shown(deleted, room)

    async def react(self, message_id: str, emoji: str, *, on: bool, by: Actor) -> Document:
        """Set or take back one's own reaction."""
        if not is_emoji(emoji):
            raise Invalid.field("emoji", "is no emoji")
        return await self._change(message_id, React(author_of(by), message_id, emoji, on), by)

    async def pin(self, message_id: str, *, on: bool, by: Actor) -> Document:
        """Pin a message for everybody, or unpin it."""
        return await self._change(message_id, Pin(author_of(by), message_id, on), by)

    async def _change(self, message_id: str, change: Change, by: Actor) -> Document:
        _, room = await self._readable(message_id, by)
        return await self._shown(await self._log.submit(room["_id"], change), room)

    async def _shown(self, message: Document, room: Document) -> Document:
        return (await self._views.messages([message], {room["_id"]: room}))[0]

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _readable(self, message_id: str, by: Actor) -> tuple[Document, Document]:
        """Return a message and its room where the actor may read it. Raises NotFound."""
        by.require_user()
        message = await self._docs.get({"_id": message_id})
        if message is None:
            raise NotFound
        room, _ = await self._rooms.resolve(message["roomId"], by=by)
        return message, room

    async def get(self, message_id: str, *, by: Actor) -> Document:
        """Return one message, or its tombstone."""
        return await self._shown(*await self._readable(message_id, by))

    async def history(self, room: str, asked: Asked, *, by: Actor) -> Document:
        """Return a page (`MESSAGE_PAGE`) and the room's offset, both of one snapshot."""
        by.require_user()
        room_id = self._rooms.known_id(room)
        part = await self._history.part(room_id, asked, by.id) if room_id else None
        if part is None or room not in {part.room["_id"], part.room["name"]}:
            found, _ = await self._rooms.resolve(room, by=by)
            part = await self._history.part(found["_id"], asked, by.id)
        if part is None:
            raise NotFound  # it went between the two
        return part.page

    async def search(self, words: str, listing: Listing, filters: Mapping[str, Any], *, by: Actor) -> Page:
        """Return messages with all of `words`, the newest first, of rooms the actor may read.

        `filters`: `room`, `from` (a username), `before` (a time).
        """
        if "room" in filters:
            room_ids = [(await self._rooms.resolve(filters["room"], by=by))[0]["_id"]]
        else:
            room_ids = await self._rooms.readable_ids(by=by)
        query: Document = {"createdAt": {"$lt": filters["before"]}} if "before" in filters else {}
        if "from" in filters:
            authors = await self._people.by_username([filters["from"].casefold()])
            query["authorId"] = {"$in": list(authors.values())}
        items, following = await self._search.newest(room_ids, words, listing, query)
        rooms = await self._room_docs.find({"_id": {"$in": [m["roomId"] for m in items]}})
        return Page(await self._views.messages(items, {room["_id"]: room for room in rooms}), following, None)
