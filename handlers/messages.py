"""`/api/messages`: writing, reading and searching what is said in rooms."""

from core import chat_resources as c
from core.chat_bodies import EDIT, ROOM, SEND, SEQ
from core.errors import Invalid
from core.validation import Json, ident, moment, text
from handlers.base import ApiHandler, asked
from handlers.endpoint import Answer, ListOf, endpoint, listing
from models.base import Document
from models.history import Asked
from models.paging import Page

HISTORY = listing(
    room=ROOM,
    before=SEQ,
    after=SEQ,
    around=SEQ,
    changedAfter=SEQ,
    thread=ident(),
    pinned={"type": "boolean", "allowed": [True]},
)
MARKERS = ("before", "after", "around", "changedAfter", "thread", "pinned")
SEARCH = {
    **listing(q=text(1, 200, required=True), room=ident(), before=moment()),
    "from": text(1, 32),  # a keyword of Python's
}


def part_of(query: Json) -> Asked:
    """Return which part of a room a query asks for. Raises Invalid where it names two."""
    named = [marker for marker in MARKERS if marker in query]
    if len(named) > 1:
        raise Invalid.field(named[1], f"does not go together with {named[0]}")
    return Asked(
        limit=query["limit"],
        cursor=query.get("cursor"),
        before=query.get("before"),
        after=query.get("after"),
        around=query.get("around"),
        changed_after=query.get("changedAfter"),
        thread=query.get("thread"),
        pinned=query.get("pinned", False),
    )


class MessagesHandler(ApiHandler):
    """`/api/messages`."""

    @endpoint(needs="user", query=HISTORY, returns=c.MESSAGE_PAGE, problems=(404,))
    async def get(self, query: Json) -> Document:
        """Read a room: the newest messages, or those by one marker.

        `before`, `after` and `around` are numbers of messages (`seq`); `changedAfter` is an offset of the room and
        gives what has changed since, in order of `rev`; `thread` gives the answers to a message; `pinned=true` what
        is pinned. `next` is the `cursor` with which the same question goes on. `offset` is the room's at the same
        moment: live events from there on leave no gap.
        """
        return await self.stores.messages.history(query["room"], part_of(query), by=self.actor)

    @endpoint(
        needs="user",
        body=SEND,
        returns=c.MESSAGE,
        status=201,
        also=(200,),
        location="/api/messages/{id}",
        problems=(403, 404, 409),
    )
    async def post(self, body: Json) -> Answer:
        """Write a message. The same `clientId` again gives the first message as it is now, with 200."""
        message, is_new = await self.stores.messages.send(
            body["room"],
            body["content"],
            client_id=body.get("clientId"),
            reply_to=body.get("replyTo"),
            attachments=body["attachments"],
            by=self.actor,
        )
        return Answer(message, status=201 if is_new else 200)


class MessageHandler(ApiHandler):
    """`/api/messages/{id}`."""

    @endpoint(needs="user", returns=c.MESSAGE, problems=(404,))
    async def get(self, id: str) -> Document:
        """Read a message, or its tombstone."""
        return await self.stores.messages.get(id, by=self.actor)

    @endpoint(needs="user", body=EDIT, returns=c.MESSAGE, problems=(403, 404, 409))
    async def patch(self, id: str, body: Json) -> Document:
        """Give one's own message new content."""
        return await self.stores.messages.edit(id, body["content"], by=self.actor)

    @endpoint(needs="user", problems=(403, 404))
    async def delete(self, id: str) -> None:
        """Delete one's own message, or as a moderator anybody's; its tombstone stays in its place."""
        await self.stores.messages.delete(id, by=self.actor)


class MessageSearchHandler(ApiHandler):
    """`/api/messages/search`."""

    @endpoint(needs="user", query=SEARCH, returns=ListOf(c.MESSAGE), problems=(404,))
    async def get(self, query: Json) -> Page:
        """Find messages with all the words of `q`, the newest first, in one room or all that one may read."""
        filters: Json = {name: query[name] for name in ("room", "from", "before") if name in query}
        return await self.stores.messages.search(query["q"], asked(query), filters, by=self.actor)


class ReactionHandler(ApiHandler):
    """`/api/messages/{id}/reactions/{emoji}`."""

    @endpoint(needs="user", returns=c.MESSAGE, problems=(403, 404, 409))
    async def put(self, id: str, emoji: str) -> Document:
        """React to a message with an emoji (percent-encoded)."""
        return await self.stores.messages.react(id, emoji, on=True, by=self.actor)

    @endpoint(needs="user", returns=c.MESSAGE, problems=(403, 404, 409))
    async def delete(self, id: str, emoji: str) -> Document:
        """Take one's own reaction back."""
        return await self.stores.messages.react(id, emoji, on=False, by=self.actor)


class PinHandler(ApiHandler):
    """`/api/messages/{id}/pin`."""

    @endpoint(needs="user", returns=c.MESSAGE, problems=(403, 404, 409))
    async def put(self, id: str) -> Document:
        """Pin a message for everybody in the room."""
        return await self.stores.messages.pin(id, on=True, by=self.actor)

    @endpoint(needs="user", problems=(403, 404, 409))
    async def delete(self, id: str) -> None:
        """Unpin a message."""
        await self.stores.messages.pin(id, on=False, by=self.actor)


# The fixed address comes first: `{id}` would match it too.
routes = [
    ("/api/messages", MessagesHandler),
    ("/api/messages/search", MessageSearchHandler),
    ("/api/messages/{id}", MessageHandler),
    ("/api/messages/{id}/reactions/{emoji}", ReactionHandler),
    ("/api/messages/{id}/pin", PinHandler),
]
