"""What a storage key looks like: `<sha256>.<ext>`, or `thumbs/<sha256>.<ext>` for the picture of it."""

import re

PATTERN = r"(?:thumbs/)?[0-9a-f]{64}\.[a-z0-9]{1,5}"
_KEY = re.compile(PATTERN, re.ASCII)


def is_key(text: str) -> bool:
    """Tell whether `text` is a key: no other text ever becomes a path or a name at the storage."""
    return _KEY.fullmatch(text) is not None


def split(key: str) -> tuple[str, str, str]:
    """Return a key's folder (`thumbs/` or nothing), hash and extension. Raises ValueError for what is no key."""
    if not is_key(key):
        raise ValueError(f"{key!r:.100} is no storage key")
    name, _, ext = key.rpartition(".")
    return name[:-64], name[-64:], ext
