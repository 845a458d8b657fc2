"""The chat's door: the rules are said beforehand, and every complaint in words."""

import secrets

import pytest

from tests.browser.chat_person import AGAIN
from tests.browser.operator_client import PASSWORD, Operator

COLOR = "(node) => getComputedStyle(node).color"


@pytest.fixture
def door(server, visit):
    """Return the chat's page with the form for a new account."""
    page = visit()
    page.goto(f"{server.url}/chat")
    page.get_by_role("button", name="I have no account yet").click()
    return page


def ask(page, email, username, password=PASSWORD):
    """Fill in the form, register, and return what is said to it, which takes a while."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Username", exact=True).fill(username)
    page.get_by_label("Password").fill(password)
    said = page.locator("#door .problem")
    page.get_by_role("button", name="Register").click()
    for _ in range(300):
        if AGAIN in said.inner_text():  # a store was away, on a machine that is busy
            page.get_by_role("button", name="Register").click()
        elif said.inner_text() and page.get_by_role("button", name="Register").is_enabled():
            return said.inner_text().splitlines()
        page.wait_for_timeout(100)
    raise AssertionError(page.locator("body").inner_text())


def test_the_rules_stand_there_beforehand_and_all_that_is_wrong_is_said(door):
    rules = [door.locator(f"#{name}-rule") for name in ("username", "password")]
    assert [rule.is_visible() for rule in rules] == [True, True]
    assert "3 to 32" in rules[0].inner_text()
    assert "8 characters" in rules[1].inner_text()

    assert not door.get_by_label("Password").evaluate("(field) => field.validity.tooShort")
    door.get_by_label("Password").press_sequentially("short")
    assert door.get_by_label("Password").evaluate("(field) => field.validity.tooShort")

    said = ask(door, f"{'a' * 70}@example.org", "a space in it")

    assert [line.partition(":")[0] for line in said] == ["E-mail", "Username"]
    assert all("must be" in line for line in said)
    door.get_by_role("button", name="I have an account").click()
    assert door.locator("#door .problem").inner_text() == ""
    assert [rule.is_visible() for rule in rules] == [False, False]


def test_which_of_address_and_name_is_taken_is_said(server, door):
    known, new = Operator(server.url).name, secrets.token_hex(5)

    by_address = ask(door, f"{known}@example.org", new)
    door.reload()
    door.get_by_role("button", name="I have no account yet").click()
    by_name = ask(door, f"{new}@example.org", known)

    assert by_address == ["E-mail: there is an account with this address already."]
    assert by_name == ["Username: somebody has this name already."]


def test_what_is_typed_does_not_look_like_what_is_only_proposed(server, visit):
    page = visit()
    page.emulate_media(color_scheme="light")
    for path in ("/chat", "/reset"):
        page.goto(server.url + path)
        field = page.get_by_label("E-mail")
        field.wait_for()
        assert field.evaluate(COLOR) != page.locator("form:visible label").first.evaluate(COLOR)
