"""A browser with the chat page in it, as somebody in front of it uses it."""

from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Locator, Page, TimeoutError

from tests.browser.operator_client import PASSWORD

# What stands in the conversation, in order: the words and the reactions.
SHOWN = """[...document.querySelectorAll('#messages .message')].map((one) => one.classList.contains('deleted')
  ? 'deleted' : [...one.querySelectorAll('.content, .reactions')].map((part) => part.textContent).join('|'))"""
# What of the page a reader of screens could not name.
NAMELESS = """[...document.querySelectorAll('button, input, select, textarea, img, dialog')].filter((one) =>
  !(one.textContent.trim() || one.ariaLabel || one.title || one.labels?.length || one.hasAttribute('alt'))
  ).map((one) => one.outerHTML)"""

# Presses a button and at once again, and returns what it said in between.
TWICE = "(node) => { node.click(); const asked = node.textContent; node.click(); return asked; }"
PATIENT = Path(__file__).with_name("patient.js")

AGAIN = "try again in a moment"
TAKEN = "there is an account with this address already"


class Person:
    """Somebody at `{url}/chat`, by name; `errors` gathers what went wrong in the page."""

    def __init__(self, page: Page, url: str, name: str):
        self.page = page
        self.url = url
        self.name = name
        self.errors: list[str] = []
        self.page.add_init_script(path=PATIENT)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._hear)

    def register(self):
        """Make an account by the form and be in."""
        self.page.goto(f"{self.url}/chat")
        self.page.get_by_role("button", name="I have no account yet").click()
        self.page.get_by_label("Username", exact=True).fill(self.name)
        self.sign_in("Register")
        return self

    def sign_in(self, button="Sign in", page=None):
        """Fill in the form and be in, in this tab or another one."""
        page = page or self.page
        page.get_by_label("E-mail").fill(f"{self.name}@example.org")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name=button).click()
        submit = page.locator("#sign-in button").first  # whatever it says by then

        def entered():
            if AGAIN in page.locator("#door .problem").inner_text():  # a store was away, on a machine that is busy
                page.wait_for_timeout(1000)
                with suppress(TimeoutError):  # it has opened meanwhile
                    submit.click(timeout=1000)
            elif TAKEN in page.locator("#door .problem").inner_text():  # that attempt came too late to be told of
                page.get_by_role("button", name="I have an account").click()
                submit.click()
            return self.link(page) == "open" and self.in_room(page)

        self.until(entered)

    def enter(self, account):
        """Be signed in with the account that an `Operator` made."""
        self.name = account.name
        self.page.goto(f"{self.url}/chat")
        self.sign_in()
        return self

    def _hear(self, message):
        if "Content Security Policy" in message.text:
            self.errors.append(message.text)

    def link(self, page=None):
        """Return what the page says of its connection."""
        return (page or self.page).evaluate("document.documentElement.dataset.link")

    def in_room(self, page=None):
        """Whether a room is open: what one does before that would go nowhere."""
        return (page or self.page).locator("#title").inner_text() != ""

    def until(self, look, seconds=60):
        """Wait until `look` is true; Playwright's own waiting needs eval, which the page's policy forbids."""
        for _ in range(seconds * 10):
            if look():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never: {self.page.locator('body').inner_text()} {self.errors}")

    def until_text(self, selector, words):
        """Wait until `words` stand in the first element of `selector`."""
        self.until(lambda: words in self.page.locator(selector).first.inner_text())

    def hold(self, pattern):
        """Let the first answer to `pattern` be made, and keep it; return a list that holds what lets it go."""
        held = []

        def keep(route):
            answer = route.fetch()
            held.append(lambda: route.fulfill(response=answer))

        self.page.route(pattern, keep, times=1)
        return held

    def say(self, words):
        """Write a message."""
        self.page.get_by_label("Message", exact=True).fill(words)
        self.page.get_by_label("Message", exact=True).press("Enter")

    def message(self, words) -> Locator:
        """Return the messages with these words."""
        return self.page.locator("#messages .message").filter(has_text=words)

    def sees(self, words):
        """Wait until a message with these words stands there, acknowledged."""
        settled = self.page.locator("#messages .message:not(.pending)").filter(has_text=words)
        self.until(lambda: settled.count() == 1)

    def shown(self):
        """Return what stands in the conversation, in order: the words and the reactions."""
        return self.page.evaluate(SHOWN)

    def nameless(self):
        """Return the controls and pictures that have no name for those who cannot see them."""
        return self.page.evaluate(NAMELESS)

    @staticmethod
    def press(button: Locator):
        """Press a button that can be pressed, in one turn of the page.

        Between a mouse's down and up it may be made anew or move, as a list does when news come: a click is lost then.
        """
        button.click(trial=True)
        button.evaluate("(node) => node.click()")

    @staticmethod
    def press_twice(button: Locator):
        """Press a button that has to be pressed again: at once, for it waits four seconds only."""
        button.click(trial=True)
        asked = button.evaluate(TWICE)
        assert asked.endswith(": really?"), asked

    def tool(self, words, name, press=None):
        """Use one of a message's buttons."""
        self.message(words).hover()
        (press or self.press)(self.message(words).locator(".tools").get_by_role("button", name=name, exact=True))

    def button(self, name, within="body", press=None):
        """Press a button by its name."""
        (press or self.press)(self.page.locator(within).get_by_role("button", name=name, exact=True))

    def delete(self, words):
        """Delete a message, on second thoughts."""
        self.tool(words, "Delete", self.press_twice)

    def make_room(self, name):
        """Make a public room and be in it."""
        self.button("Find or make a room")
        self.page.get_by_label("New room").fill(name)
        self.button("Make it")
        self.until_text("#title", name)

    def join(self, name):
        """Find a public room and come into it."""
        self.button("Find or make a room")
        self.page.get_by_label("Find a room").fill(name)
        self.press(self.page.locator("#public-list li").filter(has_text=name).get_by_role("button", name="Join"))
        self.until_text("#title", name)

    def go_to(self, name):
        """Open a room that is in the list of rooms."""
        self.press(self.in_list(name).get_by_role("button"))
        self.until_text("#title", name)

    def look_at(self, person):
        """Open what one can do about somebody in the room."""
        self.press(self.member(person).get_by_role("button"))
        self.until(self.page.locator("#person-dialog").is_visible)

    def come_back(self):
        """Be connected again, and do not wait for the next attempt: after many the pause is up to a minute."""

        def is_back():  # again and again: an attempt under way may have begun too soon, and a pause follows it
            self.page.evaluate("document.querySelector('#line button').click()")
            return self.link() == "open"

        self.until(is_back)

    def in_list(self, name) -> Locator:
        """Return the room's line in the list of rooms."""
        return self.page.locator("#room-list li").filter(has_text=name)

    def member(self, person) -> Locator:
        """Return somebody's line among the people."""
        return self.page.locator("#people-list li").filter(has_text=person.name)
