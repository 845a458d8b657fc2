"""A stand-in for Cloudinary's HTTP API, strict where the real one is: signatures, timestamps, chunks, expiry.

It runs in a thread of its own on a free loopback port. `mishaps` is a queue of things to go wrong, one for
each request of the named action: `slow`, `error` (500), `garbage` (502 with HTML), `cut` (no answer), `lost`
(done, but no answer), `full`, `large`, `limit` (420).
"""

import asyncio
import base64
import hashlib
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from models.storage.sniff import sniff

CLOUD, KEY, SECRET = "teststand", "123456789012345", "a-secret-of-cloudinary"
MINIMUM_CHUNK = 5_000_000
HOUR = 3600
SAID = {
    "error": (500, "Internal server error"),
    "full": (400, "You have exceeded your storage quota. Upgrade your plan"),
    "large": (400, "File size too large. Got 12582912. Maximum is 10485760. Upgrade your plan to enjoy higher limits"),
    "limit": (420, "Rate Limit Exceeded. Limit of 500 api operations reached."),
}


@dataclass
class Asset:
    content: bytes
    format: str
    created_at: str


@dataclass
class Cloudinary:
    """Use as a context manager. `assets` maps (resource type, public id) to what lies there.

    `serving` counts the requests that are not done yet, those too for which nobody waits any more.
    """

    assets: dict = field(default_factory=dict)
    chunks: dict = field(default_factory=dict)
    mishaps: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    most: int = 1 << 40
    slow_seconds: float = 2.0
    serving: int = 0

    def __enter__(self):
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self):
        """CLOUDINARY_URL as a server would be given it."""
        return f"cloudinary://{KEY}:{SECRET}@{CLOUD}?upload_prefix=http://127.0.0.1:{self.port}"

    def names(self):
        """What lies there, as `type/public id`."""
        return sorted(f"{kind}/{name}" for kind, name in self.assets)

    def fail(self, action, *how):
        """Let the next requests of `action` go wrong, one after the other."""
        self.mishaps.extend((action, each) for each in how)

    def mishap(self, action):
        for i, (wanted, how) in enumerate(self.mishaps):
            if wanted == action:
                del self.mishaps[i]
                return how
        return None

    def _serve(self, ready):
        async def main():
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            sockets = bind_sockets(0, "127.0.0.1")
            self.port = sockets[0].getsockname()[1]
            routes = [
                (rf"/v1_1/{CLOUD}/(image|video|raw)/upload", Upload),
                (rf"/v1_1/{CLOUD}/(image|video|raw)/destroy", Destroy),
                (rf"/v1_1/{CLOUD}/(image|video|raw)/download", Download),
                (rf"/v1_1/{CLOUD}/resources/(image|video|raw)/private/(.+)", Resource),
            ]
            server = HTTPServer(Application(routes, standin=self, log_function=lambda _: None))
            server.add_sockets(sockets)
            ready.set()
            await self._stop.wait()
            server.stop()
            await server.close_all_connections()

        asyncio.run(main())


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Base(RequestHandler):
    action = ""

    async def serve(self, work):
        """Answer with what `work` returns, or with the mishap that is due."""
        self.standin.serving += 1
        try:
            await self._serve(work)
        finally:
            self.standin.serving -= 1

    async def _serve(self, work):
        self.standin.requests.append((self.action, self.request.method, dict(self.request.headers)))
        how = self.standin.mishap(self.action)
        if how == "slow":
            await asyncio.sleep(self.standin.slow_seconds)
        if how == "cut":
            return self.detach().close()
        if how == "garbage":
            self.set_status(502)
            return self.finish("<html>bad gateway</html>")
        try:
            if how in SAID:
                raise Refused(*SAID[how])
            answer = work()
        except Refused as e:
            self.set_status(e.status, "Refused")
            return self.finish({"error": {"message": str(e)}})
        if how == "lost":
            return self.detach().close()
        return self.finish(answer)

    @property
    def standin(self):
        return self.settings["standin"]

    def signed(self, given):
        """Check a signature as Cloudinary does: SHA-256 over the sorted parameters, except file and key."""
        given = dict(given)
        signature, key = given.pop("signature", ""), given.pop("api_key", "")
        text = "&".join(f"{k}={v}".replace("&", "%26") for k, v in sorted(given.items()) if v)
        if key != KEY:
            raise Refused(401, "Unknown API key")
        if hashlib.sha256((text + SECRET).encode()).hexdigest() != signature:
            raise Refused(401, f"Invalid Signature {signature}. String to sign - '{text}'.")
        return given

    def fresh(self, given):
        age = time.time() - int(given.get("timestamp", 0))
        if not -300 < age < HOUR:
            raise Refused(400, "Stale request - reported time is " + given.get("timestamp", ""))


class Upload(Base):
    action = "upload"

    async def post(self, kind):
        await self.serve(lambda: self.take(kind))

    def take(self, kind):
        given = self.signed({k: v[-1].decode() for k, v in self.request.body_arguments.items()})
        self.fresh(given)
        if given.get("type") != "private":
            raise Refused(400, "Everything of Marquee's has to be private")
        body = self.whole(self.request.files["file"][0]["body"])
        if body is None:
            return {"done": False, "public_id": given["public_id"], "bytes": len(self.request.body)}
        if len(body) > self.standin.most:
            raise Refused(400, f"File size too large. Got {len(body)}. Maximum is {self.standin.most}.")
        known = sniff(body[:64])
        if kind != "raw" and (known is None or (known.type != kind)):
            raise Refused(400, f"Invalid {kind} file")
        ext = known.ext if known else "bin"
        if ext not in given.get("allowed_formats", ext).split(","):
            raise Refused(400, f"{kind.title()} file format {ext} not allowed")
        return self.keep(kind, given, Asset(body, ext, datetime.now(UTC).isoformat(timespec="seconds")))

    def keep(self, kind, given, asset):
        there = self.standin.assets.get((kind, given["public_id"]))
        if there is not None and given.get("overwrite") == "false":
            return {"public_id": given["public_id"], "bytes": len(there.content), "existing": True}
        self.standin.assets[kind, given["public_id"]] = asset
        return {
            "public_id": given["public_id"],
            "bytes": len(asset.content),
            "format": asset.format,
            "resource_type": kind,
            "type": "private",
            "created_at": asset.created_at,
        }

    def whole(self, piece):
        """Put chunks together; return None while some are missing."""
        described = self.request.headers.get("Content-Range")
        if described is None:
            return piece
        first, last, size = map(int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", described).groups())
        upload_id = self.request.headers["X-Unique-Upload-Id"]
        held = self.standin.chunks.setdefault(upload_id, b"")
        if first != len(held) or last - first + 1 != len(piece):
            raise Refused(400, f"Chunk {described} does not follow on {len(held)} bytes")
        if last + 1 < size and len(piece) <= MINIMUM_CHUNK:
            raise Refused(400, "All parts except EOF-chunk must be larger than 5mb")
        self.standin.chunks[upload_id] = held + piece
        return self.standin.chunks.pop(upload_id) if last + 1 == size else None


class Destroy(Base):
    action = "destroy"

    async def post(self, kind):
        await self.serve(lambda: self.drop(kind))

    def drop(self, kind):
        given = self.signed({k: v[-1].decode() for k, v in self.request.body_arguments.items()})
        self.fresh(given)
        gone = self.standin.assets.pop((kind, given["public_id"]), None) if given.get("type") == "private" else None
        return {"result": "not found" if gone is None else "ok"}


class Download(Base):
    action = "download"

    async def get(self, kind):
        await self.serve(lambda: self.hand_out(kind))

    def hand_out(self, kind):
        given = self.signed({k: v[-1].decode() for k, v in self.request.query_arguments.items()})
        if int(given["expires_at"]) <= time.time():
            raise Refused(401, "This URL has expired")
        asset = self.standin.assets.get((kind, given["public_id"]))
        if kind == "raw" and "format" in given:
            raise Refused(400, "Raw files have no format")
        if asset is None or (kind != "raw" and asset.format != given["format"]):
            raise Refused(404, "Resource not found")
        return asset.content


class Resource(Base):
    action = "resource"

    async def get(self, kind, public_id):
        await self.serve(lambda: self.describe(kind, public_id))

    def describe(self, kind, public_id):
        if (
            self.request.headers.get("Authorization")
            != "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
        ):
            raise Refused(401, "Unknown API key")
        asset = self.standin.assets.get((kind, public_id))
        if asset is None:
            raise Refused(404, f"Resource not found - {public_id}")
        return {
            "public_id": public_id,
            "format": asset.format,
            "bytes": len(asset.content),
            "created_at": asset.created_at,
        }
