"""A running server with a network of screens in it: what the benchmarks about screens measure.

The screens are written into MongoDB as the stores would write them (pairing 10,000 by hand takes minutes);
accounts, media and playlists come in by the API.
"""

import io
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pymongo
from PIL import Image

from bench.load import Line, request
from bench.ports import free_port
from core.clock import new_id
from core.tokens import digest, screen_token
from deploy.embedded import EmbeddedStores
from models.pairings import _display
from models.playback import revision
from models.screens import new_screen

ROOT = Path(__file__).parents[1]
DATABASE = "marquee"
RATES = ("ANONYMOUS", "LOGIN", "USER", "SCREEN", "MESSAGES", "PAIRING", "FRAMES")
START_SECONDS = 60
PASSWORD = "a long enough sentence"
STATUSES = ("online", "online", "online", "offline", "error")
CITIES = ("Berlin", "Lyon", "Porto", "Gent", "Turin", "Graz", "Malmö", "Cork")


class ScreensSite:
    """One server process on stores of its own, an owner, a playlist of `items` images, and `count` screens on it.

    From `with` to its end. `screens` are pairs of id and token.
    """

    def __init__(self, count: int, *, items: int = 20, **settings: str) -> None:
        """`settings` are of the server's environment, by their whole names."""
        self._count, self._items, self._settings = count, items, settings
        self._directory = tempfile.TemporaryDirectory(prefix="marquee-bench-")
        self.directory = Path(self._directory.name)
        self._stores = EmbeddedStores(self.directory, volatile=True)
        self._server: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.screens: list[tuple[str, str]] = []
        self.token, self.owner_id, self.workspace_id, self.playlist_id = "", "", "", ""

    def __enter__(self) -> "ScreensSite":
        try:
            urls = self._stores.start_sync()
            self.mongodb_url, self.redis_url = urls.mongodb, urls.redis
            self._start_server()
            self._people()
            self.playlist_id = self._playlist()
            if self._count:
                self.add_screens(self._count)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        self._stores.stop_sync()
        self._directory.cleanup()

    def _start_server(self) -> None:
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MARQUEE_")},
            **{f"MARQUEE_RATE_{name}": "10000000/1m" for name in RATES},
            "MARQUEE_MONGODB_URL": self.mongodb_url,
            "MARQUEE_REDIS_URL": self.redis_url,
            "MARQUEE_DATA_DIR": str(self.directory / "data"),
            "MARQUEE_SECRET_KEY": secrets.token_urlsafe(32),
            "MARQUEE_PASSWORD_PEPPER": secrets.token_urlsafe(32),
            "MARQUEE_REGISTRATION": "open",
            "MARQUEE_PORT": str(self.port),
            **self._settings,
        }
        with (self.directory / "server.log").open("wb") as log:
            self._server = subprocess.Popen(
                [sys.executable, "server.py"], cwd=ROOT, env=environ, stdout=log, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                self._line = Line(self.port)
                if self._line.fetch(request("GET", "/readyz"))[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("the server did not start")

    @property
    def process(self) -> psutil.Process:
        """The server's process, for its processor time and memory."""
        assert self._server is not None
        return psutil.Process(self._server.pid)

    @property
    def database(self) -> Any:
        """The server's database."""
        return pymongo.MongoClient(self.mongodb_url, tz_aware=True)[DATABASE]

    def ask(self, method: str, path: str, document: Any = None, *, token: str | None = None) -> Any:
        """Call the API, by default as the owner; return the answer's document. Raises ValueError for a refusal."""
        body = b"" if document is None else json.dumps(document).encode()
        content = {"Content_Type": "application/json"} if body else {}
        wire = request(method, path, self.token if token is None else token, body, **content)
        return self.answered(*self.fetch(wire))

    def fetch(self, wire: bytes) -> tuple[int, bytes]:
        """Send a request on the site's own connection; return status and body."""
        return self._line.fetch(wire)[:2]

    def upload(self, content: bytes, name: str) -> Any:
        """Upload a media and return it."""
        body, content_type = form(content, name)
        wire = request("POST", "/api/media", self.token, body, Content_Type=content_type)
        return self.answered(*self.fetch(wire))

    @staticmethod
    def answered(status: int, body: bytes) -> Any:
        """Return the document of an answer. Raises ValueError for a refusal."""
        if status >= 300:
            raise ValueError(f"{status}: {body[:500]!r}")
        return json.loads(body) if body else None

    def _people(self) -> None:
        for name in ("admin", "owner"):
            account = {"email": f"{name}@example.com", "password": PASSWORD, "username": name}
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
