"""What a team does in the chat beside talking: it runs its rooms, finds what was said, and stays signed in."""

import secrets
import time

import pytest
from PIL import Image

from tests.browser.chat_person import Person
from tests.browser.live_server import LiveServer
from tests.browser.operator_client import Operator

TWO_HOURS_LATER = "() => { const now = Date.now; Date.now = () => now() + 7_200_000; }"
END_ALL = """(token) => fetch("/api/auth/logout-all", {
  method: "POST", headers: { Authorization: `Bearer ${token}` } }).then((answer) => answer.status)"""
MANY = 180  # messages: four pages of history


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Return a server on which one person may write many messages at once."""
    live = LiveServer(tmp_path_factory.mktemp("server"), MARQUEE_RATE_MESSAGES="1000/10s").start()
    yield live
    live.stop()


def write(operator, room, *lines):
    """Write messages by REST."""
    for words in lines:
        operator.call("POST", "/api/messages", {"room": room, "content": words})


def choose(person, label, option):
    """Choose from a select."""
    person.page.get_by_label(label).select_option(label=option)


def test_an_owner_runs_a_room_and_who_is_muted_sees_for_how_long(person):
    ana, ben = person("ana"), person("ben")
    name = f"shop-{secrets.token_hex(3)}"
    ana.make_room(name)
    ben.join(name)

    ana.button("Room")
    ana.page.get_by_label("Title").fill(f"The {name}")
    ana.page.get_by_label("Topic").fill("Windows and doors")
    ana.button("Save")
    ben.until_text("#title", f"The {name}")
    ben.until_text("#topic", "Windows and doors")

    choose(ben, "I am", "busy")
    ana.until(lambda: ana.member(ben).locator("[data-status=busy]").count() == 1)
    assert ana.member(ana).locator("[data-status=online]").count() == 1
    ana.look_at(ben)
    choose(ana, "Role", "moderator")
    ben.until(lambda: "moderator" in ben.member(ben).inner_text())
    choose(ana, "Mute", "for 10 minutes")
    ben.until_text("#barred", "muted you here. You can write again in 10 min")
    assert not ben.page.get_by_label("Message", exact=True).is_visible()
    choose(ana, "Mute", "may write")
    ana.button("Close", "#person-dialog")
    message = ben.page.get_by_label("Message", exact=True)
    ben.until(message.is_visible)
    message.press_sequentially(f"you are kind, @{ana.name[:6]}")
    ben.until_text("#names", ana.name)
    message.press("Enter")
    message.press("Enter")
    ana.sees(f"you are kind, @{ana.name}")
    assert ana.page.locator("#messages .mentioned").count() == 1

    ana.button("Room")
    ana.button("Archive it: to be read only")
    ana.until_text("#settings-dialog [data-part=archive]", "Open it again")
    ben.until_text("#barred", "archived")
    ana.button("Open it again")
    ana.button("Close", "#settings-dialog")
    ana.until(lambda: ana.page.get_by_label("Message", exact=True).is_visible())
    ana.look_at(ben)
    ana.button("Remove from the room", press=ana.press_twice)
    ben.until(lambda: ben.in_list(name).count() == 0)
    ben.until_text("#title", "General")
    ana.until(lambda: ana.member(ben).count() == 0)

    ana.button("Room")
    ana.page.get_by_label("Bring in, by username").fill(ben.name)
    ana.button("Bring in")
    ben.until(lambda: ben.in_list(name).count() == 1)
    ben.go_to(name)
    ben.button("Room")
    ben.button("Leave this room", press=ben.press_twice)
    ben.until(lambda: ben.in_list(name).count() == 0)

    ben.page.goto(ana.page.url)
    ben.page.reload()
    ben.until_text("#barred", "only looking in")
    ben.button("Join")
    ben.say("it is nice in here")
    ana.sees("it is nice in here")
    ana.button("Room")
    ana.button("Delete this room", press=ana.press_twice)
    for one in (ana, ben):
        one.until(lambda one=one: one.in_list(name).count() == 0)
    ana.until_text("#title", "General")
    assert ana.nameless() == []
    assert ana.errors == ben.errors == []


def test_search_pins_answers_and_threads_lead_to_a_message_far_above(server, visit):
    operator = Operator(server.url)
    room = operator.call("POST", "/api/rooms", {"type": "public", "name": f"far-{secrets.token_hex(3)}"})
    write(operator, room["id"], "the needle in it", *(f"straw {n:03d}" for n in range(1, MANY)))
    ana = Person(visit(), server.url, "").enter(operator)
    ana.go_to(room["name"])
    ana.sees(f"straw {MANY - 1}")

    needle = ana.page.locator('#messages [data-seq="1"]')

    def in_view():
        box, view = needle.count() and needle.bounding_box(), ana.page.locator("#messages").bounding_box()
        return bool(box and view) and view["y"] <= box["y"] <= view["y"] + view["height"]

    ana.button("Search")
    ana.page.get_by_label("Words to find").fill("needle")
    ana.button("Find")
    found = ana.page.locator("#side .card")
    ana.until(lambda: found.count() == 1 and room["name"] in found.inner_text())
    ana.press(found.get_by_role("button"))
    ana.until(in_view)
    assert ana.message(f"straw {MANY - 1}").count() == 0

    ana.tool("the needle", "Pin")
    ana.until(lambda: needle.locator(".flags").inner_text() == "pinned")
    ana.page.locator("#messages").evaluate("(list) => { list.scrollTop = list.scrollHeight; }")
    ana.sees("straw 060")  # the next page below
    ana.tool("the needle", "Reply")
    ana.say("found it")
    ana.sees("found it")
    assert ana.message("straw 060").count() == 0

    ana.button("Pinned")
    ana.until_text("#side [data-part=pins] .card", "the needle")
    ana.press(ana.page.locator("#side [data-part=pins] .card button"))
    ana.until(in_view)
    ana.button("1 reply")
    ana.until(lambda: ana.page.locator("#side [data-part=thread] .card").count() == 2)
    write(operator, room["id"], "of another matter")
    ana.button("Reply", "#side")
    ana.say("found it too")
    ana.until(lambda: ana.page.locator("#side [data-part=thread] .card").count() == 3)
    ana.press(ana.message("found it too").locator(".quote"))
    ana.until(in_view)
    ana.button("Newest messages")
    ana.sees("of another matter")
    ana.page.locator("#messages").press("ArrowUp")
    ana.page.keyboard.press("ArrowUp")  # to the last but one, which answers nothing
    ana.page.keyboard.press("Tab")
    assert ana.page.evaluate("document.activeElement.closest('.tools') !== null")

    ana.page.set_viewport_size({"width": 360, "height": 640})
    ana.button("Close", "#side")
    assert ana.page.evaluate("document.documentElement.scrollWidth") <= 360
    ana.button("Rooms")
    ana.go_to("General")
    ana.until(lambda: not ana.page.locator("#room-list").is_visible())
    assert ana.errors == []


def test_a_burst_of_messages_makes_nobody_send_more_frames_than_the_server_takes(server, person):
    sent, refused = [], []
    ben, operator = person("ben"), Operator(server.url)
    ben.page.on("websocket", lambda one: one.on("framesent", lambda frame: sent.append(str(frame))))
    ben.page.on(
        "websocket", lambda one: one.on("framereceived", lambda got: "limited" in str(got) and refused.append(got))
    )
    began = time.monotonic()
    ben.page.reload()
    ben.until(lambda: ben.link() == "open" and ben.page.get_by_label("Message", exact=True).is_visible())
    before = operator.call("GET", "/api/rooms/general")["lastSeq"]

    write(operator, "general", *(f"burst {n:02d}" for n in range(70)))
    ben.sees("burst 69")
    for n in range(20):
        ben.page.get_by_label("Message", exact=True).press_sequentially(f"mine {n:02d}")
        ben.page.get_by_label("Message", exact=True).press("Enter")
    ben.sees("mine 19")

    seconds = time.monotonic() - began
    reads, typing = (sum(f'"type":"{kind}"' in frame for frame in sent) for kind in ("read", "typing"))
    assert 1 <= reads <= seconds + 2
    assert 1 <= typing <= seconds / 3 + 2
    assert refused == []
    ben.until(lambda: operator.call("GET", "/api/rooms/general")["lastSeq"] == before + 90)
    assert ben.errors == []


def test_portraits_pictures_and_downloads_work_when_their_addresses_have_run_out(person, tmp_path):
    ana = person("ana")
    picture, paper = tmp_path / "green.png", tmp_path / "paper.txt"
    Image.new("RGB", (640, 400), (24, 150, 60)).save(picture)
    paper.write_text("what was agreed\n")
    late = []

    def once(route):
        late.append(route.request.url)
        route.fulfill(status=403) if len(late) == 1 else route.fallback()

    ana.page.route("**/files/*/thumbnail?*", once)  # the server's answer to an address that has run out
    ana.page.get_by_label("Attach a file").last.set_input_files([picture, paper])
    ana.until(lambda: ana.page.locator("#attached li").all_inner_texts() == ["green.png✕", "paper.txt✕"])
    with ana.page.expect_response(lambda answer: "/api/files/" in answer.url):
        ana.say("two files")
        ana.sees("two files")
        ana.until(lambda: ana.message("two files").locator("img").evaluate("(image) => image.naturalWidth") > 0)
    assert len(late) >= 2

    ana.button(ana.name, "#rooms")
    ana.page.get_by_label("Name", exact=True).fill("Ana of the shop")
    ana.page.get_by_label("Picture", exact=True).set_input_files(picture)
    ana.button("Save", "#profile-dialog")
    ana.until_text("#me", "Ana of the shop")
    ana.until_text("#people-list", "Ana of the shop")
    ana.page.reload()
    face = ana.message("two files").locator("img.avatar")
    ana.until(lambda: face.count() == 1 and face.evaluate("(image) => image.naturalWidth") > 0)

    ana.page.evaluate(TWO_HOURS_LATER)
    with ana.page.expect_response(lambda answer: "/api/files/" in answer.url), ana.page.expect_download() as download:
        ana.message("two files").get_by_role("link", name="paper.txt").click()
    assert download.value.suggested_filename == "paper.txt"
    assert ana.errors == []


def test_a_session_outlives_an_absence_and_ends_in_all_tabs_at_once(person, server):
    ana = person("ana")
    ana.page.route("**/api/**", lambda route: route.abort())
    ana.page.reload()
    ana.until(lambda: ana.page.locator("#away").is_visible())
    assert "cannot be reached" in ana.page.locator("#away").inner_text()
    assert not ana.page.locator("#door").is_visible()
    ana.page.unroute("**/api/**")
    ana.until(lambda: ana.link() == "open")  # by itself

    other = ana.page.context.new_page()
    other.goto(f"{server.url}/chat")
    ana.until(lambda: ana.link(other) == "open")
    ana.page.get_by_label("Message", exact=True).fill("half a thou")
    ana.press(other.get_by_role("button", name="Sign out"))
    ana.until_text("#notice", "Your session has ended")
    ana.until(lambda: other.locator("#door").is_visible())
    ana.sign_in(page=other)
    ana.until(lambda: ana.link() == "open" and ana.page.locator("#app").is_visible())
    assert ana.page.get_by_label("Message", exact=True).input_value() == "half a thou"
    other.close()

    refresh = "fetch('/api/auth/refresh', {method: 'POST'}).then((answer) => answer.json())"
    token = ana.page.evaluate(refresh)["accessToken"]
    assert ana.page.evaluate(END_ALL, token) in (204, 401)  # 401 where it was done and a store then away
    ana.until(lambda: ana.page.locator("#notice").is_visible())
    assert ana.page.locator("#notice").inner_text() == "Your session has ended. Please sign in again."
    ana.sign_in()
    ana.say("half a thought")
    ana.sees("half a thought")
    assert ana.errors == []
