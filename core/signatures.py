"""Signed addresses: whoever holds one may read what it names until it expires, without a token.

Media addresses live in 7-day windows: all that are made in one window are the same text, so caches and
manifests stay as they are, and each is good for 7 to 14 days from when it was made.
"""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta

from core.errors import Forbidden

WINDOW = timedelta(days=7)
_EPOCH = datetime.fromtimestamp(0, UTC)
_EXPIRY = re.compile(r"[1-9][0-9]{0,10}", re.ASCII)


def window(now: datetime) -> int:
    """Return the number of the 7-day window that `now` lies in: the second half of a manifest's ETag."""
    return (now - _EPOCH) // WINDOW


def window_start(now: datetime) -> datetime:
    """Return when `now`'s window began."""
    return _EPOCH + window(now) * WINDOW


def window_expiry(now: datetime) -> datetime:
    """Return when addresses made now expire: the end of the next window, 7 to 14 days away."""
    return _EPOCH + (window(now) + 2) * WINDOW


class Signatures:
    """Signs paths under the server's secret key; what the previous key has signed still verifies."""

    def __init__(self, secret_key: str, previous: str | None = None) -> None:
        self._keys = [
            hmac.digest(key.encode(), b"marquee:addresses", hashlib.sha256) for key in (secret_key, previous) if key
        ]

    def sign(self, path: str, expires_at: datetime) -> str:
        """Return `path` with its expiry and signature as query: `/media/x.jpg?exp=..&sig=..`."""
        expiry = int(expires_at.timestamp())
        return f"{path}?exp={expiry}&sig={_signature(self._keys[0], path, str(expiry)).decode()}"

    def verify(self, path: str, expiry: str, signature: str, now: datetime) -> datetime:
        """Return when the address expires. Raises Forbidden where it has expired, or is not one that we made."""
        good = [hmac.compare_digest(_signature(key, path, expiry), signature.encode()) for key in self._keys]
        if not _EXPIRY.fullmatch(expiry) or not any(good):
            raise Forbidden(detail="This address is not one that the server gave.")
        expires_at = datetime.fromtimestamp(int(expiry), UTC)
        if expires_at <= now:
            raise Forbidden(detail="This address has expired: ask for a fresh one.")
        return expires_at


def _signature(key: bytes, path: str, expiry: str) -> bytes:
    """128 bits of an HMAC, URL-safe: far beyond guessing, and short in a manifest of 500 items."""
    mac = hmac.digest(key, f"{path}\n{expiry}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(mac[:16]).rstrip(b"=")
