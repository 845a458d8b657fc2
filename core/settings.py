"""Every setting: its name in the environment, its default, how it is read and what it is for.

`Settings.read(environ)` is the only reader. A wrong or missing setting raises SettingsError with one
sentence that names it. docs/operations.md lists the same settings; a test compares the two.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SAMPLE_SECRETS = ("change-me", "changeme", "secret", "example", "sample", "your-")
MINIMUM_SECRET_BYTES = 32  # HS256 wants a key as long as its hash (RFC 7518, section 3.2)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """A setting is wrong or missing; the message is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` per `seconds`, written like `100/15m`."""

    count: int
    seconds: int


def read_rate(value: str) -> Rate:
    """Read `100/15m`, `60/10s`, `5/1h`."""
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,6})(s|m|h|d)", value)
    if match is None or int(match[1]) == 0 or int(match[2]) == 0:
        raise ValueError("must look like 100/15m")
    return Rate(int(match[1]), int(match[2]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[3]])


def read_whole(low: int, high: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `low` to `high`."""

    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", value) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return read


def read_choice(*choices: str) -> Callable[[str], str]:
    """Return a reader of one of `choices`."""

    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return read


def read_url(*schemes: str) -> Callable[[str], str]:
    """Return a reader of URLs with one of `schemes`; a slash at the end is dropped."""

    def read(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not (parts.netloc or parts.scheme == "unix"):
            raise ValueError(f"must be a URL that starts with {' or '.join(f'{s}://' for s in schemes)}")
        return value.rstrip("/")

    return read


def read_origins(value: str) -> tuple[str, ...]:
    """Read origins with commas between them: scheme, host and port, nothing behind."""
    origins = tuple(part.strip() for part in value.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.hostname or f"{parts.scheme}://{parts.netloc}" != origin:
            raise ValueError(f"has an entry that is no origin (https://app.example.com): {origin}")
    return origins


def read_networks(value: str) -> tuple[Network, ...]:
    """Read IP addresses or networks with commas between them."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError as e:
        raise ValueError("must be IP addresses or networks with commas between them") from e


def _setting(name: str, default: Any, read: Callable[[str], Any], doc: str) -> Any:
    return field(default=default, metadata={"name": name, "read": read, "doc": doc})


_MB = 1_000_000
_LOOPBACK = read_networks("127.0.0.0/8,::1/128")
_bytes = read_whole(1, 10**15)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings, read and checked. Sizes are in bytes, times in seconds."""

    env: str = _setting("MARQUEE_ENV", "development", read_choice("development", "production"), "")
    host: str = _setting("MARQUEE_HOST", "127.0.0.1", str, "address to listen on")
    port: int = _setting("MARQUEE_PORT", 8000, read_whole(0, 65535), "port to listen on")
    public_url: str | None = _setting("MARQUEE_PUBLIC_URL", None, read_url("http", "https"), "how browsers reach us")
    data_dir: Path = _setting("MARQUEE_DATA_DIR", Path("data"), Path, "media, secrets and the embedded stores")
    mongodb_url: str | None = _setting("MARQUEE_MONGODB_URL", None, read_url("mongodb", "mongodb+srv"), "")
    mongodb_database: str = _setting("MARQUEE_MONGODB_DATABASE", "marquee", str, "")
    redis_url: str | None = _setting("MARQUEE_REDIS_URL", None, read_url("redis", "rediss", "unix"), "")
    redis_prefix: str = _setting("MARQUEE_REDIS_PREFIX", "marquee", str, "")
    secret_key: str = _setting("MARQUEE_SECRET_KEY", "", str, "signs tokens and URLs")
    secret_key_previous: str | None = _setting("MARQUEE_SECRET_KEY_PREVIOUS", None, str, "still accepted")
    password_pepper: str = _setting("MARQUEE_PASSWORD_PEPPER", "", str, "keyed into every password hash")
    storage: str = _setting("MARQUEE_STORAGE", "local", read_choice("local", "cloudinary"), "")
    cloudinary_url: str | None = _setting("CLOUDINARY_URL", None, read_url("cloudinary"), "")
    cors_origins: tuple[str, ...] = _setting("MARQUEE_CORS_ORIGINS", (), read_origins, "")
    registration: str | None = _setting("MARQUEE_REGISTRATION", None, read_choice("open", "closed"), "")
    trusted_proxies: tuple[Network, ...] = _setting("MARQUEE_TRUSTED_PROXIES", (), read_networks, "")
    smtp_url: str | None = _setting("MARQUEE_SMTP_URL", None, read_url("smtp", "smtps", "smtp+starttls"), "")
    mail_from: str = _setting("MARQUEE_MAIL_FROM", "marquee@localhost", str, "")
    metrics_allow: tuple[Network, ...] = _setting("MARQUEE_METRICS_ALLOW", _LOOPBACK, read_networks, "")
    rate_anonymous: Rate = _setting("MARQUEE_RATE_ANONYMOUS", Rate(100, 900), read_rate, "")
    rate_login: Rate = _setting("MARQUEE_RATE_LOGIN", Rate(10, 900), read_rate, "")
    rate_user: Rate = _setting("MARQUEE_RATE_USER", Rate(3000, 900), read_rate, "")
    rate_screen: Rate = _setting("MARQUEE_RATE_SCREEN", Rate(600, 900), read_rate, "")
    rate_messages: Rate = _setting("MARQUEE_RATE_MESSAGES", Rate(30, 10), read_rate, "")
    rate_pairing: Rate = _setting("MARQUEE_RATE_PAIRING", Rate(10, 900), read_rate, "")
    rate_frames: Rate = _setting("MARQUEE_RATE_FRAMES", Rate(60, 10), read_rate, "")
    screen_heartbeat_seconds: int = _setting("MARQUEE_SCREEN_HEARTBEAT_SECONDS", 15, read_whole(1, 3600), "")
    log_format: str = _setting("MARQUEE_LOG_FORMAT", "console", read_choice("json", "console"), "")
    log_level: str = _setting("MARQUEE_LOG_LEVEL", "info", read_choice("debug", "info", "warning", "error"), "")
    drain_seconds: int = _setting("MARQUEE_DRAIN_SECONDS", 20, read_whole(0, 3600), "")
    max_image_bytes: int = _setting("MARQUEE_MAX_IMAGE_BYTES", 20 * _MB, _bytes, "")
    max_video_bytes: int = _setting("MARQUEE_MAX_VIDEO_BYTES", 500 * _MB, _bytes, "")
    max_file_bytes: int = _setting("MARQUEE_MAX_FILE_BYTES", 25 * _MB, _bytes, "")
    workspace_quota_bytes: int = _setting("MARQUEE_WORKSPACE_QUOTA_BYTES", 20_000 * _MB, _bytes, "")
    user_quota_bytes: int = _setting("MARQUEE_USER_QUOTA_BYTES", 2_000 * _MB, _bytes, "")

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from `environ`; an empty value counts as absent. Raises SettingsError."""
        values: dict[str, Any] = {}
        for f in fields(cls):
            name, read = f.metadata["name"], f.metadata["read"]
            raw = environ.get(name, "")
            if raw == "":
                continue
            try:
                values[f.name] = read(raw)
            except ValueError as e:
                raise SettingsError(f"{name} {e}.") from e
        known = {f.metadata["name"] for f in fields(cls)}
        unknown = sorted(n for n in environ if n.startswith("MARQUEE_") and n not in known and n not in _ELSEWHERE)
        if unknown:
            raise SettingsError(f"{unknown[0]} is not a setting of Marquee: see docs/operations.md.")
        settings = cls(**values)
        settings._check()
        return settings

    @property
    def production(self) -> bool:
        """Whether this is a production server: no embedded stores, no made-up secrets."""
        return self.env == "production"

    @property
    def registration_open(self) -> bool:
        """Whether people may register themselves: closed by default in production."""
        return (self.registration or ("closed" if self.production else "open")) == "open"

    @property
    def https(self) -> bool:
        """Whether browsers reach us over https."""
        return (self.public_url or "").startswith("https://")

    def _check(self) -> None:
        if (self.mongodb_url is None) != (self.redis_url is None):
            missing = "MARQUEE_REDIS_URL" if self.redis_url is None else "MARQUEE_MONGODB_URL"
            raise SettingsError(f"{missing} is missing: set both store URLs, or neither for embedded stores.")
        if self.storage == "cloudinary" and self.cloudinary_url is None:
            raise SettingsError("CLOUDINARY_URL is missing: MARQUEE_STORAGE=cloudinary needs it.")
        if self.smtp_url is not None and self.public_url is None:
            raise SettingsError("MARQUEE_PUBLIC_URL is missing: the links in mails need the address that browsers use.")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,38}", self.mongodb_database):
            raise SettingsError("MARQUEE_MONGODB_DATABASE must be 1 to 38 letters, digits, _ or -.")
        if not re.fullmatch(r"[A-Za-z0-9_:.-]{1,64}", self.redis_prefix):
            raise SettingsError("MARQUEE_REDIS_PREFIX must be 1 to 64 letters, digits, _ : . or -.")
        if self.production:
            self._check_production()

    def _check_production(self) -> None:
        if self.mongodb_url is None:
            raise SettingsError("MARQUEE_MONGODB_URL is missing: production does not run on embedded stores.")
        if self.public_url is None:
            raise SettingsError("MARQUEE_PUBLIC_URL is missing: production needs the address that browsers use.")
        secrets = {"MARQUEE_SECRET_KEY": self.secret_key, "MARQUEE_PASSWORD_PEPPER": self.password_pepper}
        if self.secret_key_previous:
            secrets["MARQUEE_SECRET_KEY_PREVIOUS"] = self.secret_key_previous
        for name, secret in secrets.items():
            if not secret:
                raise SettingsError(f"{name} is missing: production needs a secret of its own.")
            if len(secret.encode()) < MINIMUM_SECRET_BYTES:
                raise SettingsError(f"{name} is short: it needs at least {MINIMUM_SECRET_BYTES} bytes.")
            if len(set(secret)) < 8 or any(sample in secret.lower() for sample in SAMPLE_SECRETS):
                raise SettingsError(f"{name} looks like a sample: make a random one.")
        if self.secret_key == self.password_pepper:
            raise SettingsError(
                "MARQUEE_PASSWORD_PEPPER is the same as MARQUEE_SECRET_KEY: only one of them is rotated."
            )


_ELSEWHERE = {"MARQUEE_NO_SKIPS"}  # read by the tests, not by the server
