"""Messages as people see them, and the room's changes as events: what is joined at reading time, in few queries."""

from collections.abc import Iterable, Mapping, Sequence

from core.events import Event, announce, room_channel, user_channel
from models.addresses import Addresses
from models.base import Document, Ground
from models.people import People
from models.room_state import Happening

EXCERPT_LENGTH = 140  # code points of what a reply answers
TOMBSTONE = ("_id", "roomId", "seq", "rev", "deleted")


class MessageViews:
    """Dresses messages (`MESSAGE`) and makes events of what happened in a room."""

    def __init__(self, ground: Ground, people: People) -> None:
        self._people = people
        self._addresses = Addresses(ground)
        self._messages = ground.collection("messages")
        self._files = ground.collection("files")

    async def messages(self, stored: Sequence[Document], rooms: Mapping[str, Document]) -> list[Document]:
        """Return messages with room, author, attachments and what they answer; `rooms` by id."""
        parents = await self._parents(stored)
        authors = [m["authorId"] for m in [*stored, *parents.values()] if not m["deleted"]]
        cards = await self._people.cards(authors)
        files = await self._attached(stored)
        return [self._one(message, rooms[message["roomId"]], parents, cards, files) for message in stored]

    async def _attached(self, stored: Iterable[Document]) -> dict[str, Document]:
        """Return the files that messages carry, with addresses, by id."""
        ids = [one for m in stored for one in m.get("attachments", ())]
        if not ids:
            return {}
        return {f["_id"]: self._addresses.file(f) for f in await self._files.find({"_id": {"$in": ids}})}

    async def _parents(self, stored: Iterable[Document]) -> dict[str, Document]:
        ids = {m["replyTo"]["id"] for m in stored if m.get("replyTo")}
        if not ids:
            return {}
        fields = dict.fromkeys(("authorId", "content", "deleted", "seq"), 1)
        return {m["_id"]: m for m in await self._messages.find({"_id": {"$in": list(ids)}}, projection=fields)}

    def _one(
        self,
        message: Document,
        room: Document,
        parents: Mapping[str, Document],
        cards: Mapping[str, Document],
        files: Mapping[str, Document],
    ) -> Document:
        if message["deleted"]:
            return {name: message[name] for name in TOMBSTONE} | {"room": room["name"]}
        reply = message["replyTo"]
        return message | {
            "room": room["name"],
            "author": cards[message["authorId"]],
            "attachments": [files[one] for one in message["attachments"] if one in files],
            "replyTo": _answered(reply, parents.get(reply["id"]), cards) if reply else None,
        }

    async def events(self, room: Document, happened: Sequence[Happening]) -> list[Event]:
        """Return the events of what has happened in a room, in its order: the room's, and those it mentions."""
        stored = [each.document for each in happened if each.event.startswith("message.")]
        dressed = iter(await self.messages(stored, {room["_id"]: room}))
        channel, events = room_channel(room["_id"]), []
        for each in happened:
            document = next(dressed) if each.event.startswith("message.") else each.document
            events.append(announce(each.event, channel, document, offset=each.offset))
            others = [one for one in each.mentioned if one != each.document["authorId"]]
            events += [announce("mention", user_channel(one), {"message": document}) for one in others]
        return events


def _answered(reply: Document, parent: Document | None, cards: Mapping[str, Document]) -> Document:
    """Return what a message answers; a deleted parent keeps its place and loses its words."""
    if parent is None or parent["deleted"]:
        return {**reply, "excerpt": None, "author": None}
    return {**reply, "excerpt": parent["content"][:EXCERPT_LENGTH], "author": cards[parent["authorId"]]}
