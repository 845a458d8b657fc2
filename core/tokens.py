"""Tokens: short-lived JWTs for people, opaque secrets for refreshing and for screens.

Only hashes of opaque secrets are stored. A refresh token's successor is a keyed function of it, so a
repeat within the grace finds the same successor without any token being kept (design, section 3).
"""

import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt

from core.errors import Unauthenticated

ACCESS_SECONDS = 900
ISSUER = "marquee"
AUDIENCE = "marquee"
CLAIMS = ["iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "typ"]
MAX_TOKEN = 4096  # an access token is about 400 bytes; nothing longer is worth a signature check
LEEWAY = timedelta(seconds=5)  # between the clocks of two of our own machines
SCREEN_PREFIX = "mqs_"
_MOST_READ = 4096  # tokens of which a process keeps what they say: about 6 MB


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified access token says."""

    user_id: str
    session_id: str
    expires_at: datetime


_Said = tuple[datetime, Claims]  # from when on it is good, and its claims


class Tokens:
    """Makes and verifies tokens under the server's secret key; the previous key still verifies."""

    def __init__(self, secret_key: str, previous: str | None = None) -> None:
        self._key = _derive(secret_key, "access")
        self._verifying = [self._key] + ([_derive(previous, "access")] if previous else [])
        # What a good token says never changes; whether it is still good is asked each time. Refusals are not kept.
        self._read: Callable[[str], _Said] = lru_cache(_MOST_READ)(self._read_signed)
        self._succession = [_derive(key, "refresh") for key in (secret_key, previous) if key]
        self._screens = [_derive(key, "screen") for key in (secret_key, previous) if key]

    def access(self, user_id: str, session_id: str, now: datetime) -> str:
        """Return a JWT (HS256) that is good for ACCESS_SECONDS."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "jti": uuid.uuid4().hex,
            "iat": now,
            "nbf": now,
            "exp": now + timedelta(seconds=ACCESS_SECONDS),
            "typ": "access",
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def verify(self, token: str, now: datetime) -> Claims:
        """Return the claims of an access token, or raise Unauthenticated (`token_expired` when it was ours and ended).

        PyJWT leaves `typ` alone, takes padding, and asks the machine for the time: all three are seen to here,
        and every claim is required.
        """
        if len(token) > MAX_TOKEN or "=" in token:
            raise Unauthenticated
        begins, claims = self._read(token)
        if begins > now + LEEWAY:
            raise Unauthenticated
        if claims.expires_at <= now - LEEWAY:
            raise Unauthenticated("token_expired", "The access token has expired: refresh it.")
        return claims

    def _read_signed(self, token: str) -> _Said:
        """Return what a token says that we have signed, whatever the time. Raises Unauthenticated for any other."""
        payload = self._decode(token)
        sub, sid = payload["sub"], payload["sid"]
        if payload["typ"] != "access" or not _is_id(sub) or not _is_id(sid):
            raise Unauthenticated
        issued, begins, ends = (_moment(payload[claim]) for claim in ("iat", "nbf", "exp"))
        return max(issued, begins), Claims(sub, sid, ends)

    def _decode(self, token: str) -> dict[str, Any]:
        for key in self._verifying:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=["HS256"],
                    audience=AUDIENCE,
                    issuer=ISSUER,
                    options={
                        "require": CLAIMS,
                        "strict_aud": True,
                        "verify_exp": False,
                        "verify_nbf": False,
                        "verify_iat": False,
                    },
                )
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidTokenError, ValueError, OverflowError, TypeError) as e:
                raise Unauthenticated from e
        raise Unauthenticated

    def successors(self, refresh_token: str) -> list[str]:
        """Return the refresh token that follows `refresh_token`, under the present key and then the previous one."""
        return [
            base64.urlsafe_b64encode(hmac.digest(key, refresh_token.encode(), hashlib.sha256)).rstrip(b"=").decode()
            for key in self._succession
        ]

    def screens(self, screen_id: str, pairing_id: str, poll_secret: str) -> list[str]:
        """Return the screen's token by this pairing, under the present key and then the previous one.

        It follows from the display's own secret, so it can be told again while only its hash is stored.
        """
        asked = f"{screen_id}.{pairing_id}.{poll_secret}".encode("utf-8", "surrogatepass")
        macs = (hmac.digest(key, asked, hashlib.sha256) for key in self._screens)
        return [screen_token(screen_id, base64.urlsafe_b64encode(mac).rstrip(b"=").decode()) for mac in macs]


def _is_id(claim: Any) -> bool:
    """Tell whether a claim may be an id: what is none must not come as far as a key in Redis or a query."""
    return isinstance(claim, str) and claim.isascii() and claim.isalnum()


def _moment(claim: Any) -> datetime:
    """Read a time claim: whole seconds since the epoch, and nothing else."""
    try:
        if type(claim) is not int:
            raise ValueError(claim)
        return datetime.fromtimestamp(claim, UTC)
    except (ValueError, OverflowError, OSError) as e:
        raise Unauthenticated from e


def _derive(secret_key: str, purpose: str) -> bytes:
    """One key for each purpose, so that no signature of one kind can pass for another's."""
    return hmac.digest(secret_key.encode(), f"marquee:{purpose}".encode(), hashlib.sha256)


def opaque() -> str:
    """Return a new secret of 256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def screen_token(screen_id: str, secret: str) -> str:
    """Return a screen's token. It names its screen, so that one look-up by id finds the hash to compare with."""
    return f"{SCREEN_PREFIX}{screen_id}.{secret}"


def screen_of(token: str) -> str | None:
    """Return the screen id that a screen token names, or None when it is no screen token."""
    if not token.startswith(SCREEN_PREFIX) or len(token) > 200:
        return None
    screen_id, dot, secret = token.removeprefix(SCREEN_PREFIX).partition(".")
    return screen_id if dot and secret and screen_id.isalnum() and screen_id.isascii() else None


def digest(secret: str) -> str:
    """Return what is stored of an opaque secret: its SHA-256 in hex (the secrets are random, so no salt is needed)."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def same(a: str, b: str) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(a.encode(), b.encode())
