"""The pages at the door: the first one, and the one for a lost password."""

import re

from tests.browser.chat_person import AGAIN
from tests.browser.operator_client import Operator


def until(page, look):
    """Wait until `look` is true."""
    for _ in range(300):
        if look():
            return
        page.wait_for_timeout(100)
    raise AssertionError(page.locator("body").inner_text())


def test_the_first_page_leads_to_how_a_screen_is_added(server, visit):
    page = visit()
    page.goto(server.url)
    link = page.get_by_role("link", name="POST /api/screens/pair")
    target = re.fullmatch(r"/docs(#\w+)", link.get_attribute("href"))[1]

    link.click()

    until(page, lambda: page.url.endswith(f"/docs{target}"))
    assert "/api/screens/pair" in page.locator(target).inner_text()
    until(page, lambda: "Needs screens:write in the workspace." in page.locator(target).inner_text())  # it is open


def test_a_link_within_the_docs_opens_what_it_names_and_no_name_is_cut(server, visit):
    page = visit()
    page.set_viewport_size({"width": 760, "height": 900})
    failed = []
    page.on("response", lambda answer: answer.status >= 400 and failed.append(answer.url))
    page.goto(f"{server.url}/docs#postRegister")
    until(page, lambda: page.locator("#postRegister").get_attribute("open") is not None)

    assert "Anybody may call it" in page.locator("#postRegister").inner_text()
    name = page.locator("#postRegister td code").filter(has_text="password").first
    assert name.evaluate("(node) => node.getClientRects().length") == 1
    page.evaluate("location.hash = '#shape-Screen'")
    until(page, lambda: page.locator("#shape-Screen").get_attribute("open") is not None)
    assert failed == []
    page.get_by_role("link", name="Marquee", exact=True).click()
    until(page, lambda: page.url == f"{server.url}/")


def test_the_page_for_a_lost_password_leads_on(server, visit):
    page = visit()
    page.goto(f"{server.url}/reset")

    page.get_by_role("link", name="Sign in").click()

    until(page, lambda: page.url == f"{server.url}/chat")
    page.go_back()
    page.get_by_role("link", name="To the first page").click()
    until(page, lambda: page.url == f"{server.url}/")


def test_who_lost_their_password_is_told_that_there_may_be_no_mail_whoever_they_are(server, visit):
    known = f"{Operator(server.url).name}@example.org"
    page = visit()
    said = []
    for address in (known, "nobody@example.org"):
        page.goto(f"{server.url}/reset")
        page.get_by_label("E-mail").fill(address)
        page.get_by_role("button", name="Send the link").click()

        def answered(page=page):
            words = page.locator("#said").inner_text()
            if AGAIN in words:  # a store was away, on a machine that is busy
                page.get_by_role("button", name="Send the link").click()
            return words and AGAIN not in words

        until(page, answered)
        said.append(page.locator("#said").inner_text())

    assert "ask whoever runs this server" in said[0]
    assert said[0] == said[1]
