"""The process that opens strangers' files: one per job, small in rights, memory and time.

    python -m models.storage.worker probe|thumbnail <source> <folder>

Writes `content` and `thumbnail` into `<folder>` and one JSON line to stdout: what they are, or
`{"wrong": {"kind", "detail"}}`. It gets no secrets in its environment, cannot gain rights, opens no
address, and dies with the server that started it. An end by a signal counts as "could not be read"; an
end with a status of its own is a defect of ours.
"""

import ctypes
import errno
import hashlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from models.storage.sniff import HEAD_BYTES, sniff
from models.storage.wrong import Wrong

MEMORY = 2 << 30  # of address space: 100 megapixels decoded are 400 MB, and again that for what is made of them
CPU_SECONDS = 120
FILE_BYTES = 2 << 30
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def confine(parent: int) -> None:
    """Give up what a decoder does not need. Linux; elsewhere the limits of `resource` alone."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        allowed = resource.getrlimit(what)[1]
        limit = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(what, (limit, limit))
    os.nice(5)  # answering requests comes first
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked to follow it
            sys.exit(1)


def work(mode: str, source: Path, folder: Path) -> dict[str, Any]:
    """Do one job; the result is that of `images.probe_image` with `sha256` and `bytes` of `content`."""
    with source.open("rb") as file:
        kind = sniff(file.read(HEAD_BYTES))
    if kind is None:
        raise Wrong("unsupported", "Only JPEG, PNG, WebP, GIF, MP4 and WebM are taken, whatever the file is called.")
    if kind.type == "image":
        from models.storage import images  # noqa: PLC0415 - FFmpeg is not loaded for an image

        found = (images.probe_image if mode == "probe" else images.thumbnail_image)(source, folder, kind)
    else:
        from models.storage import videos  # noqa: PLC0415

        found = (videos.probe_video if mode == "probe" else videos.thumbnail_video)(source, folder, kind)
    served = folder / "content" if mode == "probe" else source
    with served.open("rb") as file:
        found["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return found | {"bytes": served.stat().st_size}


def main(arguments: list[str]) -> int:
    """Run one job and print its result."""
    mode, source, folder, parent = arguments
    confine(int(parent))
    try:
        result = work(mode, Path(source), Path(folder))
    except Wrong as e:
        result = {"wrong": {"kind": e.kind, "detail": e.detail}}
    except OSError as e:
        kind = "full" if e.errno in {errno.ENOSPC, errno.EDQUOT} else "invalid"
        result = {"wrong": {"kind": kind, "detail": "The file is damaged or cut off."}}
    except ImportError:
        raise  # a defect of the server, not of the file
    except Exception as e:  # noqa: BLE001 - Pillow and FFmpeg raise nearly everything at files made to break them
        print(repr(e), file=sys.stderr)
        result = {"wrong": {"kind": "invalid", "detail": "The file could not be read."}}
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
