"""The pages at the door: the first one, and the one for a lost password."""

import re

from tests.browser.operator_client import Operator


def until(page, look):
    """Wait until `look` is true."""
    for _ in range(300):
        if look():
            return
        page.wait_for_timeout(100)
    raise AssertionError(page.locator("body").inner_text())


def test_the_first_page_leads_to_how_a_screen_is_added(server, browser):
    page = browser().pages[0]
    page.goto(server.url)
    link = page.get_by_role("link", name="POST /api/screens/pair")
    target = re.fullmatch(r"/docs(#\w+)", link.get_attribute("href"))[1]

    link.click()

    until(page, lambda: page.url.endswith(f"/docs{target}"))
    assert "/api/screens/pair" in page.locator(target).inner_text()


def test_who_lost_their_password_is_told_that_there_may_be_no_mail_whoever_they_are(server, browser):
    known = f"{Operator(server.url).name}@example.org"
    page = browser().pages[0]
    said = []
    for address in (known, "nobody@example.org"):
        page.goto(f"{server.url}/reset")
        page.get_by_label("E-mail").fill(address)
        page.get_by_role("button", name="Send the link").click()
        until(page, lambda: page.locator("#said").inner_text())
        said.append(page.locator("#said").inner_text())

    assert "ask whoever runs this server" in said[0]
    assert said[0] == said[1]
