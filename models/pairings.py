"""The `pairings` collection: a display that has nothing shows a code, an operator types it, the display gets a token.

Of the code and of the display's own secret only hashes are stored, the code's under the server's key, for codes
are short. The token follows from the secret (core/tokens.py), so it can be told again and is nowhere stored.
"""

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from core.clock import ids_are_seeded, new_id
from core.errors import Gone, NotFound, RateLimited, Unavailable
from core.events import announce, workspace_channel
from core.limits import client_of
from core.permissions import Actor
from core.tokens import Tokens, digest, opaque, same
from models.access import SCREEN, Access
from models.base import Document, Duplicate, Ground, Session
from models.claims import claim_playlist
from models.revisions import Revisions
from models.screens import Screens, new_screen
from models.workspaces import Workspaces

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # nothing that looks like another: 31 of them, 887 million codes
CODE_LENGTH = 6
CODE_LIFE = timedelta(minutes=10)
COLLECT_LIFE = timedelta(minutes=10)
KEPT = timedelta(days=1)  # so long a display that slept hears that its code expired, and not that it never was
POLL_SECONDS = 3
_TRIES = 5  # two equal codes in a row are one in 887 million divided by those that live


class Pairings:
    """Brings displays and screens together."""

    def __init__(
        self,
        ground: Ground,
        *,
        tokens: Tokens,
        access: Access,
        workspaces: Workspaces,
        screens: Screens,
        revisions: Revisions,
    ) -> None:
        self._ground = ground
        self._docs = ground.collection("pairings")
        self._screens = ground.collection("screens")
        self._playlists = ground.collection("playlists")
        self._tokens = tokens
        self._access = access
        self._workspaces = workspaces
        self._store = screens
        self._revisions = revisions
        keys = (ground.settings.secret_key, ground.settings.secret_key_previous)
        self._keys = [hmac.digest(key.encode(), b"marquee:codes", hashlib.sha256) for key in keys if key]

    def _hashes(self, code: str) -> list[str]:
        """Return what may be stored of `code` as people type it, under the present key and then the previous one."""
        plain = re.sub(r"[\s-]", "", code).upper().encode("utf-8", "replace")
        return [hmac.digest(key, plain, hashlib.sha256).hex() for key in self._keys]

    # --- the display ------------------------------------------------------------------------------------------------

    async def open(self, player: Document, resolution: Document | None) -> Document:
        """Begin a pairing (`PAIRING`): a code to show, and a secret to ask with.

        `player` is `{name, version, userAgent, ip}`, each may be null.
        """
        now, secret = self._ground.clock.now(), opaque()
        for _ in range(_TRIES):
            code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
            pairing = {
                "_id": new_id(),
                "codeHash": self._hashes(code)[0],
                "secretHash": digest(secret),
                "player": player,
                "resolution": resolution,
                "screenId": None,
                "createdAt": now,
                "expiresAt": now + CODE_LIFE,
                "collectUntil": None,
                "removeAt": now + KEPT,
            }
            try:
                await self._docs.insert(pairing)
            except Duplicate:
                continue
            shown = {"pairingId": pairing["_id"], "code": code, "pollSecret": secret, "pollSeconds": POLL_SECONDS}
            return pairing | shown
        raise Unavailable

    async def collect(self, pairing_id: str, secret: str) -> Document:
        """Tell the display how its pairing stands (`CLAIM`), and its token once an operator has typed the code.

        The same again until COLLECT_LIFE after that. Raises NotFound for a wrong secret as for an unknown
        pairing, Gone when the code or that time ran out, or the screen has gone or been paired anew.
        """
        pairing = await self._docs.get({"_id": pairing_id})
        if pairing is None or not same(pairing["secretHash"], digest(secret)):
            raise NotFound
        now = self._ground.clock.now()
        if pairing["screenId"] is None:
            if pairing["expiresAt"] <= now:
                raise Gone(detail="This code has expired: ask for a new one.")
            return {"state": "waiting"}
        if pairing["collectUntil"] <= now:
            raise Gone(detail="This pairing was not collected in time: ask for a new code.")
        return await self._hand_over(pairing, self._tokens.screens(pairing["screenId"], pairing_id, secret))

    async def _hand_over(self, pairing: Document, tokens: list[str]) -> Document:
        """Make the display's token the screen's credential, unless it is already, and return it."""
        query = {"_id": pairing["screenId"], "pairingId": pairing["_id"]}
        credential = {"$set": {"credentialHash": digest(tokens[0])}}
        await self._screens.update({**query, "credentialHash": None}, credential)
        await self._access.forget(pairing["screenId"], SCREEN)  # who asked before has left a "no" in the cache
        screen = await self._screens.get(query, projection={"name": 1, "credentialHash": 1})
        stored = screen["credentialHash"] if screen else ""
        token = next((token for token in tokens if same(digest(token), stored)), None)
        if screen is None or token is None:
            raise Gone(detail="This screen was removed or paired anew: ask for a new code.")
        return {"state": "paired", "screenId": screen["_id"], "screenToken": token, "name": screen["name"]}

    # --- the operator -----------------------------------------------------------------------------------------------

    async def pair(self, code: str, wanted: Document, *, by: Actor) -> Document:
        """Make a screen of the display that shows `code`, or give it to the screen `wanted["screenId"]`.

        `wanted` has `name` or `screenId`, and may have `workspaceId, location, tags, timezone, playlistId`. The
        claim is one conditional update, so of two people with the same code one wins. An existing screen's old
        credential ends with it. Raises NotFound `code_unknown` for a wrong, used or expired code, NotFound for a
        workspace or screen that is not the actor's, Invalid for a playlist of another workspace, and RateLimited.
        """
        told: Document = {
            name: wanted[name] for name in ("location", "tags", "timezone", "playlistId") if name in wanted
        }
        if "screenId" in wanted:
            held = await self._store.load(wanted["screenId"], "screens:write", by)
            if wanted.get("workspaceId", held["workspaceId"]) != held["workspaceId"]:
                raise NotFound
            return await self._claim(code, {**told, "_id": held["_id"], "workspaceId": held["workspaceId"]}, None, by)
        home = wanted.get("workspaceId") or await self._workspaces.personal_id(by=by)
        by.require("screens:write", home)
        screen = new_screen(wanted["name"], home, self._ground.clock.now()) | told
        return await self._claim(code, screen, screen, by)

    async def _claim(self, code: str, told: Document, fresh: Document | None, by: Actor) -> Document:
        """Claim the display for the screen `told["_id"]`, which is made of `fresh` unless it is there already."""

        async def write(session: Session) -> Document:
            return await self._write(code, told, fresh, session)

        await self._count(by, 1)
        unknown = False
        try:
            paired = await self._ground.transaction(write)
        except NotFound as e:
            unknown = e.code == "code_unknown"
            raise
        finally:
            if not unknown:
                await self._count(by, -1)
        if fresh is None:
            await self._access.revoke_screen(paired["_id"])
            await self._store.forget_live([paired["_id"]])
        return await self._tell(paired)

    async def _count(self, by: Actor, cost: int) -> None:
        """Count a try before it is known whether its code is, so that tries at once count too; -1 gives it back."""
        for who in (f"ip:{client_of(by.ip)}", f"user:{by.id}"):
            window = await self._ground.limits.count("pairing", who, cost)
            if cost > 0 and window.exceeded:
                raise RateLimited(window.reset, "Too many unknown codes: wait a little.", policy="pairing")

    async def _write(self, code: str, told: Document, fresh: Document | None, session: Session) -> Document:
        """Claim the pairing and write the screen, in one transaction; return the screen."""
        now, screen_id = self._ground.clock.now(), told["_id"]
        shows = {"codeHash": {"$in": self._hashes(code)}}
        if ids_are_seeded() and await self._docs.get({**shows, "screenId": screen_id}, session=session):
            # Our own earlier try under the same Idempotency-Key, whose answer was lost.
            return await self._screens.get({"_id": screen_id}, session=session) or told
        if told.get("playlistId"):
            await claim_playlist(self._playlists, told["playlistId"], told["workspaceId"], session=session)
        claim = {"$set": {"screenId": screen_id, "collectUntil": now + COLLECT_LIFE}}
        pairing = await self._docs.change(
            {**shows, "screenId": None, "expiresAt": {"$gt": now}}, claim, session=session
        )
        if pairing is None:
            raise NotFound("code_unknown", "No display shows this code, or it has expired.")
        display = _display(pairing, now)
        if fresh is None:
            changes = {name: value for name, value in told.items() if name != "_id"}
            query = {"_id": screen_id, "workspaceId": told["workspaceId"]}
            return await self._screens.edit(query, changes | display, if_version=None, session=session)
        shown = {"orientation": _orientation(pairing["resolution"])}
        screen = fresh | display | shown
        screen["revision"] = (await self._revisions.wanted([screen]))[0]
        return await self._screens.insert(screen, session=session)

    async def _tell(self, paired: Document) -> Document:
        """Bring the screen up to date and announce it."""
        await self._revisions.refresh({"_id": paired["_id"]})
        current = await self._screens.get({"_id": paired["_id"]}) or paired
        await self._ground.events.publish(
            [announce("screen.paired", workspace_channel(paired["workspaceId"]), current)]
        )
        return current

    async def sweep(self, now: datetime) -> int:
        """Delete pairings that ended a day ago; return how many. For the job."""
        return await self._docs.delete_all({"removeAt": {"$lte": now}})


def _display(pairing: Document, now: datetime) -> Document:
    """Return what a screen takes over from the display that was paired: it has shown nothing yet."""
    return {
        "pairingId": pairing["_id"],
        "credentialHash": None,
        "player": pairing["player"],
        "resolution": pairing["resolution"],
        "pairedAt": now,
        "status": "connecting",
        "statusReason": None,
        "lastSeenAt": None,
        "appliedRevision": None,
        "inSync": False,
        "emergencyId": None,
        "nowPlaying": None,
    }


def _orientation(resolution: Document | None) -> str:
    """Return how a display of this resolution stands: as most do where it did not say."""
    return "portrait" if resolution and resolution["height"] > resolution["width"] else "landscape"
