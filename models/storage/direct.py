"""Uploads that browsers send to Cloudinary themselves, on a ticket: signed fields that are good for an hour.

What arrives this way is raw: nobody has looked at it. It lies apart from checked media, under the ticket's
own name, until it was fetched, or is destroyed.
"""

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import urllib3
from cloudinary import api, exceptions

from core.errors import NotFound, TooLarge, Unavailable
from core.sizes import in_words
from models.storage.cloudinary import Account, destroy, problem_of
from models.storage.local import problem_of as disk_problem

TICKET = timedelta(hours=1)  # Cloudinary refuses a signature whose timestamp is older
FETCH_SECONDS = 900  # in all, however steadily it drips
_PIECE = 262_144
_FORMATS = {"image": "jpg,png,webp,gif", "video": "mp4,webm"}


class CloudinaryDirect:
    """Tickets, and what was uploaded on them."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._http = urllib3.PoolManager()

    def ticket(self, ticket_id: str, content_type: str, now: datetime) -> tuple[str, dict[str, str]]:
        """Return where to post, and the fields: one asset, private, of one name that cannot be overwritten."""
        kind = content_type.partition("/")[0]
        fields = {
            "timestamp": int(now.timestamp()),
            "public_id": self._name(ticket_id),
            "type": "private",
            "overwrite": "false",
            "allowed_formats": _FORMATS[kind],
        }
        return self._account.address("upload", kind), self._account.sign(fields)

    async def fetch(self, ticket_id: str, content_type: str, target: Path, *, most: int, now: datetime) -> None:
        """Download what was uploaded, piece by piece and no more than `most` bytes of it."""
        kind = content_type.partition("/")[0]
        try:
            about = await self._account.call(_about, self._name(ticket_id), resource_type=kind)
        except Unavailable as e:
            if isinstance(e.__cause__, exceptions.NotFound):
                raise NotFound(detail="Nothing has been uploaded with this ticket.") from e
            raise
        if int(about["bytes"]) > most:
            raise TooLarge(detail=f"Media of this kind may have at most {in_words(most)}.")
        address = self._account.download(self._name(ticket_id), about["format"], kind, now, now + TICKET)
        await self._account.run(lambda: self._download(address, target, most))

    async def discard(self, ticket_id: str) -> None:
        """Destroy the upload, whatever kind of resource the browser made of it: the signature does not bind that."""
        for kind in ("image", "video", "raw"):
            await destroy(self._account, self._name(ticket_id), kind)

    def _name(self, ticket_id: str) -> str:
        return f"{self._account.folder}-incoming/{ticket_id}"

    def _download(self, address: str, target: Path, most: int) -> None:
        """Fetch `address` into `target`; runs in a thread."""
        deadline = time.monotonic() + FETCH_SECONDS
        try:
            with self._http.request(
                "GET", address, timeout=self._account.timeout, preload_content=False, retries=False
            ) as answer:
                if answer.status != 200:
                    raise exceptions.GeneralError(f"download answered {answer.status}")
                self._keep(answer, target, most, deadline)
        except (exceptions.Error, urllib3.exceptions.HTTPError) as e:
            raise problem_of(e) from e
        except OSError as e:
            raise disk_problem(e) from e

    @staticmethod
    def _keep(answer: Any, target: Path, most: int, deadline: float) -> None:
        kept = 0
        with target.open("wb") as file:
            for piece in answer.stream(_PIECE):
                kept += file.write(piece)
                if kept > most:
                    raise TooLarge(detail=f"Media of this kind may have at most {in_words(most)}.")
                if time.monotonic() > deadline:
                    raise exceptions.GeneralError("download took too long")


def _about(public_id: str, **options: Any) -> Any:
    return api.resource(public_id, type="private", **options)
