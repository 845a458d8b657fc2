"""Sizes in the words of people: 25 MB, not 25000000 bytes."""

_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))  # powers of ten, as the settings are told in


def in_words(size: int) -> str:
    """Return a size in bytes as a limit is told: with one decimal at most, and never as more than it is."""
    for unit, name in _UNITS:
        if size >= unit:
            whole, tenth = divmod(size * 10 // unit, 10)
            return f"{whole:,}.{tenth} {name}" if tenth else f"{whole:,} {name}"
    return f"{size} bytes"
