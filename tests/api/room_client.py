"""What a client holds of a room: fetched afresh, or brought up to date by events, as docs/events.md says."""

from tests.api.rooms import history

OWN = ("myRole", "unread", "mentions", "lastReadSeq", "members")
EXCERPT = 140


class RoomClient:
    """A room's settings, members and messages."""

    def __init__(self, room, members, messages):
        self.room = room
        self.members = members
        self.messages = messages

    @classmethod
    async def fetched(cls, api, person, room_id):
        """Read all of a room through REST; None where it is not there."""
        reply = await api.get(f"/api/rooms/{room_id}", as_=person)
        if reply.status == 404:
            return None
        room = {name: value for name, value in reply.json.items() if name not in OWN}
        listed = (await api.get(f"/api/rooms/{room_id}/members?limit=100", as_=person)).json["items"]
        members = {m["userId"]: {"role": m["role"], "mutedUntil": m["mutedUntil"]} for m in listed}
        page = await history(api, person, {"id": room_id}, "&after=0&limit=100")
        return cls(room, members, {message["id"]: message for message in page["items"]})

    def apply(self, event, data, offset):
        """Take one event in; return what is held then, None where the room is gone."""
        if offset is not None:
            self.room["offset"] = offset
        if event.startswith("message."):
            self.take(data)
        elif event in {"member.joined", "member.updated"}:
            self.members[data["userId"]] = {"role": data["role"], "mutedUntil": data["mutedUntil"]}
        elif event == "member.left":
            del self.members[data["userId"]]
        elif event == "room.updated":
            self.room = data
            for message in self.messages.values():
                message["room"] = data["name"]
        if "memberCount" in data:
            self.room["memberCount"] = data["memberCount"]
        return None if event == "room.deleted" else self

    def take(self, message):
        """Hold a message where it is newer than what is held, and what answers to it show of it."""
        held = self.messages.get(message["id"])
        if held is not None and held["rev"] >= message["rev"]:
            return
        self.messages[message["id"]] = message
        self.room["lastSeq"] = max(self.room["lastSeq"], message["seq"])
        for answer in self.messages.values():
            reply = answer.get("replyTo")
            if reply is not None and reply["id"] == message["id"]:
                content, author = message.get("content"), message.get("author")
                answer["replyTo"] = {**reply, "excerpt": content and content[:EXCERPT], "author": author}
