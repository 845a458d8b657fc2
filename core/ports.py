"""What a layer may ask of another one without importing it: small protocols, joined in `server.py`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from core.events import Event


class Events(Protocol):
    """Where models announce what they have written. The realtime node is one."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Hand `events` on, in order. Never raises: what was written stays written, a lost hint heals elsewhere."""


class Storage(Protocol):
    """Where the bytes of media and files lie. A `key` is `<sha256>.<ext>` or `thumbs/<sha256>.<ext>`."""

    name: str

    async def put(self, source: Path, key: str, content_type: str) -> None:
        """Store the file at `source` under `key`; the same key again is no error.

        Raises StorageFull or Unavailable; then nothing is left behind, or the sweep finds it.
        """

    async def delete(self, key: str) -> None:
        """Remove `key`; a key that is not there is no error."""

    async def keys(self) -> dict[str, datetime]:
        """Return every stored key with the time it was last written, for the sweep of orphans."""

    def url(self, key: str, now: datetime, *, content_type: str) -> str:
        """Return the signed URL of `key`: good for at least 7 days, the same all through a 7-day window."""


class Mailer(Protocol):
    """Sends mail to people."""

    async def send(self, to: str, subject: str, text: str) -> None:
        """Send one plain-text mail. Never raises: a failure is logged and counted."""


class Presence(Protocol):
    """Who is here now, over all processes. Without Redis: who is here in this one."""

    async def online(self, user_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the status (`online`, `away`, `busy`) of those of `user_ids` who are here."""

    async def everyone(self) -> Mapping[str, str]:
        """Return the status of everybody who is here, by user id."""
