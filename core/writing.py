"""What people write: which text shows nothing, what is one emoji, and what may name a room.

Text is stored as it was sent. These questions only decide whether it is taken.
"""

import re
import unicodedata

MOST_EMOJI = 16  # code points of one emoji; the longest in use, two people kissing, have ten

# Room names are written into addresses and behind a #; an id's own form is left to ids.
SLUG = r"(?![0-9a-f]{24}$)[a-z0-9](?:[a-z0-9_-]{0,48}[a-z0-9])?"
SLUG_WORDS = (
    "must be 1 to 50 small letters (a to z), digits, hyphens and underscores, beginning and ending with a letter or "
    "digit, and not look like an id"
)

# Characters that show nothing though Unicode counts them as letters, marks or symbols.
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159")
_SELECTORS = re.compile("[\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Cs", "Zl", "Zp", "Zs"})

# Unicode's emoji, with room for those of later years where whole blocks are set aside for pictures.
_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u2199\u21a9\u21aa\u231a\u231b\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa"
    "\u24c2\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2600-\u27bf\u2934\u2935\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u3030"
    "\u303d\u3297\u3299\U0001f000-\U0001f1e5\U0001f200-\U0001faff]"
)
_SKIN = "[\U0001f3fb-\U0001f3ff]"
_TAGS = "[\U000e0020-\U000e007e]+\U000e007f"  # the flags of regions, such as Scotland's
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_KEYCAP = "[0-9#*]\ufe0f?\u20e3"
_ONE = f"(?:{_FLAG}|{_KEYCAP}|{_PICTURE}(?:\ufe0f?\u20e3|{_SKIN}\ufe0f?|{_TAGS}|[\ufe0e\ufe0f])?)"
_EMOJI = re.compile(f"{_ONE}(?:\u200d{_ONE})*")


def shows_nothing(text: str) -> bool:
    """Tell whether `text` has no character that a reader would see: white space, joiners, marks of direction."""
    return all(_is_invisible(c) for c in text)


def _is_invisible(character: str) -> bool:
    return (
        character in _FILLERS
        or unicodedata.category(character) in _INVISIBLE
        or _SELECTORS.fullmatch(character) is not None
    )


def is_emoji(text: str) -> bool:
    """Tell whether `text` is exactly one emoji: a picture, a flag or a keycap, with skin tones and joined ones."""
    return len(text) <= MOST_EMOJI and _EMOJI.fullmatch(text) is not None
