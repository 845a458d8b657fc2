"""What a client holds of one room, made of what it was sent: to be compared with what a fresh reader gets."""


class Held:
    """Messages by id, each in its highest `rev`; `offset` and `epoch` are where the client would resume."""

    def __init__(self, entry=None):
        self.messages = {}
        self.offset = 0
        self.epoch = None
        if entry is not None:
            self.take_reply(entry)

    @classmethod
    async def fresh(cls, api, person, room):
        """Load a room as a new reader does."""
        held, page = cls(), None
        while page is None or page["items"]:
            reply = await api.get(f"/api/messages?room={room}&limit=100&changedAfter={held.offset}", as_=person)
            page = reply.json
            for message in page["items"]:
                held.take(message)
        held.epoch = (await api.get(f"/api/rooms/{room}", as_=person)).json["epoch"]
        return held

    def take(self, message):
        """Take a message's state, unless a newer one is held."""
        held = self.messages.get(message["id"])
        if held is None or held["rev"] < message["rev"]:
            self.messages[message["id"]] = message
        self.offset = max(self.offset, message["rev"])

    def take_reply(self, entry):
        """Take what the reply to a subscription brings of the room."""
        self.epoch = entry["epoch"]
        revs = [message["rev"] for message in entry["messages"]]
        assert revs == sorted(set(revs))
        for message in entry["messages"]:
            self.take(message)
        self.offset = max(self.offset, entry["offset"])

    def take_events(self, frames):
        """Take the room's events among `frames`."""
        for frame in frames:
            if frame.get("event", "").startswith("message."):
                assert frame["offset"] == frame["data"]["rev"]
                assert frame["data"]["deleted"] == (frame["event"] == "message.deleted")
                self.take(frame["data"])
            if "offset" in frame:
                self.offset = max(self.offset, frame["offset"])

    def shown(self):
        """Return the messages in the room's order."""
        return sorted(self.messages.values(), key=lambda message: message["seq"])
