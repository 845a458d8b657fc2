"""Chromium, a real server beside it, and colours that can be told apart on a screenshot."""

import io
import shutil
import time

import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from tests import samples
from tests.browser.live_server import LiveServer
from tests.browser.operator_client import Operator

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
STATE = "JSON.stringify({...document.documentElement.dataset})"
RED, GREEN, BLUE, YELLOW = (208, 32, 32), (24, 150, 60), (30, 60, 200), (230, 200, 20)


@pytest.fixture(scope="module")
def playwright():
    with sync_playwright() as driver:
        yield driver


@pytest.fixture
def display(playwright, tmp_path):
    """Return a function that opens a browser with a profile on disk, as a screen has one."""
    opened = []

    def open_browser(*more, profile="profile"):
        browser = playwright.chromium.launch_persistent_context(
            tmp_path / profile,
            executable_path=CHROMIUM,
            args=[*ARGUMENTS, *more],
            viewport={"width": 1280, "height": 720},
        )
        opened.append(browser)
        return browser

    yield open_browser
    for browser in opened:
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a server that a test may stop, if it starts it again."""
    live = LiveServer(tmp_path_factory.mktemp("server")).start()
    yield live
    live.stop()


@pytest.fixture
def operator(server):
    return Operator(server.url)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Return media of one colour each: {name: path}."""
    folder = tmp_path_factory.mktemp("media")
    made = {"red.png": RED, "green.png": GREEN}
    for name, color in made.items():
        Image.new("RGB", (1280, 720), color).save(folder / name)
    samples.video(folder / "blue.mp4", "libx264", seconds=4, width=640, height=360, color=BLUE)
    samples.video(folder / "yellow.webm", "libvpx-vp9", seconds=3, width=640, height=360, color=YELLOW)
    return {path.name: path for path in folder.iterdir()}


def color_at(page, x=640, y=60):
    """Return the pixel that the page shows at (x, y): away from the middle, where words may stand."""
    picture = Image.open(io.BytesIO(page.screenshot()))
    return picture.convert("RGB").getpixel((x, y))


def shows(page, color, tolerance=24):
    """Whether the page's picture is of this colour; video codecs and fades are allowed their rounding."""
    seen = color_at(page)
    return all(abs(a - b) <= tolerance for a, b in zip(seen, color, strict=True))


def until(page, look, seconds=30):
    """Return the first truthy result of `look`; the page lives on meanwhile. (`wait_for_function` needs eval: CSP.)"""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {page.evaluate(STATE)}"
        page.wait_for_timeout(100)


def code_on(page):
    """Return the pairing code that the page shows, once it does."""
    code = page.locator("#pairing [data-part=code]")
    return until(page, lambda: code.is_visible() and (code.text_content() or "").strip())
