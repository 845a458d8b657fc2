"""Media in a Cloudinary account: private assets, named by their content's hash, behind expiring addresses.

The SDK blocks and has no time-out of its own, so every call runs in a small pool of threads and carries
one. It takes URLs for files: only open files are handed to it, never a string that came from a user. Names
follow from content, so an upload whose answer was lost is found or overwritten by the next try.
"""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import structlog
from cloudinary import exceptions, uploader, utils
from urllib3 import Timeout

from core.errors import Invalid, NotFound, Problem, StorageFull, TooLarge, Unavailable
from core.ports import DirectUploads
from core.signatures import window_expiry, window_start
from models.storage.keys import split
from models.storage.sniff import KINDS

log = structlog.get_logger("marquee.storage")

FOLDER = "marquee"
CHUNK = 6_000_000  # Cloudinary wants more than 5 MB in every chunk but the last; the SDK holds one in memory twice
CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
THREADS = 4
_FULL = re.compile(
    r"quota|storage limit|plan limit|usage limit|out of (credits|storage)|exceeded your|disk space", re.I
)
_LARGE = re.compile(r"file size too large|maximum is \d+|too many (mega)?pixels", re.I)
_REFUSED = re.compile(r"invalid image|unsupported|invalid video|not an image", re.I)


class Account:
    """One Cloudinary account, as `CLOUDINARY_URL` names it, and calls to it that end in time.

    The URL's query may name a `folder`: servers that share an account each need their own, for equal content
    has equal names and the one would delete what the other still shows.
    """

    def __init__(self, url: str, *, seconds: float = READ_SECONDS) -> None:
        parts = urlsplit(url)
        extra = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.options: dict[str, Any] = {
            "cloud_name": parts.hostname,
            "api_key": parts.username,
            "api_secret": parts.password,
            "signature_algorithm": utils.SIGNATURE_SHA256,
        }
        self.folder = extra.get("folder", FOLDER)
        if "upload_prefix" in extra:  # another region's API
            self.options["upload_prefix"] = extra["upload_prefix"]
        self.timeout = Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="cloudinary")

    async def call(self, work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Run one of the SDK's functions with the account's options and a time-out; its errors become Problems."""

        def run() -> Any:
            return work(*arguments, **self.options, timeout=self.timeout, **options)

        try:
            return await self.run(run)
        except (exceptions.Error, OSError) as e:
            raise problem_of(e) from e

    async def run(self, work: Callable[[], Any]) -> Any:
        """Run `work` in the account's threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def sign(self, parameters: dict[str, Any]) -> dict[str, str]:
        """Return `parameters` with the key and a SHA-256 signature, as text."""
        return {name: str(value) for name, value in utils.sign_request(parameters, self.options).items()}

    def address(self, action: str, resource_type: str) -> str:
        """Return the API's address of `action`."""
        return str(utils.cloudinary_api_url(action, resource_type=resource_type, **self.options))

    def download(
        self, public_id: str, ext: str, resource_type: str, made: datetime, expires: datetime, *, save: bool = False
    ) -> str:
        """Return an address of a private asset, good until `expires`; with `save` it is a download.

        The SDK's `private_download_url` stamps the present second into it; here the stamp is `made`, so that
        the same arguments give the same address.
        """
        parameters: dict[str, Any] = {
            "timestamp": int(made.timestamp()),
            "public_id": public_id,
            "type": "private",
            "expires_at": int(expires.timestamp()),
        }
        if resource_type != "raw":  # raw assets have no format
            parameters["format"] = ext
        if save:
            parameters["attachment"] = "true"
        return f"{self.address('download', resource_type)}?{urlencode(self.sign(parameters))}"

    def close(self) -> None:
        """Let the threads end; calls under way run into their time-outs."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def problem_of(error: Exception) -> Problem:
    """Return what an error of the SDK is to our caller. Its text stays in the log: it may name the account."""
    text = str(error)
    if isinstance(error, exceptions.NotFound):
        return Unavailable(detail="The media storage does not have this yet: try again in a moment.")
    if _FULL.search(text):
        log.error("cloudinary.full", error=text[:300])
        return StorageFull(detail="The account of the media storage is full.")
    if _LARGE.search(text):
        return TooLarge(detail="This is larger than the account of the media storage takes.")
    if isinstance(error, exceptions.BadRequest) and _REFUSED.search(text):
        return Invalid(detail="The media storage could not read this file.")
    log.error("cloudinary.failed", kind=type(error).__name__, error=text[:300])
    return Unavailable(detail="The media storage does not answer: try again in a moment.")


class CloudinaryStorage:
    """Assets of type `private` under the account's folder; the same promises as LocalStorage."""

    name = "cloudinary"

    def __init__(self, account: Account, direct: DirectUploads) -> None:
        self._account = account
        self.direct: DirectUploads | None = direct

    async def put(self, source: Path, key: str) -> None:
        """Upload `source` under `key`, in chunks where it is large."""
        public_id, resource_type, _ = self._asset(key)
        size = (await asyncio.to_thread(source.stat)).st_size
        answer = await self._account.call(
            _upload,
            source,
            key.rpartition("/")[2],
            large=size > CHUNK,
            public_id=public_id,
            resource_type=resource_type,
            type="private",
            overwrite=True,
        )
        if answer.get("bytes") != size or answer.get("public_id") != public_id:
            log.error("cloudinary.differs", key=key, sent=size, stored=answer.get("bytes"))
            raise Unavailable(detail="The media storage kept something else than it was given: try again.")

    async def delete(self, key: str) -> None:
        """Destroy the asset of `key`."""
        public_id, resource_type, _ = self._asset(key)
        await destroy(self._account, public_id, resource_type)

    def _asset(self, key: str) -> tuple[str, str, str]:
        """Return the public id, the resource type and the format of a key's asset. Raises ValueError for no key."""
        folder, sha256, ext = split(key)
        kind = KINDS[ext].type if ext in KINDS else "raw"
        return f"{self._account.folder}/{folder}{sha256}", kind, ext

    def url(self, key: str, now: datetime) -> str:
        """Return the private download address of `key`."""
        public_id, resource_type, ext = self._asset(key)
        return self._account.download(public_id, ext, resource_type, window_start(now), window_expiry(now))

    def file(self, key: str, expiry: str, signature: str, now: datetime) -> tuple[Path, datetime]:
        """Nothing lies here: Cloudinary serves its assets itself."""
        raise NotFound

    def place(self, key: str, made: datetime, expires_at: datetime, *, download: bool) -> Path | str:
        """Return an address of `key` at Cloudinary."""
        public_id, resource_type, ext = self._asset(key)
        return self._account.download(public_id, ext, resource_type, made, expires_at, save=download)


def _upload(source: Path, filename: str, *, large: bool, **options: Any) -> Any:
    with source.open("rb") as file:
        if large:
            return uploader.upload_large(file, filename=filename, chunk_size=CHUNK, **options)
        return uploader.upload(file, filename=filename, **options)


async def destroy(account: Account, public_id: str, resource_type: str) -> None:
    """Destroy one private asset; one that is not there is no error."""
    await account.call(uploader.destroy, public_id, resource_type=resource_type, type="private", invalidate=True)
