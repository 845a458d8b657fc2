"""Two people chat in two browsers on two server processes, and one of them comes back right."""

import secrets

import pytest
from PIL import Image

from deploy.embedded import running_stores
from tests.browser.chat_person import Person
from tests.browser.line import Line
from tests.browser.live_server import LiveServer
from tests.browser.operator_client import Operator

PATIENT = ("-m", "tests.browser.patient_server")
MARKUP = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>"


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Return two server processes on one set of stores, with the same secrets."""
    keys = {"MARQUEE_SECRET_KEY": secrets.token_hex(32), "MARQUEE_PASSWORD_PEPPER": secrets.token_hex(32)}
    folder = tmp_path_factory.mktemp("first")
    first = LiveServer(folder, program=PATIENT, **keys).start()
    second = None
    try:
        stores = running_stores(folder / "data")
        urls = {"MARQUEE_MONGODB_URL": stores.mongodb, "MARQUEE_REDIS_URL": stores.redis}
        shared = {"MARQUEE_DATA_DIR": str(folder / "data")}
        second = LiveServer(tmp_path_factory.mktemp("second"), program=PATIENT, **keys, **urls, **shared)
        second.start()
        yield first, second
    finally:
        if second is not None:
            second.stop()
        first.stop()


@pytest.fixture
def line(servers):
    """Return ben's line to the second process."""
    made = Line(servers[1].port)
    yield made
    made.close()


@pytest.fixture
def two(servers, line, visit):
    """Return two people, each on a process of their own."""
    mark = secrets.token_hex(3)
    return [
        Person(visit(), servers[0].url, f"ana{mark}").register(),
        Person(visit(), line.url, f"ben{mark}").register(),
    ]


def test_who_was_away_comes_back_to_exactly_what_they_missed(two, line):
    ana, ben = two
    for words in ("stays", "to be edited", "to be deleted", "to be liked"):
        ana.say(words)
        ben.sees(words)

    line.cut()
    ben.until(lambda: ben.link() != "open")
    ana.tool("to be edited", "Edit")
    ana.say("was edited")
    ana.sees("was edited")
    ana.delete("to be deleted")
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
    ben.come_back()

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
        ana.page.get_by_label("Message", exact=True).press_sequentially("o")
        return "is writing" in ben.page.locator("#typing").inner_text()

    ben.until(ben_sees_ana_typing)
    ana.say(MARKUP)

    ben.sees("onerror")

    assert ben.message("onerror").locator(".content").text_content() == MARKUP
    assert ben.message("onerror").locator("b, img").count() == 0
    assert "taken" not in ben.page.title()
    ben.until(lambda: ben.page.locator("#people-list .dot[data-status=online]").count() >= 2)
    assert ana.errors == ben.errors == []


def test_history_comes_as_one_scrolls_up_and_a_picture_is_shown(two, servers, tmp_path):
    ana, ben = two
    writers = [Operator(servers[0].url) for _ in range(3)]  # one may write thirty messages in ten seconds
    for number in range(70):
        line = {"room": "general", "content": f"line {number:02d}."}
        writers[number % 3].call("POST", "/api/messages", line)
    ana.sees("line 69.")
    ben.page.reload()
    ben.sees("line 69.")
    assert ben.message("line 05.").count() == 0

    def is_above():  # again where something came before the page had noticed that one scrolls, and held the end
        ben.page.locator("#messages").evaluate("(list) => { list.scrollTop = 0; }")
        return ben.message("line 05.").count() == 1

    ben.until(is_above)

    picture = tmp_path / "green.png"
    Image.new("RGB", (320, 200), (24, 150, 60)).save(picture)
    ana.page.get_by_label("Attach a file").last.set_input_files(picture)
    ana.say("a picture")
    ben.sees("a picture")
    ben.message("a picture").scroll_into_view_if_needed()
    ben.until(lambda: ben.message("a picture").locator("img").evaluate("(image) => image.naturalWidth") > 0)
    assert ana.errors == ben.errors == []


def test_another_room_shows_what_is_unread_there_until_one_looks(two):
    ana, ben = two
    name = f"tea-{secrets.token_hex(3)}"
    ana.make_room(name)
    ben.join(name)
    ben.go_to("General")

    ana.say("one")
    ana.say(f"@{ben.name} two")

    badge = ben.in_list(name).locator(".count")
    ben.until(lambda: badge.count() == 1 and badge.inner_text() == "@1")
    ben.go_to(name)
    ben.sees("two")
    ben.until(lambda: badge.count() == 0)
    ana.until_text("#receipt", f"Read by {ben.name}")
    assert ana.errors == ben.errors == []
