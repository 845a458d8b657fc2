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


class DirectUploads(Protocol):
    """Uploads that go from the browser to the storage itself; they are raw until they were fetched and checked."""

    def ticket(self, ticket_id: str, content_type: str, now: datetime) -> tuple[str, dict[str, str]]:
        """Return where to post the file, and the signed fields to post with it, good for an hour."""

    async def fetch(self, ticket_id: str, content_type: str, target: Path, *, most: int, now: datetime) -> None:
        """Write what was uploaded under the ticket to `target`.

        Raises NotFound where nothing was, TooLarge above `most` bytes, StorageFull or Unavailable.
        """

    async def discard(self, ticket_id: str) -> None:
        """Destroy whatever was uploaded under the ticket; nothing there is no error. Raises Unavailable."""


class Storage(Protocol):
    """Where the bytes of media and files lie. A `key` is `<sha256>.<ext>` or `thumbs/<sha256>.<ext>`."""

    name: str
    direct: DirectUploads | None

    async def put(self, source: Path, key: str) -> None:
        """Store the file at `source`, which may be moved away, under `key`; the same key again is no error.

        Raises StorageFull, TooLarge or Unavailable; then it may be stored all the same (a lost answer), so
        the caller deletes or retries.
        """

    async def delete(self, key: str) -> None:
        """Remove `key`; a key that is not there is no error. Raises Unavailable."""

    def url(self, key: str, now: datetime) -> str:
        """Return the signed URL of `key`: good for at least 7 days, the same all through a 7-day window."""

    def file(self, key: str, expiry: str, signature: str, now: datetime) -> tuple[Path, datetime]:
        """Return the file that a signed URL of this server names, and when the URL expires.

        Raises Forbidden for a URL that is not ours or has expired, NotFound where the storage serves itself.
        """

    def place(self, key: str, made: datetime, expires_at: datetime, *, download: bool) -> Path | str:
        """Return where `key` lies on this machine, or else the storage's own address of it.

        Such an address is for who was let in already: it is good until `expires_at`, and with `download` the
        content is saved and not shown.
        """


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
