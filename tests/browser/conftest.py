"""Chromium, a real server beside it, and colours that can be told apart on a screenshot."""

import io
import secrets
import shutil
import time

import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from tests import samples
from tests.browser.chat_person import Person
from tests.browser.live_server import LiveServer
from tests.browser.operator_client import Operator

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
SIZE = {"width": 1280, "height": 720}
RED, GREEN, BLUE, YELLOW = (208, 32, 32), (24, 150, 60), (30, 60, 200), (230, 200, 20)


@pytest.fixture(scope="module")
def playwright():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: `make test` as root installs it")
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="module")
def chromium(playwright):
    running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield running
    running.close()


@pytest.fixture
def visit(chromium):
    """Return a function that gives a page of somebody new: with one Chromium for all of them, and nothing shared."""
    contexts = []

    def open_page():
        contexts.append(chromium.new_context(viewport=SIZE))
        return contexts[-1].new_page()

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def browser(playwright, tmp_path):
    """Return a function that opens a browser with a profile on disk, as a screen has one."""
    opened = []

    def open_browser(*more, profile="profile"):
        context = playwright.chromium.launch_persistent_context(
            tmp_path / profile,
            executable_path=CHROMIUM,
            args=[*ARGUMENTS, *more],
            viewport=SIZE,
        )
        opened.append(context)
        return context

    yield open_browser
    for context in opened:
        context.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a server that a test may stop, if it starts it again."""
    live = LiveServer(tmp_path_factory.mktemp("server")).start()
    yield live
    live.stop()


@pytest.fixture
def person(server, visit):
    """Return a function that gives somebody new at the chat."""

    def open_chat(name):
        return Person(visit(), server.url, f"{name}{secrets.token_hex(3)}").register()

    return open_chat


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
    samples.video(folder / "blue.mp4", "libx264", seconds=3, width=640, height=360, color=BLUE)
    samples.video(folder / "yellow.webm", "libvpx-vp9", seconds=2, width=640, height=360, color=YELLOW)
    return {path.name: path for path in folder.iterdir()}


class Display:
    """A browser page with the player in it, as somebody in front of the screen sees it."""

    def __init__(self, browser, url):
        self.page = browser.pages[0] if browser.pages else browser.new_page()
        self.url = url
        self.errors = []
        self.page.on("pageerror", self._note)
        self.page.on("console", self._hear)
        self.page.goto(f"{url}/player")

    def _note(self, error):
        self.errors.append(error)

    def _hear(self, message):
        if "Content Security Policy" in message.text:
            self.errors.append(message.text)

    def color(self, x=640, y=60):
        """Return the pixel at (x, y): away from the middle, where words may stand."""
        return Image.open(io.BytesIO(self.page.screenshot())).convert("RGB").getpixel((x, y))

    def shows(self, color, tolerance=24):
        """Whether the picture is of this colour; video codecs are allowed their rounding."""
        return all(abs(a - b) <= tolerance for a, b in zip(self.color(), color, strict=True))

    def until(self, look, seconds=60):
        """Return the first truthy result of `look`; the page lives on meanwhile.

        Not Playwright's own wait_for_function: that needs eval, which the page's policy forbids.
        """
        deadline = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            assert time.monotonic() < deadline, f"not within {seconds} s; {self.state} {self.color()} {self.errors}"
            self.page.wait_for_timeout(100)

    def until_shows(self, color, seconds=60):
        """Wait until the picture is of this colour."""
        self.until(lambda: self.shows(color), seconds)

    def code(self):
        """Return the pairing code, once there is one."""
        code = self.page.locator("#pairing [data-part=code]")
        return self.until(lambda: code.is_visible() and (code.text_content() or "").strip())

    @property
    def state(self):
        """What the page says of itself: phase, link, playing, emergency, orientation."""
        return self.page.evaluate("({...document.documentElement.dataset})")

    @property
    def video_time(self):
        """The position of the video that is playing, in seconds, or None."""
        return self.page.evaluate("[...document.querySelectorAll('.shown video')].at(-1)?.currentTime ?? null")


@pytest.fixture
def lobby(server, browser, operator):
    """Return a function that pairs a display and returns it with its screen, which plays the given items."""

    def pair(*items, **fields):
        display = Display(browser(), server.url)
        playlist = operator.playlist(*items) if items else None
        if playlist:
            fields["playlistId"] = playlist["id"]
        return display, operator.pair(display.code(), **fields), playlist

    return pair


@pytest.fixture(scope="module")
def media(server, files):
    """Return a function that gives an operator's media by file name, uploaded once for each operator."""
    uploaded = {}

    def get(operator, name):
        key = (operator.workspace_id, name)
        if key not in uploaded:
            uploaded[key] = operator.upload(files[name])
        return uploaded[key]

    return get
