"""What the routes' parameters and bodies name, made through the API (or as its store keeps it) when it is asked for."""

import itertools

from models.base import Document
from tests import samples
from tests.api.displays import Display, pair
from tests.api.stock import Stock, make_playlist, raise_emergency
from tests.clients import PASSWORD
from tests.uploads import form, upload

# What stands for a route's parameter: the route up to it, and the thing. A route that is not here fails the matrix.
PARAMETERS = {
    "/api/auth/sessions/{id}": "session",
    "/api/users/{id}": "user",
    "/api/workspaces/{id}": "workspace",
    "/api/workspaces/{id}/members/{userId}": "member",
    "/api/screens/{id}": "screen",
    "/api/screens/commands/{commandId}": "command",
    "/api/display/pairing/{pairingId}": "pairing",
    "/api/display/commands/{id}": "order",
    "/api/media/{id}": "media",
    "/api/media/upload-ticket/{ticketId}": "ticket",
    "/api/playlists/{id}": "playlist",
    "/api/emergencies/{id}": "emergency",
    "/api/rooms/{idOrName}": "room",
    "/api/rooms/{idOrName}/members/{userId}": "roommate",
    "/api/messages/{id}": "message",
    "/api/messages/{id}/reactions/{emoji}": "emoji",
    "/api/files/{id}": "file",
}

_NEW_PASSWORD = "another long enough sentence"
# What is sent where a body is needed; "<thing>" stands for the thing's id. A route that is missing here fails.
BODIES: Document = {
    ("POST", "/api/auth/register"): {"email": "<fresh>@example.com", "password": PASSWORD, "username": "<fresh>"},
    ("POST", "/api/auth/login"): {"email": "owner@example.com", "password": PASSWORD},
    ("POST", "/api/auth/refresh"): {"refreshToken": "<refresh>"},
    ("POST", "/api/auth/logout"): {"refreshToken": "<refresh>"},
    ("POST", "/api/auth/password"): {"currentPassword": PASSWORD, "newPassword": _NEW_PASSWORD},
    ("POST", "/api/auth/forgot"): {"email": "nobody@example.com"},
    ("POST", "/api/auth/reset"): {"token": "none", "newPassword": _NEW_PASSWORD},
    ("POST", "/api/auth/email"): {"email": "<fresh>@example.com", "currentPassword": PASSWORD},
    ("PATCH", "/api/users/profile"): {"statusText": "here"},
    ("POST", "/api/users"): {"email": "<fresh>@example.com", "username": "<fresh>"},
    ("PATCH", "/api/users/{id}"): {"disabled": False},
    ("POST", "/api/workspaces"): {"name": "Malls"},
    ("PATCH", "/api/workspaces/{id}"): {"name": "Malls"},
    ("POST", "/api/workspaces/{id}/members"): {"email": "<newcomer>@example.com", "role": "viewer"},
    ("PATCH", "/api/workspaces/{id}/members/{userId}"): {"role": "editor"},
    ("POST", "/api/screens/pair"): {"code": "<code>", "name": "Door", "workspaceId": "<workspace>"},
    ("PATCH", "/api/screens/{id}"): {"name": "Door"},
    ("PUT", "/api/screens/{id}/playlist"): {"playlistId": "<playlist>"},
    ("POST", "/api/screens/{id}/commands"): {"name": "reload"},
    ("POST", "/api/screens/assign"): {"workspaceId": "<workspace>", "screenIds": ["<screen>"], "playlistId": None},
    ("POST", "/api/screens/commands"): {"workspaceId": "<workspace>", "screenIds": ["<screen>"], "name": "reload"},
    ("POST", "/api/display/pairing/{pairingId}/claim"): {"pollSecret": "<secret>"},
    ("POST", "/api/display/commands/{id}/result"): {"ok": True},
    ("PATCH", "/api/media/{id}"): {"name": "Poster"},
    ("POST", "/api/media/upload-ticket"): {
        "name": "a",
        "bytes": 9,
        "contentType": "image/png",
        "workspaceId": "<workspace>",
    },
    ("POST", "/api/playlists"): {"name": "Night", "workspaceId": "<workspace>"},
    ("PATCH", "/api/playlists/{id}"): {"name": "Night"},
    ("PUT", "/api/playlists/{id}/items"): {"items": []},
    ("POST", "/api/emergencies"): {
        "workspaceId": "<workspace>",
        "title": "Fire",
        "message": "Out!",
        "level": "critical",
        "expiresIn": 60,
    },
    ("POST", "/api/rooms"): {"type": "public", "name": "<fresh>"},
    ("PATCH", "/api/rooms/{idOrName}"): {"topic": "News"},
    ("POST", "/api/rooms/{idOrName}/read"): {"seq": 0},
    ("PUT", "/api/rooms/{idOrName}/members/{userId}"): {"role": "member"},
    ("POST", "/api/messages"): {"room": "<room>", "content": "Hello"},
    ("PATCH", "/api/messages/{id}"): {"content": "Hello again"},
}
# What a list or a look is narrowed to, so that it concerns something that is not everybody's.
QUERIES = {"workspaceId": "<workspace>", "room": "<room>", "q": "hello", "force": "true"}


class Things:
    """Makes each thing once, until `forget`: what one call has used up, the next one needs anew."""

    def __init__(self, marquee, api, people, workspace, screen):
        self._api = api
        self._people = people
        self._owner = people["owner"]
        self._workspace = workspace
        self._wall = screen
        self._stock = Stock(marquee, workspace)
        self._numbers = itertools.count(1)
        self._made = {}

    async def get(self, name):
        """Return what stands for `name` in an address or a body."""
        if name not in self._made:
            self._made[name] = await getattr(self, f"_make_{name}")()
        return self._made[name]

    def forget(self):
        """Let everything be made anew."""
        self._made.clear()

    async def filled(self, value):
        """Return `value` (of a body) with every `<thing>` replaced."""
        if isinstance(value, dict):
            return {key: await self.filled(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [await self.filled(inner) for inner in value]
        if isinstance(value, str) and value.startswith("<"):
            name, _, rest = value[1:].partition(">")
            return await self.get(name) + rest
        return value

    async def upload(self, route):
        """Return the raw body and Content-Type of a route that takes a stream."""
        content = samples.image_bytes(color=(next(self._numbers), 0, 0))
        if route.endswith("/screenshot"):
            return content, "image/jpeg"
        fields = {"workspaceId": self._workspace} if route == "/api/media" else {}
        return form(content, "photo.jpg", fields)

    async def _make_fresh(self):
        return f"fresh{next(self._numbers)}"

    async def _make_newcomer(self):
        return (await self._api.person(f"newcomer{next(self._numbers)}")).username

    async def _make_refresh(self):
        ask = {"email": self._owner.email, "password": PASSWORD}
        return (await self._api.post("/api/auth/login", ask)).json["refreshToken"]

    async def _make_session(self):
        await self._make_refresh()
        listed = (await self._api.get("/api/auth/sessions", as_=self._owner)).json["items"]
        return next(session["id"] for session in listed if not session["current"])

    async def _make_user(self):
        return (await self._api.person(f"user{next(self._numbers)}")).id

    async def _make_workspace(self):
        return self._workspace

    async def _make_member(self):
        person = await self._api.person(f"member{next(self._numbers)}")
        ask = {"email": person.email, "role": "viewer"}
        await self._api.post(f"/api/workspaces/{self._workspace}/members", ask, as_=self._owner)
        return person.id

    async def _make_screen(self):
        return await self._stock.screen(f"Screen {next(self._numbers)}")

    async def _make_command(self):
        path = f"/api/screens/{await self.get('screen')}/commands"
        return (await self._api.post(path, {"name": "reload"}, as_=self._owner)).json["id"]

    async def _make_order(self):
        path = f"/api/screens/{self._wall.id}/commands"
        return (await self._api.post(path, {"name": "screenshot"}, as_=self._owner)).json["id"]

    async def _make_code(self):
        return await Display(self._api).show_code()

    async def _make_pairing(self):
        display = Display(self._api)
        await display.show_code()
        self._made["secret"] = display.pairing["pollSecret"]
        return display.pairing["pairingId"]

    async def _make_media(self):
        return await self._stock.media(f"media {next(self._numbers)}")

    async def _make_ticket(self):
        return "0" * 24

    async def _make_playlist(self):
        return (await make_playlist(self._api, self._owner, self._workspace))["id"]

    async def _make_emergency(self):
        return (await raise_emergency(self._api, self._owner, self._workspace))["id"]

    async def _make_room(self):
        """A private room of the owner, with the workspace's other members in it."""
        members = [self._people[name].id for name in ("viewer", "editor") if name in self._people]
        ask = {"type": "private", "name": f"room{next(self._numbers)}", "memberIds": members}
        return (await self._api.post("/api/rooms", ask, as_=self._owner)).json["id"]

    async def _make_roommate(self):
        person = await self._api.person(f"mate{next(self._numbers)}")
        path = f"/api/rooms/{await self.get('room')}/members/{person.id}"
        reply = await self._api.put(path, {"role": "member"}, as_=self._owner)
        assert reply.status == 200, reply.body
        return person.id

    async def _make_message(self):
        ask = {"room": await self.get("room"), "content": "Hello"}
        return (await self._api.post("/api/messages", ask, as_=self._owner)).json["id"]

    async def _make_file(self):
        return (await upload(self._api, b"a note", self._owner, "note.txt", path="/api/files/upload")).json["id"]

    async def _make_emoji(self):
        return "%F0%9F%91%8D"


async def pair_screen(api, owner, workspace):
    """Return a screen that has collected its token."""
    display, _ = await pair(api, owner, workspace)
    return display.screen
