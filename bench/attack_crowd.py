"""The people and screens that use a server while its stores are being hurt: a moderate load, and notes of it all."""

import asyncio
import itertools
import random
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from bench.attack_judge import GIVE_UP_SECONDS, NO_ANSWER, PAUSE, Judge
from bench.attack_pictures import form, picture
from bench.delivery_client import Line, Lost, Person

READS = (
    "/api/users/profile",
    "/api/screens?limit=10",
    "/api/screens?status=online",
    "/api/playlists",
    "/api/media?limit=10",
    "/api/overview",
    "/api/rooms",
    "/api/messages?room=general&limit=20",
    "/api/users/online",
)


class Screen:
    """A paired screen that beats every `every` seconds, by REST or on a socket, come what may."""

    def __init__(self, judge: Judge, ports: Sequence[int], every: float, *, socket: bool) -> None:
        self._judge, self._every, self._socket = judge, every, socket
        self.person = Person("screen", ports, random.Random())
        self.id = ""

    async def pair(self, owner: Person, name: str) -> None:
        """Become a screen of `owner`'s."""
        shown = await self._judge.insist(self.person, "POST", "/api/display/pairing", {})
        screen = await self._judge.insist(owner, "POST", "/api/screens/pair", {"code": shown["code"], "name": name})
        claim = f"/api/display/pairing/{shown['pairingId']}/claim"
        held = await self._judge.insist(self.person, "POST", claim, {"pollSecret": shown["pollSecret"]})
        self.id, self.person.token = screen["id"], held["screenToken"]

    async def run(self) -> None:
        """Beat until cancelled. Where a process is not there, another is asked soon, as by a proxy between."""
        while True:
            if self._socket:
                there = await self._connected()
            else:
                beat = {"metrics": {"cpu": 0.5}}
                there = (await self._judge.ask(self.person, "POST", "/api/display/heartbeat", beat))[0] != NO_ANSWER
            await asyncio.sleep(self._every if there else PAUSE)

    async def _connected(self) -> bool:
        """Beat on one connection until it breaks; tell whether there was one."""
        url = f"ws://127.0.0.1:{random.choice(self.person.ports)}/ws/screen"
        headers = {"Authorization": f"Bearer {self.person.token}"}
        request = HTTPRequest(url, headers=headers, connect_timeout=5, request_timeout=10)
        socket = None
        try:
            socket = await websocket_connect(request)
            line = Line(socket)
            while True:
                began = time.monotonic()
                beat = {"metrics": {"cpu": 0.5}}
                reply = await line.ask("heartbeat", beat, lambda _: None, seconds=GIVE_UP_SECONDS)
                self._judge.timed("a beat on a socket", time.monotonic() - began)
                if not reply["ok"] and reply["error"]["status"] != 503:
                    self._judge.blame(f"a beat on a socket: {reply['error']}")
                await asyncio.sleep(self._every)
        except Lost as e:
            # 1013, try again later: what a store that is away makes of a handshake.
            if "1013" not in str(e) and not self._judge.excused:
                self._judge.blame(f"a screen's socket: {e}")
        except Exception as e:  # whatever goes wrong without a fault that excuses it is the server's
            if not self._judge.excused:
                self._judge.blame(f"a screen's socket: {e!r}")
        finally:
            if socket is not None:
                socket.close()
        return socket is not None

    async def went_offline(self, owner: Person) -> list[str]:
        """Return when it was marked offline."""
        history = await self._judge.insist(owner, "GET", f"/api/screens/{self.id}/history")
        return [each["at"] for each in history["items"] if each["status"] == "offline"]


class Editor:
    """Makes and renames playlists, and uploads pictures; knows what must be there in the end."""

    def __init__(self, judge: Judge, person: Person, name: str, *, uploads: bool) -> None:
        self._judge, self.person, self._name, self._uploads = judge, person, name, uploads
        self._names: dict[str, str] = {}
        self._pictures: set[str] = set()
        self.stopped = False

    async def run(self, pause: float) -> None:
        """Go on until `stopped`; what was begun is asked for until it is answered."""
        for number in itertools.count():
            if self.stopped:
                return
            name, key = f"{self._name} {number}", {"Idempotency-Key": f"{self._name}-{number}"}
            made = await self._judge.insist(self.person, "POST", "/api/playlists", {"name": name}, headers=key)
            if made is not None:
                self._names[made["id"]] = name
                again = f"{name} again"
                path = f"/api/playlists/{made['id']}"
                if await self._judge.insist(self.person, "PATCH", path, {"name": again}) is not None:
                    self._names[made["id"]] = again
            if self._uploads:
                await self._upload(f"{self._name}-picture-{number}")
            await asyncio.sleep(pause)

    async def _upload(self, name: str) -> None:
        content, kind = form(picture(name))
        sent = {"Content-Type": kind, "Idempotency-Key": name}
        kept = await self._judge.insist(self.person, "POST", "/api/media", content, headers=sent)
        self._pictures |= {kept["id"]} if kept else set()

    async def judge(self) -> None:
        """Hold what is there against what was acknowledged."""
        found = {one["id"]: one["name"] for one in await self._everything("/api/playlists")}
        mine = {key: name for key, name in found.items() if name.startswith(self._name + " ")}
        if mine != self._names:
            lost = len(set(self._names) - set(mine))
            self._judge.blame(f"{self._name}: of {len(self._names)} playlists {lost} are lost, {len(mine)} are there")
        media = {one["id"] for one in await self._everything("/api/media")}
        if self._pictures - media:
            self._judge.blame(f"{self._name}: {len(self._pictures - media)} of {len(self._pictures)} pictures are lost")

    async def _everything(self, path: str) -> list[dict[str, Any]]:
        items, cursor = [], ""
        while True:
            page = await self._judge.insist(self.person, "GET", f"{path}?limit=100{cursor}")
            items += page["items"]
            if page["next"] is None:
                return items
            cursor = f"&cursor={page['next']}"


async def read(judge: Judge, person: Person, pause: float) -> None:
    """Read here and there until cancelled."""
    while True:
        await judge.ask(person, "GET", random.choice(READS))
        await asyncio.sleep(pause)


class Guesser:
    """Guesses a victim's password. `looked_at` counts the guesses that were compared, `refused` those that were not."""

    def __init__(self, judge: Judge, ports: Sequence[int], victim: str) -> None:
        self._judge, self._victim = judge, victim
        self._nobody = Person("guesser", ports, random.Random())
        self._numbers = itertools.count()
        self.looked_at = self.refused = 0

    async def run(self, pause: float) -> None:
        """Guess until cancelled."""
        while True:
            await self.guess()
            await asyncio.sleep(pause)

    async def guess(self) -> None:
        """Guess once."""
        body = {"email": f"{self._victim}@example.com", "password": f"a wrong guess, number {next(self._numbers)}"}
        status, _ = await self._judge.ask(self._nobody, "POST", "/api/auth/login", body)
        self.looked_at += status == 401
        self.refused += status == 429
        if status not in {401, 429, 503, NO_ANSWER}:
            self._judge.blame(f"a guess was answered with {status}")


def begin(works: Sequence[Coroutine[Any, Any, None]]) -> list["asyncio.Task[None]"]:
    """Start all."""
    return [asyncio.create_task(work) for work in works]
