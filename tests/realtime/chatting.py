"""A chat connection as tests use it, and the checks that hold for all that it hears."""

from tests.clients import Api


class Chat:
    """A socket that hears rooms. Every offset of a room that it reads is above the one before, or the test fails."""

    opened = []  # noqa: RUF012 - what the test's end has to hang up (conftest.py)

    def __init__(self, api, socket, hello):
        self._api = api
        self.socket = socket
        self._stream = socket.connection.protocol.stream
        self.hello = hello
        self.offsets = {}
        Chat.opened.append(self)

    async def read(self):
        frame = await self.socket.read()
        if frame and "offset" in frame:
            before = self.offsets.get(frame["channel"], -1)
            assert frame["offset"] > before, f"{frame['offset']} came after {before}"
            self.offsets[frame["channel"]] = frame["offset"]
        return frame

    async def until(self, matches):
        """Return the frames up to the first that matches, that one included."""
        frames = []
        while (frame := await self.read()) is not None:
            frames.append(frame)
            if matches(frame):
                return frames
        raise AssertionError(f"closed with {self.socket.close_code}, having heard {frames}")

    async def event(self, name, **data):
        """Return the next event called `name` whose data has these members."""

        def matches(frame):
            return frame.get("event") == name and all(frame["data"].get(key) == data[key] for key in data)

        return (await self.until(matches))[-1]

    async def ask(self, type_, data=None, id_="asked"):
        """Send a frame and return its reply."""
        await self.socket.send(type_, data, id_)
        return (await self.until(lambda frame: frame.get("reply") == id_))[-1]

    async def heard(self):
        """Return all that was sent up to now: what comes before the reply to a ping."""
        await self.socket.send("ping", id_="now")
        return (await self.until(lambda frame: frame.get("reply") == "now"))[:-1]

    async def subscribe(self, room, **marks):
        """Subscribe to one room and return its part of the reply."""
        name = room if isinstance(room, str) else room["id"]
        reply = await self.ask("room.subscribe", {"rooms": [{"room": name, **marks}]})
        assert reply["ok"], reply
        (entry,) = reply["data"]["rooms"]
        return entry

    async def messages(self, count):
        """Return the next `count` events of messages."""
        found = []
        while len(found) < count:
            frame = await self.read()
            assert frame is not None
            if frame.get("event", "").startswith("message."):
                found.append(frame)
        return found

    def close(self):
        self.socket.close()

    def hang_up(self):
        """Close at once, whatever the server does."""
        self._stream.close()
        self._api.close()


async def enter(port, person):
    """Open a chat connection that has heard its hello."""
    api = Api(port)
    socket = await api.socket("/ws/chat", as_=person)
    hello = await socket.read()
    assert hello["event"] == "hello", hello
    return Chat(api, socket, hello["data"])


async def subscribed(port, person, room, **marks):
    """Open a chat connection that is subscribed to a room."""
    chat = await enter(port, person)
    entry = await chat.subscribe(room, **marks)
    assert "error" not in entry, entry
    chat.entry = entry
    return chat
