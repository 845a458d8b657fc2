"""What a server or a command starts from: complete settings, on stores of our own where none are set."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from core.settings import Settings, SettingsError
from deploy.embedded import EmbeddedStores, Urls, ensure_secret, running_stores
from handlers.application import refuse_taken


@asynccontextmanager
async def completed(settings: Settings, *, beside: bool) -> AsyncIterator[Settings]:
    """Yield `settings` with store URLs and secrets; embedded stores end with the block.

    `beside` is for commands: they use the stores of a server that runs on the same data directory. A server is
    refused (SettingsError) where its port is taken, before anything is started, and says when it has ended.
    """
    _make_writable(settings.data_dir)
    running = running_stores(settings.data_dir) if settings.mongodb_url is None else None
    if not beside and running is None:  # whose stores run is told by their start: that says more than a taken port
        refuse_taken(settings.port, settings.host)
    if settings.mongodb_url is not None:
        yield _with_secrets(settings)
    else:
        embedded = EmbeddedStores(settings.data_dir) if running is None or not beside else None
        try:
            urls = await embedded.start() if embedded else running
            yield _with_secrets(_at(settings, urls))
        finally:
            if embedded:
                await embedded.stop()
    if not beside:
        _say_goodbye()


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise SettingsError(f"MARQUEE_DATA_DIR: {folder} cannot be used, {e.strerror}.") from e
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(f"MARQUEE_DATA_DIR: {folder} cannot be written.")


def _at(settings: Settings, urls: Urls | None) -> Settings:
    assert urls is not None
    return replace(settings, mongodb_url=urls.mongodb, redis_url=urls.redis)


def _with_secrets(settings: Settings) -> Settings:
    """Return `settings` with secrets: those that are not set are made in the data directory and kept there."""
    kept = settings.data_dir / "secrets"
    return replace(
        settings,
        secret_key=settings.secret_key or ensure_secret(kept / "secret_key"),
        password_pepper=settings.password_pepper or ensure_secret(kept / "password_pepper"),
    )


def greeting(settings: Settings, port: int) -> str:
    """Return what a server says when it is there; to whoever tries it, also where to begin."""
    said = f"Marquee is on http://{settings.host}:{port}"
    if settings.production:
        return said
    pages = "/ to begin, /player for a screen, /chat for the team, /docs for the API"
    return f"{said}\nPages: {pages}. Its data is in {settings.data_dir}. Ctrl-C ends it."


def _say_goodbye() -> None:
    line = b"\n" if sys.stdout.isatty() else b""  # that of the ^C
    with suppress(OSError):  # whoever heard the greeting may be gone, which is no reason to fail
        os.write(sys.stdout.fileno(), line + b"Marquee has ended.\n")
