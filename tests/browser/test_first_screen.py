"""docs/first-screen.md, walked as it stands: its commands in one bash, Chromium as the screen."""

import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from bench.ports import free_port
from tests.browser.conftest import Display

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/first-screen.md"
MORNING, BAR, CRITICAL = (24, 60, 120), (20, 130, 60), (179, 18, 29)
DONE = "== done:"


class Shell:
    """One bash that runs the page's blocks, each when it is told to, and stops at the first that fails."""

    def __init__(self, blocks, environment, log):
        # Before each block the script waits for a line, so that a test can look at the screen in the meantime.
        steps = "".join(f"read -r _ || exit 9\n{block}\necho '{DONE}'\n" for block in blocks)
        self.log = log
        self._output = log.open("w")
        self._process = subprocess.Popen(
            ["bash", "-c", "set -eo pipefail\n" + steps],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._output,
            text=True,
            start_new_session=True,
        )
        self._ran = 0

    def run(self, *lines, display=None, seconds=120):
        """Let the next block run, reading `lines`, and return what it said. The display lives on meanwhile."""
        before = len(self.log.read_text())
        self._process.stdin.write("".join(f"{line}\n" for line in ("", *lines)))
        self._process.stdin.flush()
        self._ran += 1
        deadline = time.monotonic() + seconds
        while (said := self.log.read_text()).count(DONE) < self._ran:
            assert self._process.poll() is None, said
            assert time.monotonic() < deadline, said
            display.page.wait_for_timeout(100) if display else time.sleep(0.1)
        return said[before:]

    def end(self):
        """End bash and all that it started."""
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(timeout=30)
        self._output.close()


@pytest.fixture
def walk(tmp_path):
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    # Before the code is typed rightly: a wrong one, and what comes next all the same. Neither ends the walk.
    pair, watch = blocks[4:6]
    blocks.insert(4, f"( set +e\nunset SCREEN\n{pair}\nSCREEN=nobody\n{watch} ) || true")
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MARQUEE_")}
    settings = {"MARQUEE_PORT": str(port), "MARQUEE_DATA_DIR": str(tmp_path / "data")}
    shell = Shell(blocks, kept | settings, tmp_path / "walk.log")
    shell.url = f"http://127.0.0.1:{port}"
    yield shell
    shell.end()


def stays(display, color, seconds):
    """Whether the screen shows nothing but `color` for this long."""
    until = time.monotonic() + seconds
    while display.shows(color):
        if time.monotonic() > until:
            return True
    return False


@pytest.mark.timeout(480)
def test_the_walk_to_the_first_screen_works_as_it_stands(walk, browser):
    start, register, upload, make_playlist = range(4)
    for step in (start, register, upload, make_playlist):
        said = walk.run()
        assert step != upload or '"status":"ready"' in said.replace(" ", "")
    display = Display(browser(), walk.url)

    said = walk.run("ZZZZZZ", display=display)
    assert "No display shows this code, or it has expired." in said
    assert "Traceback" not in said

    walk.run(display.code().lower(), display=display)
    display.until_shows(MORNING)
    display.until_shows(BAR)
    assert '"inSync":true' in walk.run(display=display).replace(" ", "")

    walk.run(display=display)  # the change: only the video from now on
    display.until(lambda: stays(display, BAR, seconds=6))

    walk.run(display=display)  # the emergency
    display.until_shows(CRITICAL)
    walk.run(display=display)  # its end
    display.until_shows(BAR)

    said = walk.run(display=display)  # the screenshot
    assert '"state":"done"' in said.replace(" ", "")
    address = re.findall(r"^http://\S+$", said, re.MULTILINE)[-1]
    with urllib.request.urlopen(address, timeout=30) as picture:
        assert picture.headers["Content-Type"].startswith("image/")

    display.until(lambda: display.page.evaluate("navigator.serviceWorker.controller !== null"))
    walk.run(display=display)  # the outage
    display.until_shows(BAR)
    display.page.reload()
    display.until_shows(BAR)

    said = walk.run(display=display)  # the return
    assert '"status":"online"' in said.replace(" ", "")
    cut, seen = re.findall(r"^cut off at (\S+Z), seen at (\S+Z)$", said, re.MULTILINE)[0]
    assert seen >= cut
    walk.run(display=display)
    assert display.errors == []
