"""What the chat page says and offers: tools for those who have the rights, and words that leave no doubt."""

import secrets

import pytest

from tests.browser.chat_person import Person
from tests.browser.line import Line
from tests.browser.operator_client import Operator

SAY = """(select, status) => { select.value = status; select.dispatchEvent(new Event('change')); }"""


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
def ana(server, visit, first):
    """Return the server's admin at the chat."""
    return Person(visit(), server.url, "ana").enter(first)


@pytest.fixture
def ben(visit, line, first):
    """Return somebody else at the chat, whose line may be cut."""
    return Person(visit(), line.url, f"ben{secrets.token_hex(3)}").register()


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
    delete = ana.message("off topic").locator(".tools").get_by_role("button", name="Delete")

    def is_offered():  # the topic may come above it after one has pointed at it
        ana.message("off topic").hover()
        return delete.count() == 1

    ana.until(is_offered)
    assert ana.errors == ben.errors == []


def test_what_is_not_sent_stands_under_ones_own_name_and_one_need_not_wait_for_the_next_attempt(ana, ben, line):
    ana.say("from ana")
    ben.sees("from ana")
    ana.until(lambda: "Read by" in ana.page.locator("#receipt").inner_text())
    line.cut()
    ben.until(lambda: ben.link() == "waiting")

    ben.say("from ben")
    pending = ben.page.locator("#messages .pending")

    assert pending.locator(".author").inner_text() == ben.name
    assert pending.locator(".avatar").is_visible()
    assert "not sent yet" in pending.inner_text()
    assert ben.page.locator("#receipt").inner_text() == ""

    def waits():  # and tries by itself now and then, as long as that takes
        is_offered = ben.page.get_by_role("button", name="Try now").is_visible()
        return is_offered and "Trying again in" in ben.page.locator("#line").inner_text()

    ben.until(waits)
    line.mend()
    ben.come_back()
    ben.sees("from ben")
    assert not ben.page.get_by_role("button", name="Try now").is_visible()
    assert ben.errors == []


def test_a_message_under_anothers_name_tells_its_author_and_hour_and_is_deleted_on_second_thoughts(ana):
    for words in ("upper line", "lower line"):
        ana.say(words)
        ana.sees(words)
    lower = ana.message("lower line")

    assert "follows" in lower.get_attribute("class")
    spoken = lower.aria_snapshot()
    assert ana.name in spoken
    assert lower.locator("time").inner_text() in spoken
    head = lower.locator(".head")

    def opacity(pointed_at):
        pointed_at.hover()
        return head.evaluate("(node) => getComputedStyle(node).opacity")

    ana.until(lambda: opacity(ana.message("upper line")) == "0")
    ana.until(lambda: opacity(lower) == "1")
    ana.tool("lower line", "Edit")
    ana.until_text("#reply", "Edit message")
    ana.button("Never mind")
    ana.tool("lower line", "Delete")
    assert ana.message("lower line").count() == 1
    ana.delete("lower line")  # once the button has forgotten the first press
    ana.until(lambda: ana.message("lower line").count() == 0)
    assert ana.errors == []


def test_an_archived_room_offers_only_what_works_in_it(ana, ben):
    name = f"shelf-{secrets.token_hex(3)}"
    ana.make_room(name)
    ana.until_text("#messages", "Nothing has been written here yet.")
    ben.join(name)
    ana.say("on the shelf")
    ben.sees("on the shelf")
    assert "Nothing has been written" not in ben.page.locator("#messages").inner_text()
    ben.tool("on the shelf", "👍")
    reaction, tools = (ben.message("on the shelf").locator(f".{part} button") for part in ("reactions", "tools"))
    ben.until(lambda: reaction.count() == 1)
    ben.tool("on the shelf", "Reply")
    ben.until_text("#reply", "Reply to")

    ana.button("Room")
    ana.button("Archive it: to be read only")
    ben.until_text("#barred", "archived")

    ben.until(lambda: tools.count() == 0 and reaction.is_disabled())
    assert not ben.page.locator("#reply").is_visible()
    mine = ana.message("on the shelf").locator(".tools button")
    ana.until(lambda: mine.all_text_contents() == ["Delete"])
    ana.until_text("#settings-dialog [data-part=archive]", "Open it again")
    ana.button("Open it again")
    ana.button("Close", "#settings-dialog")
    ben.until(lambda: "Reply" in tools.all_text_contents() and reaction.is_enabled())
    assert not ben.page.locator("#reply").is_visible()
    ben.say("and down again")
    ana.sees("and down again")
    assert ana.message("and down again").locator(".quote").count() == 0
    assert ana.errors == ben.errors == []


def press_down(somebody, button):
    """Press the mouse on a button, and do not let it go yet."""
    box = button.bounding_box()
    somebody.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    somebody.page.mouse.down()


def test_who_presses_a_room_or_a_person_is_understood_though_there_is_news_before_they_let_go(ana, ben):
    name = f"busy-{secrets.token_hex(3)}"
    ana.make_room(name)
    ben.join(name)
    ana.go_to("General")

    press_down(ana, ana.in_list(name).get_by_role("button"))
    ben.say("news")
    ana.until(lambda: ana.in_list(name).locator(".count").count() == 1)
    ana.page.mouse.up()
    ana.until_text("#title", name)

    says = ben.page.get_by_label("I am")
    says.select_option(label="busy")  # and so stands below her
    ana.until(lambda: ana.member(ben).locator("[data-status=busy]").count() == 1)
    press_down(ana, ana.member(ben).get_by_role("button"))
    says.select_option(label="away")
    ana.until(lambda: ana.member(ben).locator("[data-status=away]").count() == 1)
    ana.page.mouse.up()
    ana.until(ana.page.locator("#person-dialog").is_visible)
    assert ana.errors == ben.errors == []


def test_what_is_pressed_or_has_the_focus_keeps_both_when_others_change_places(ana, ben):
    name = f"places-{secrets.token_hex(3)}"
    ana.make_room(name)
    ben.join(name)
    ben.page.get_by_label("I am").select_option(label="busy")
    ana.until(lambda: ana.member(ben).locator("[data-status=busy]").count() == 1)
    bens = ana.member(ben).get_by_role("button")

    order = ana.page.locator("#people-list li")

    press_down(ana, bens)
    ana.page.locator("#presence").evaluate(SAY, "away")
    ana.until(lambda: ana.member(ana).locator("[data-status=away]").count() == 1)
    still_first = order.first.inner_text()
    ana.page.mouse.up()
    ana.until(ana.page.locator("#person-dialog").is_visible)
    ana.button("Close", "#person-dialog")
    ana.until(lambda: ben.name in order.first.inner_text())
    assert ana.name in still_first

    ana.page.locator("#presence").evaluate(SAY, "online")
    ana.until(lambda: ana.name in order.first.inner_text())
    anas = ana.member(ana).get_by_role("button")
    anas.focus()
    ana.page.locator("#presence").evaluate(SAY, "away")
    ana.until(lambda: ben.name in order.first.inner_text())

    assert anas.evaluate("(button) => button === document.activeElement")
    assert ana.errors == ben.errors == []


def test_a_search_that_finds_nothing_says_what_it_looks_for(ana):
    ana.say("upholstery")
    ana.sees("upholstery")

    ana.button("Search")
    ana.page.get_by_label("Words to find").fill("uphol")
    ana.button("Find")

    ana.until_text("#side [data-part=search] [role=status]", "whole words")
    assert ana.errors == []
