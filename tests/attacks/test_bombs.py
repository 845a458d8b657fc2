"""What is small on its way and large when it is opened: whoever opens it takes bounded memory, and the server none.

What is answered, and that nothing is left of it, is in tests/attacks/input/test_uploads.py.
"""

import gzip
import os
import re
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from models.storage import worker
from models.storage.probe import ROOT
from tests import samples
from tests.attacks.input.test_uploads import BOMBS
from tests.clients import Api
from tests.realtime.conftest import _hang_up
from tests.realtime.wire import Wire, masked
from tests.uploads import form, upload

__all__ = ["_hang_up"]  # a fixture
MB = 1 << 20
DEFUSED = 64 * MB  # for a bomb: it takes 27 at most, and so does a picture of ordinary size
GROWTH = 48 * MB  # of a server process that has served the same requests before, with good pictures
DOORS = ("/api/media", "/api/files/upload")

# What the worker is started as, and then says how much memory it had at most. (`ru_maxrss` is also the parent's.)
MEASURED = (
    "import sys; from models.storage import worker; worker.main(sys.argv[1:]); print(open('/proc/self/status').read())"
)


def highest(status):
    """Return the most bytes that a process had in memory, of what /proc/<pid>/status says."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10


@pytest.fixture
def opened(tmp_path):
    """Let a worker open something; return the most memory that it had, and what it said."""

    def run(content):
        source, folder = tmp_path / "source", tmp_path / "folder"
        source.write_bytes(content)
        folder.mkdir()
        command = [sys.executable, "-c", MEASURED, "probe", str(source), str(folder), str(os.getpid())]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return highest(done.stdout), done.stdout.partition("\n")[0]

    return run


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_worker_finds_a_bomb_out_before_it_has_burst(opened, bomb):
    taken, _ = opened(BOMBS[bomb]())

    assert taken < DEFUSED


def test_the_largest_picture_that_is_taken_fits_into_what_a_worker_may_take(opened):
    taken, said = opened(samples.image_bytes("PNG", width=11_000, height=9_000, mode="RGBA"))

    assert '"width": 3840' in said
    assert taken < worker.MEMORY


@pytest.mark.gen_test(timeout=110)  # a worker for each bomb and door
async def test_a_server_takes_no_memory_for_what_is_packed_into_what_it_is_sent(bombed):
    api, owner, process = bombed
    status = Path(f"/proc/{process.pid}/status")
    for path in DOORS:
        await upload(api, samples.noise(900, 80), owner, "good.png", path=path)
    before = highest(status.read_text())

    answers = set()
    for made in BOMBS.values():
        content = made()
        answers |= {(await upload(api, content, owner, "photo.png", path=path)).status for path in DOORS}
    body, content_type = form(bytes(100 * MB))
    headers, pressed = {"Content-Type": content_type, "Content-Encoding": "gzip"}, gzip.compress(body)
    for path in (*DOORS, "/api/workspaces"):
        answers.add((await api.post(path, raw=pressed, as_=owner, headers=headers)).status)
    for path in ("/ws/chat", "/ws/dashboard"):
        answers.add(await squeezed(api.port, path, owner.token))

    assert answers <= {200, 201, 413, 415, 422, "ended"}
    assert highest(status.read_text()) - before < GROWTH
    assert (await api.get("/healthz")).status == 200


async def squeezed(port, path, token):
    """Send a compressed frame of 60 KB that is 60 MB, though the handshake agreed on no compression."""
    asked = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    wire = await Wire.open(port, path, token, headers=[asked])
    assert wire.status == 101
    assert "sec-websocket-extensions" not in wire.head.lower()
    await wire.read()
    press = zlib.compressobj(wbits=-15)
    frame = bytearray(masked(press.compress(bytes(60_000_000)) + press.flush(zlib.Z_SYNC_FLUSH)))
    assert len(frame) < 65_536
    frame[0] |= 0x40  # "this one is compressed"
    wire.writer.write(frame)
    with suppress(ConnectionError):
        await wire.reader.read()  # to the end
    return "ended"


@pytest.fixture
def bombed(sites, io_loop):
    """A server process of its own: how to ask it, somebody who may, and the process."""
    (process,) = sites(count=1).processes

    async def come():
        api = Api(process.port)
        return api, await api.person("owner"), process

    api, *rest = io_loop.run_sync(come)
    yield api, *rest
    io_loop.run_sync(api.close)
