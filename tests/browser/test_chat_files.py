"""Files in the chat that are no pictures, or none that can be had: links, and the conversation keeps its end."""

import secrets

import pytest
from PIL import Image

PAGE = b"<!doctype html><title>a page</title><p>Not a picture at all.</p>"
DRAWING = b"<svg xmlns='http://www.w3.org/2000/svg'><rect width='9' height='9'/></svg>"
LINE = "#line [role=status]"
BELOW = "(list) => list.scrollHeight - list.scrollTop - list.clientHeight"


@pytest.fixture
def attach(tmp_path):
    """Return a function that chooses files, {name: bytes}, and waits until `kept` of them hang on the message.

    Before that it waits until all of `said` stand in the line below: they do for eight seconds.
    """

    def choose(somebody, files, kept=None, said=()):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        somebody.page.get_by_label("Attach a file").last.set_input_files([tmp_path / name for name in files])
        somebody.until(lambda: all(words in somebody.page.locator(LINE).inner_text() for words in said))
        names = [f"{name}✕" for name in (files if kept is None else kept)]
        somebody.until(lambda: somebody.page.locator("#attached li").all_inner_texts() == names)

    return choose


def links(somebody, words):
    """Return what the links of a message say."""
    return somebody.message(words).locator(".body a").all_inner_texts()


def test_what_is_called_a_picture_and_is_none_is_a_link_with_its_size(person, attach):
    ana = person("ana")
    attach(ana, {"vector.svg": DRAWING, "page.png": PAGE})

    ana.say("two drawings")
    ana.sees("two drawings")

    assert links(ana, "two drawings") == ["vector.svg (1 KB)", "page.png (1 KB)"]
    assert ana.message("two drawings").locator(".body img").count() == 0
    assert ana.errors == []


def test_pictures_that_cannot_be_had_become_links_and_the_room_stays_at_its_end(person, attach, tmp_path):
    ana = person("ana")
    ana.make_room(f"album-{secrets.token_hex(3)}")
    ana.say("\n".join(f"line {number}" for number in range(40)))
    ana.sees("line 39")
    names = ["one.png", "two.png", "three.png"]
    for name in names:
        Image.new("RGB", (320, 200), (24, 150, 60)).save(tmp_path / name)
    attach(ana, {name: (tmp_path / name).read_bytes() for name in names})
    ana.say("three pictures")
    ana.sees("three pictures")
    ana.page.route("**/files/*/thumbnail?*", lambda route: route.fulfill(status=404))

    ana.page.reload()
    ana.sees("three pictures")
    ana.until(lambda: links(ana, "three pictures") == [f"{name} (1 KB)" for name in names])

    ana.until(lambda: ana.page.locator("#messages").evaluate(BELOW) < 2)
    assert ana.page.locator("#messages").evaluate("(list) => list.scrollHeight > list.clientHeight")
    assert ana.errors == []


def test_a_file_that_is_refused_is_named_until_the_next_attempt(person, attach):
    ana = person("ana")
    files = {"tool.exe": b"MZ" + bytes(200), "nothing.txt": b"", "notes.txt": b"what was agreed"}
    refusals = ["tool.exe was not attached. Programs", "nothing.txt was not attached. The file is empty."]

    attach(ana, files, kept=["notes.txt"], said=refusals)

    attach(ana, {"more.txt": b"and what was not"}, kept=["notes.txt", "more.txt"])
    assert "attached" not in ana.page.locator(LINE).inner_text()
    assert ana.errors == []


def test_what_is_begun_stays_with_its_room(person, attach):
    ana = person("ana")
    name = f"other-{secrets.token_hex(3)}"
    words = ana.page.get_by_label("Message", exact=True)
    ana.say("as it was")
    ana.sees("as it was")
    attach(ana, {"notes.txt": b"what was agreed"})
    words.fill("here it is")

    ana.make_room(name)
    attached_there = ana.page.locator("#attached li").count()
    words_there = words.input_value()
    ana.go_to("General")
    ana.tool("as it was", "Edit")
    ana.say("as it is")
    ana.sees("as it is")

    assert (attached_there, words_there) == (0, "")
    assert ana.page.locator("#attached li").all_inner_texts() == ["notes.txt✕"]
    assert words.input_value() == "here it is"
    words.press("Enter")
    ana.sees("here it is")
    assert links(ana, "here it is") == ["notes.txt (1 KB)"]
    assert ana.errors == []


def test_a_file_on_its_way_when_one_leaves_the_room_hangs_there_when_one_is_back(person, tmp_path):
    ana = person("ana")
    held = []
    ana.page.route("**/api/files/upload", lambda route: held.append(route.continue_), times=1)
    (tmp_path / "slow.txt").write_bytes(b"it took its time")
    ana.page.get_by_label("Attach a file").last.set_input_files(tmp_path / "slow.txt")
    ana.until(lambda: len(held) == 1)
    ana.say("with a file")

    ana.make_room(f"other-{secrets.token_hex(3)}")
    ana.until(lambda: "not sent yet" in ana.page.locator("#line [role=status]").inner_text())
    held.pop()()
    ana.say("elsewhere")
    ana.sees("elsewhere")
    ana.go_to("General")

    ana.until(lambda: ana.page.locator("#attached li").all_inner_texts() == ["slow.txt✕"])
    ana.page.get_by_label("Message", exact=True).press("Enter")
    ana.sees("with a file")
    assert ana.errors == []
