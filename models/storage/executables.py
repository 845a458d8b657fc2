"""What counts as a program: files that run when somebody opens them. People send each other everything but those.

The content decides: ELF, Windows (MZ), Mach-O and Java classes, Android's DEX, scripts that begin with `#!`,
Windows shortcuts, and ZIP files that are a JAR or an APK. Only what is plain text or another document to look
at is told by its name: batch files, installers and the like. A renamed program is refused, and so is a
harmless text under a batch file's name. This keeps accidents away; it is no virus scanner: a program in an
archive passes.
"""

import mmap
from pathlib import Path

_MAGIC = (
    b"\x7fELF",
    *(b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"),  # Mach-O
    *(b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"),  # Mach-O for several processors, and Java classes
    b"dex\n",
    *(b"#!", b"\xef\xbb\xbf#!"),  # with a byte order mark too: shells run it all the same
    b"\x4c\0\0\0\x01\x14\x02\0",  # a Windows shortcut
)
_NAMES = (
    *("bat", "cmd", "com", "exe", "pif", "scr", "cpl", "lnk"),
    *("msi", "msp", "hta", "jse", "ps1", "vbe", "vbs", "wsf", "wsh"),
)
# Names in a ZIP are never compressed, so they are found without unpacking or even reading its directory.
_INSIDE = (b"META-INF/MANIFEST.MF", b"AndroidManifest.xml")


def starts_program(head: bytes) -> bool:
    """Tell whether a file that starts with `head` is a program. A text that starts with "MZ" has no NUL in it."""
    return head.startswith(_MAGIC) or (head.startswith(b"MZ") and b"\0" in head)


def is_program_name(name: str) -> bool:
    """Tell whether a file would be run because of its name alone; Windows drops dots and spaces at the end."""
    return name.rstrip(". ").lower().endswith(tuple(f".{ext}" for ext in _NAMES))


def is_packed_program(path: Path, head: bytes) -> bool:
    """Tell whether the file at `path` is a JAR or an APK. Reads all of a ZIP: runs in a thread."""
    if not head.startswith(b"PK"):
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(name) >= 0 for name in _INSIDE)
