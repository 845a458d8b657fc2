"""A display as a player is one: it shows a code, collects its token, and then is a screen."""

from tests.clients import Person

PAIRING = "/api/display/pairing"
PAIR = "/api/screens/pair"


class Display:
    """Something that hangs on a wall. `screen` (a Person) is there once it was paired and has collected."""

    def __init__(self, api):
        self.api = api
        self.screen = None

    async def show_code(self, **body):
        """Begin a pairing; return the code."""
        reply = await self.api.post(PAIRING, body)
        assert reply.status == 201, reply.body
        self.pairing = reply.json
        return self.pairing["code"]

    async def claim(self, secret=None):
        """Ask how the pairing stands; return the reply."""
        path = f"{PAIRING}/{self.pairing['pairingId']}/claim"
        return await self.api.post(path, {"pollSecret": secret or self.pairing["pollSecret"]})

    async def collect(self):
        """Collect the token; return the screen."""
        reply = await self.claim()
        assert reply.status == 200, reply.body
        self.screen = Person(reply.json["screenId"], reply.json["screenToken"])
        return self.screen

    async def beat(self, **said):
        """Beat by REST; return the answer."""
        reply = await self.api.post("/api/display/heartbeat", said, as_=self.screen)
        assert reply.status == 200, reply.body
        return reply.json


async def type_code(api, person, code, **more):
    """Type the code of a display for a new screen, or for `screenId`'s; return the answer."""
    body = {"code": code, **({} if "screenId" in more else {"name": "Lobby"}), **more}
    return await api.post(PAIR, body, as_=person)


async def pair(api, person, workspace, name="Lobby", display=None, **more):
    """Pair a new display as a screen of the workspace; return the display and the screen's document."""
    display = display or Display(api)
    body = {"code": await display.show_code(), "name": name, "workspaceId": workspace, **more}
    reply = await api.post(PAIR, body, as_=person)
    assert reply.status == 201, reply.body
    await display.collect()
    return display, reply.json


async def screen(api, person, screen_id):
    """Return a screen as the API shows it."""
    reply = await api.get(f"/api/screens/{screen_id}", as_=person)
    assert reply.status == 200, reply.body
    return reply.json
