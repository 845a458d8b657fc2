"""`/api/display`: what a player calls, first with nothing, then with its screen's token."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from core import resources as r
from core.errors import Problem, TooLarge
from core.reports import COMMAND_RESULT, HEARTBEAT
from core.signatures import window
from core.validation import Json, Schema, text, whole
from handlers import requests
from handlers.base import ApiHandler
from handlers.endpoint import Answer, Declaration, endpoint
from models.base import Document
from models.storage.spool import Spool

MOST_SCREENSHOT = 5 << 20
_EDGE = whole(1, 100_000)  # pixels
OPEN: Schema = {
    "player": {
        "type": "dict",
        "schema": {"name": text(1, 80, nullable=True), "version": text(1, 80, nullable=True)},
    },
    "resolution": {
        "type": "dict",
        "nullable": True,
        "schema": {"width": {**_EDGE, "required": True}, "height": {**_EDGE, "required": True}},
    },
}
COLLECT = {"pollSecret": text(1, 200, required=True)}
PICTURE = {
    "image/jpeg": {"schema": {"type": "string", "format": "binary", "maxLength": MOST_SCREENSHOT}},
    "image/png": {"schema": {"type": "string", "format": "binary", "maxLength": MOST_SCREENSHOT}},
    "image/webp": {"schema": {"type": "string", "format": "binary", "maxLength": MOST_SCREENSHOT}},
}


class PairingsHandler(ApiHandler):
    """`/api/display/pairing`."""

    @endpoint(
        needs="nobody", body=OPEN, returns=r.PAIRING, status=201, location="/api/display/pairing/{pairingId}/claim"
    )
    async def post(self, body: Json) -> Document:
        """Begin to pair: get a code to show and a secret to ask with."""
        told = body.get("player", {})
        agent = self.request.headers.get("User-Agent", "")[:300] or None
        player = {"name": told.get("name"), "version": told.get("version"), "userAgent": agent, "ip": self.ip}
        self.set_header("Cache-Control", "no-store")
        return await self.stores.pairings.open(player, body.get("resolution"))


class ClaimHandler(ApiHandler):
    """`/api/display/pairing/{pairingId}/claim`."""

    @endpoint(
        needs="nobody",
        body=COLLECT,
        returns=r.CLAIM,
        also=(202,),
        counted=False,
        idempotent=False,
        problems=(404, 410),
    )
    async def post(self, pairingId: str, body: Json) -> Answer:
        """Ask whether an operator has typed the code: 202 while not, then the screen's token.

        The token is told again to whoever asks again within ten minutes: an answer may be lost.
        """
        self.set_header("Cache-Control", "no-store")
        claim = await self.stores.pairings.collect(pairingId, body["pollSecret"])
        return Answer(claim, status=202 if claim["state"] == "waiting" else 200)


class ManifestHandler(ApiHandler):
    """`/api/display/manifest`."""

    @endpoint(needs="screen", returns=r.MANIFEST, also=(304,))
    async def get(self) -> Document | None:
        """Return all that the screen needs to play, or 304 when that is unchanged."""
        self.set_header("Cache-Control", "no-cache")
        if "If-None-Match" in self.request.headers:
            revision = await self.stores.screens.manifest_revision(by=self.actor)
            if self.not_modified(self._tag(revision)):
                return None
        manifest = await self.stores.screens.manifest(by=self.actor)
        self.set_header("ETag", f'"{self._tag(manifest["revision"])}"')
        return manifest

    def _tag(self, revision: str) -> str:
        """The revision and the window of the URLs in it: a new window is a new manifest."""
        return f"{revision}.{window(self.edge.clock.now())}"


class HeartbeatHandler(ApiHandler):
    """`/api/display/heartbeat`."""

    @endpoint(needs="screen", body=HEARTBEAT, returns=r.BEAT_WITH_COMMANDS)
    async def post(self, body: Json) -> Document:
        """Say how things stand; learn the wanted revision and what is to be done.

        Without `status` the screen is well. All else that is absent stays as it was reported last.
        """
        agent = self.request.headers.get("User-Agent", "")[:300] or None
        revision = await self.stores.beats.beat(self.actor.id, body, user_agent=agent, ip=self.ip)
        commands = await self.stores.commands.unfinished(self.actor.id)
        await self.stores.commands.mark_sent([each["_id"] for each in commands if each["state"] == "queued"])
        return {"revision": revision, "serverTime": self.edge.clock.now(), "commands": commands}


class AcceptHandler(ApiHandler):
    """`/api/display/commands/{id}/accept`."""

    @endpoint(needs="screen", returns=r.COMMAND, problems=(404, 409))
    async def post(self, id: str) -> Document:
        """Say that a command has come and will be run."""
        return await self.stores.commands.accept(self.actor.id, id)


class ResultHandler(ApiHandler):
    """`/api/display/commands/{id}/result`."""

    @endpoint(needs="screen", body=COMMAND_RESULT, returns=r.COMMAND, problems=(404, 409))
    async def post(self, id: str, body: Json) -> Document:
        """Say how a command ended. Again is fine; after its expiry it is too late (409)."""
        return await self.stores.commands.finish(self.actor.id, id, ok=body["ok"], result=body.get("result"))


class ScreenshotHandler(ApiHandler):
    """`/api/display/commands/{id}/screenshot`."""

    _spool: Spool | None = None

    async def prepare(self) -> None:
        """Admit the screen, then refuse at once what is too large."""
        await super().prepare()
        if self._finished or self.request.method != "PUT":
            return
        requests.refuse_encoding(self.request)
        length = self.request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > MOST_SCREENSHOT:
            self.body_refused = True
            raise _too_large()
        cast(Any, self.request.connection).set_max_body_size(2 * MOST_SCREENSHOT)
        self._spool = Spool(self.edge.settings.data_dir / "incoming")

    async def data_received(self, chunk: bytes) -> None:
        """Write what arrives to disk, up to the limit."""
        if self._spool is None:
            await super().data_received(chunk)
        elif not self._finished:
            try:
                await self._take(self._spool, chunk)
            except Problem:
                error = sys.exc_info()
                await self._spool.discard()
                self.body_refused = True
                self.send_error(500, exc_info=error)

    async def _take(self, spool: Spool, chunk: bytes) -> None:
        spool.add(chunk)
        if spool.bytes > MOST_SCREENSHOT:
            raise _too_large()
        await spool.write()

    async def serve(
        self, declaration: Declaration, method: Callable[..., Awaitable[Any]], path: Mapping[str, str]
    ) -> None:
        """Run the method on the file; nothing of it stays in the folder."""
        if self._finished:
            return
        await super().serve(declaration, method, path)

    @endpoint(needs="screen", returns=r.COMMAND, upload=PICTURE, problems=(404, 409, 413, 415, 507))
    async def put(self, id: str) -> Document:
        """Hand in a command's screenshot, before its result: JPEG, PNG or WebP up to 5 MiB."""
        assert self._spool is not None
        spool = self._spool
        try:
            sha256 = await spool.close()
            return await self.stores.commands.attach(self.actor.id, id, spool.path, sha256)
        finally:
            await asyncio.shield(spool.discard())  # who has the answer finds nothing left

    def on_finish(self) -> None:
        """Remove the file, however the request ended."""
        super().on_finish()
        self._drop()

    def on_connection_close(self) -> None:
        """Remove what a screen has left behind that went away."""
        super().on_connection_close()
        self._drop()

    def _drop(self) -> None:
        if self._spool is not None:
            spool, self._spool = self._spool, None
            self._dropping = asyncio.ensure_future(spool.discard())


def _too_large() -> TooLarge:
    return TooLarge(detail=f"A screenshot may have at most {MOST_SCREENSHOT >> 20} MiB.")


routes = [
    ("/api/display/pairing", PairingsHandler),
    ("/api/display/pairing/{pairingId}/claim", ClaimHandler),
    ("/api/display/manifest", ManifestHandler),
    ("/api/display/heartbeat", HeartbeatHandler),
    ("/api/display/commands/{id}/accept", AcceptHandler),
    ("/api/display/commands/{id}/result", ResultHandler),
    ("/api/display/commands/{id}/screenshot", ScreenshotHandler),
]
