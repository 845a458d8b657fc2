"""Two people chat in two browsers on two server processes, and one of them comes back right."""

import secrets

import pytest
from PIL import Image

from deploy.embedded import running_stores
from tests.browser.line import Line
from tests.browser.live_server import LiveServer
from tests.browser.operator_client import PASSWORD

MARKUP = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>"


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Return two server processes on one set of stores, with the same secrets."""
    keys = {"MARQUEE_SECRET_KEY": secrets.token_hex(32), "MARQUEE_PASSWORD_PEPPER": secrets.token_hex(32)}
    folder = tmp_path_factory.mktemp("first")
    first = LiveServer(folder, **keys).start()
    second = None
    try:
        stores = running_stores(folder / "data")
        urls = {"MARQUEE_MONGODB_URL": stores.mongodb, "MARQUEE_REDIS_URL": stores.redis}
        shared = {"MARQUEE_DATA_DIR": str(folder / "data")}
        second = LiveServer(tmp_path_factory.mktemp("second"), **keys, **urls, **shared)
        second.start()
        yield first, second
    finally:
        if second is not None:
            second.stop()
        first.stop()


class Person:
    """A browser with the chat page in it, as somebody in front of it uses it."""

    def __init__(self, context, url, name):
        self.page = context.pages[0]
        self.name = name
        self.errors = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._hear)
        self.page.goto(f"{url}/chat")
        self.page.get_by_role("button", name="I have no account yet").click()
        self.page.get_by_label("E-mail").fill(f"{name}@example.org")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Register").click()
        self.until(lambda: self.link() == "open")

    def _hear(self, message):
        if "Content Security Policy" in message.text:
            self.errors.append(message.text)

    def link(self):
        return self.page.evaluate("document.documentElement.dataset.link")

    def until(self, look, seconds=30):
        """Wait until `look` is true; Playwright's own waiting needs eval, which the page's policy forbids."""
        for _ in range(seconds * 10):
            if look():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never: {self.page.locator('body').inner_text()} {self.errors}")

    def say(self, words):
        self.page.get_by_label("Message").fill(words)
        self.page.get_by_label("Message").press("Enter")

    def message(self, words):
        return self.page.locator("#messages .message").filter(has_text=words)

    def sees(self, words):
        settled = self.page.locator("#messages .message:not(.pending)").filter(has_text=words)
        self.until(lambda: settled.count() == 1)

    def shown(self):
        """What stands in the conversation, in order: the words and the reactions."""
        script = """[...document.querySelectorAll('#messages .message')].map((one) => one.classList.contains('deleted')
          ? 'deleted' : [...one.querySelectorAll('.content, .reactions')].map((part) => part.textContent).join('|'))"""
        return self.page.evaluate(script)

    def tool(self, words, name):
        self.message(words).hover()
        self.message(words).locator(".tools").get_by_role("button", name=name, exact=True).click()


@pytest.fixture
def line(servers):
    """Return ben's line to the second process."""
    made = Line(servers[1].port)
    yield made
    made.close()


@pytest.fixture
def two(servers, line, browser):
    """Return two people, each on a process of their own."""
    mark = secrets.token_hex(3)
    return [
        Person(browser(profile="ana"), servers[0].url, f"ana{mark}"),
        Person(browser(profile="ben"), line.url, f"ben{mark}"),
    ]


def test_who_was_away_comes_back_to_exactly_what_they_missed(two, line):
    ana, ben = two
    for words in ("stays", "to be edited", "to be deleted", "to be liked"):
        ana.say(words)
        ben.sees(words)

    line.cut()
    ben.until(lambda: ben.link() != "open", seconds=10)
    ana.tool("to be edited", "Edit")
    ana.say("was edited")
    ana.sees("was edited")
    ana.tool("to be deleted", "Delete")
    ana.until(lambda: "deleted" in ana.shown())
    ana.tool("to be liked", "👍")
    ana.until(lambda: "to be liked|👍 1" in ana.shown())
    for words in ("missed one", "missed two"):
        ana.say(words)
        ana.sees(words)
    ben.say("written while away")

    assert not any(ben.message(words).count() for words in ("was edited", "missed one", "missed two"))
    assert ben.message("written while away").get_attribute("class") == "message pending"
    line.mend()

    ben.sees("missed two")
    ben.sees("written while away")
    ana.sees("written while away")
    expected = ["stays|", "was edited|", "deleted", "to be liked|👍 1", "missed one|", "missed two|"]
    ben.until(lambda: sorted(ben.shown()) == sorted([*expected, "written while away|"]))
    ana.until(lambda: ana.shown() == ben.shown())
    assert [one for one in ben.shown() if "away" not in one] == expected
    assert ana.errors == ben.errors == []


def test_markup_is_shown_as_text_and_typing_is_seen(two):
    ana, ben = two

    def ben_sees_ana_typing():  # again and again: a hint that comes before he hears the room is not repeated
        ana.page.get_by_label("Message").press_sequentially("o")
        return "writing" in ben.page.locator("#typing").inner_text()

    ben.until(ben_sees_ana_typing)
    ana.say(MARKUP)

    ben.sees("onerror")

    assert ben.message("onerror").locator(".content").text_content() == MARKUP
    assert ben.message("onerror").locator("b, img").count() == 0
    assert "taken" not in ben.page.title()
    ben.until(lambda: ben.page.locator("#people-list .dot[data-status=online]").count() >= 2)
    assert ana.errors == ben.errors == []


def test_history_comes_as_one_scrolls_up_and_a_picture_is_shown(two, tmp_path):
    ana, ben = two
    for number in range(70):
        ana.say(f"line {number:02d}.")
    ana.sees("line 69.")
    ben.page.reload()
    ben.sees("line 69.")
    assert ben.message("line 05.").count() == 0

    ben.page.locator("#messages").evaluate("(list) => { list.scrollTop = 0; }")
    ben.sees("line 05.")

    picture = tmp_path / "green.png"
    Image.new("RGB", (320, 200), (24, 150, 60)).save(picture)
    ana.page.get_by_label("Attach a file").last.set_input_files(picture)
    ana.until(lambda: "green.png" in ana.page.locator("#attached").inner_text())
    ana.say("a picture")
    ben.sees("a picture")
    ben.message("a picture").scroll_into_view_if_needed()
    ben.until(lambda: ben.message("a picture").locator("img").evaluate("(image) => image.naturalWidth") > 0)
    assert ana.errors == ben.errors == []


def test_another_room_shows_what_is_unread_there_until_one_looks(two):
    ana, ben = two
    name = f"tea-{secrets.token_hex(3)}"
    ana.page.get_by_role("button", name="Find or make a room").click()
    ana.page.get_by_label("New room").fill(name)
    ana.page.get_by_role("button", name="Make it").click()
    ana.until(lambda: ana.page.locator("#title").inner_text() == name)
    ben.page.get_by_role("button", name="Find or make a room").click()
    ben.page.locator("#public-list li").filter(has_text=name).get_by_role("button", name="Join").click()
    ben.until(lambda: ben.page.locator("#title").inner_text() == name)
    ben.page.locator("#room-list li").filter(has_text="General").get_by_role("button").click()

    ana.say("one")
    ana.say(f"@{ben.name} two")

    badge = ben.page.locator("#room-list li").filter(has_text=name).locator(".count")
    ben.until(lambda: badge.count() == 1 and badge.inner_text() == "@1")
    ben.page.locator("#room-list li").filter(has_text=name).get_by_role("button").click()
    ben.sees("two")
    ben.until(lambda: badge.count() == 0)
    assert ana.errors == ben.errors == []
