"""What the chat page says and offers: tools for those who have the rights, and words that leave no doubt."""

import secrets

import pytest

from tests.browser.chat_person import Person
from tests.browser.line import Line
from tests.browser.operator_client import Operator


@pytest.fixture
def line(server):
    """Return a line to the server that a test may cut."""
    made = Line(server.port)
    yield made
    made.close()


@pytest.fixture(scope="module")
def first(server):
    """Return the server's first account, its admin."""
    return Operator(server.url)


@pytest.fixture
def ana(server, browser, first):
    """Return the server's admin at the chat."""
    return Person(browser(profile="ana"), server.url, "ana").enter(first)


@pytest.fixture
def ben(browser, line, first):
    """Return somebody else at the chat, whose line may be cut."""
    return Person(browser(profile="ben"), line.url, f"ben{secrets.token_hex(3)}").register()


def test_an_admin_has_an_owners_tools_in_general_and_others_no_empty_dialog(ana, ben):
    ben.say("off topic")
    ana.sees("off topic")
    ben.until_text("#title", "General")

    assert not ben.page.locator("#settings").is_visible()
    ana.button("Room", within="#room")
    ana.page.get_by_label("Topic").fill("News of the house.")
    ana.button("Save")
    ben.until_text("#topic", "News of the house.")
    ana.until(lambda: ana.member(ana).locator("small").inner_text() == "owner")
    ana.message("off topic").hover()
    assert ana.message("off topic").locator(".tools").get_by_role("button", name="Delete").count() == 1
    assert ana.errors == ben.errors == []
