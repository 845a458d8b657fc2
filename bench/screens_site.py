"""A running server with a network of screens in it: what the benchmarks about screens measure.

The screens are written into MongoDB as the stores would write them (pairing 10,000 by hand takes minutes);
accounts, media and playlists come in by the API.
"""

import io
import json
import random
import secrets
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pymongo
from PIL import Image

from bench.delivery_site import Site
from bench.load import Line, request
from core.clock import new_id
from core.tokens import digest, screen_token
from models.pairings import _display
from models.playback import revision
from models.screens import new_screen

DATABASE = "marquee"
STATUSES = ("online", "online", "online", "offline", "error")
CITIES = ("Berlin", "Lyon", "Porto", "Gent", "Turin", "Graz", "Malmö", "Cork")


class ScreensSite:
    """One server process on stores of its own, an owner, a playlist of `items` images, and `count` screens on it.

    From `with` to its end. `screens` are pairs of id and token.
    """

    def __init__(self, count: int, *, items: int = 20) -> None:
        self._count, self._items = count, items
        self._directory = tempfile.TemporaryDirectory(prefix="marquee-bench-")
        self.directory = Path(self._directory.name)
        self.screens: list[tuple[str, str]] = []
        self.token, self.owner_id, self.workspace_id, self.playlist_id = "", "", "", ""

    def __enter__(self) -> "ScreensSite":
        self._site = Site(self.directory, 1)
        try:
            self._site.start()
            self._line = Line(self.port)
            self._people()
            self.playlist_id = self._playlist()
            self.add_screens(self._count)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._site.stop()
        self._directory.cleanup()

    @property
    def port(self) -> int:
        """Where the server answers."""
        return self._site.processes[0].port

    @property
    def process(self) -> psutil.Process:
        """The server's process, for its processor time and memory."""
        return psutil.Process(self._site.processes[0].pid)

    @property
    def mongodb_url(self) -> str:
        """Where MongoDB answers."""
        return self._site.mongodb_url

    @property
    def redis_url(self) -> str:
        """Where Redis answers."""
        return f"redis://127.0.0.1:{self._site.redis.port}/0"

    @property
    def database(self) -> Any:
        """The server's database."""
        return pymongo.MongoClient(self.mongodb_url, tz_aware=True)[DATABASE]

    def ask(self, method: str, path: str, document: Any = None, *, token: str | None = None) -> Any:
        """Call the API, by default as the owner; return the answer's document. Raises ValueError for a refusal."""
        body = b"" if document is None else json.dumps(document).encode()
        content = {"Content_Type": "application/json"} if body else {}
        wire = request(method, path, self.token if token is None else token, body, **content)
        return self._answered(*self._line.fetch(wire)[:2])

    def upload(self, content: bytes, name: str) -> Any:
        """Upload a media and return it."""
        body, content_type = form(content, name)
        wire = request("POST", "/api/media", self.token, body, Content_Type=content_type)
        return self._answered(*self._line.fetch(wire)[:2])

    @staticmethod
    def _answered(status: int, body: bytes) -> Any:
        if status >= 300:
            raise ValueError(f"{status}: {body[:500]!r}")
        return json.loads(body) if body else None

    def _people(self) -> None:
        for name in ("admin", "owner"):
            account = {"email": f"{name}@example.com", "password": "a long enough sentence", "username": name}
            session = self.ask("POST", "/api/auth/register", account, token="")
            self.token, self.owner_id = session["accessToken"], session["user"]["id"]

    def _playlist(self) -> str:
        media = [self.upload(picture(n), f"{n}.png") for n in range(self._items)]
        asked = {"name": "Day", "items": [{"mediaId": each["id"], "durationMs": 10_000} for each in media]}
        made = self.ask("POST", "/api/playlists", asked)
        self.workspace_id = made["workspaceId"]
        return str(made["id"])

    def add_screens(self, count: int) -> None:
        """Write `count` more screens, all on the playlist, each with a credential of its own."""
        playlist = self.database.playlists.find_one({"_id": self.playlist_id})
        first = len(self.screens)
        fresh = [self._screen(playlist, first + n) for n in range(count)]
        for start in range(0, len(fresh), 1000):
            self.database.screens.insert_many(fresh[start : start + 1000])

    def _screen(self, playlist: Any, number: int) -> dict[str, Any]:
        dice, now = random.Random(number), datetime.now(UTC)
        screen = new_screen(f"Screen {number:05d}", self.workspace_id, now - timedelta(seconds=dice.randrange(10**6)))
        screen |= _display({"_id": new_id(), "player": PLAYER, "resolution": {"width": 1920, "height": 1080}}, now)
        token = screen_token(screen["_id"], secrets.token_urlsafe(32))
        self.screens.append((screen["_id"], token))
        screen |= {
            "location": dice.choice(CITIES),
            "tags": dice.sample(["window", "entrance", "canteen", "lift", "hall"], 2),
            "playlistId": self.playlist_id,
            "credentialHash": digest(token),
            "status": dice.choice(STATUSES),
            "lastSeenAt": now - timedelta(seconds=dice.randrange(60)),
        }
        screen["revision"] = revision(screen, playlist, [])
        screen |= {"appliedRevision": screen["revision"], "inSync": True}
        return screen


PLAYER = {"name": "marquee-web", "version": "1.0", "userAgent": "Mozilla/5.0 (X11; Linux x86_64)", "ip": "127.0.0.1"}


def picture(number: int, *, side: int = 64) -> bytes:
    """Return a PNG unlike any other number's."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), (number % 256, number // 256 % 256, 128)).save(out, "png")
    return out.getvalue()


def form(content: bytes, name: str) -> tuple[bytes, str]:
    """Return a multipart body with one file, and its Content-Type."""
    border = secrets.token_hex(12)
    head = f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    return head.encode() + content + f"\r\n--{border}--\r\n".encode(), f"multipart/form-data; boundary={border}"
