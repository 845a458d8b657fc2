"""The web player when things are not as they should be: broken downloads, blocked sockets, plain http."""

import os
import signal

from PIL import Image

from bench import signals
from tests import samples
from tests.browser.conftest import BLUE, GREEN, RED, Display
from tests.browser.cutting_proxy import CuttingProxy
from tests.browser.test_player import in_sync


def test_media_that_is_not_what_it_should_be_never_reaches_the_screen(lobby, operator, media):
    red, green = media(operator, "red.png"), media(operator, "green.png")
    display, screen, playlist = lobby((red, {"durationMs": 1500, "fit": "cover"}))
    display.until_shows(RED)
    before = display.until(lambda: in_sync(operator, screen))
    context = display.page.context
    context.route("**/media/*", lambda route: route.fulfill(status=200, body="x" * green["bytes"]))

    operator.put_items(playlist, (green, {"durationMs": 1500, "fit": "cover"}))

    seen = display.until(lambda: (s := operator.screen(screen)) and s["status"] == "error" and s)
    assert "checksum" in seen["statusReason"]
    assert seen["appliedRevision"] == before["appliedRevision"]
    assert not seen["inSync"]
    assert display.shows(RED)

    context.unroute("**/media/*")
    display.until_shows(GREEN, seconds=60)
    display.until(lambda: in_sync(operator, screen))


def test_a_download_that_breaks_off_goes_on_where_it_was(server, browser, operator, tmp_path):
    noise = tmp_path / "noise.png"
    Image.frombytes("RGB", (1600, 1400), os.urandom(1600 * 1400 * 3)).save(noise)  # 6.7 MB that nothing compresses
    playlist = operator.playlist(operator.upload(noise))
    line = CuttingProxy(server.port, cut_after=3_000_000)
    display = Display(browser(), line.url)
    asked = []
    display.page.on("request", lambda r: "/media/" in r.url and asked.append(r.headers.get("range")))

    screen = operator.pair(display.code(), playlistId=playlist["id"])

    display.until(lambda: in_sync(operator, screen))
    line.close()
    assert line.cuts == 1
    first, *later = asked
    assert first is None
    assert [int(value.removeprefix("bytes=").removesuffix("-")) > 0 for value in later] == [True]


def test_where_websockets_do_not_pass_the_screen_lives_by_rest(server, browser, operator, media):
    context = browser()
    context.route_web_socket("**/ws/screen", lambda socket: socket.close())
    display = Display(context, server.url)
    playlist = operator.playlist((media(operator, "green.png"), {"durationMs": 2000, "fit": "cover"}))
    screen = operator.pair(display.code(), playlistId=playlist["id"])

    display.until_shows(GREEN)
    display.until(lambda: display.state["link"] == "rest")
    display.until(lambda: in_sync(operator, screen))
    done = operator.command(screen, "identify", durationMs=2000)
    assert done["state"] == "done"
    operator.put_items(playlist, (media(operator, "red.png"), {"durationMs": 2000, "fit": "cover"}))
    display.until_shows(RED)


def test_a_frozen_server_does_not_keep_a_reloaded_screen_dark(server, lobby, operator, media):
    display, screen, _ = lobby((media(operator, "green.png"), {"durationMs": 2000, "fit": "cover"}))
    display.until_shows(GREEN)
    display.until(lambda: display.page.evaluate("navigator.serviceWorker.controller !== null"))
    signals.send(server.process, signal.SIGSTOP)
    try:
        display.page.reload()
        display.until_shows(GREEN, seconds=20)
    finally:
        server.process.send_signal(signal.SIGCONT)
    display.until(lambda: in_sync(operator, screen))


def test_on_plain_http_in_a_lan_it_plays_on_as_long_as_the_page_lives_and_says_so(server, browser, operator, media):
    lan = f"http://lobby.lan:{server.port}"
    display = Display(browser("--host-resolver-rules=MAP lobby.lan 127.0.0.1"), lan)
    playlist = operator.playlist(
        (media(operator, "red.png"), {"durationMs": 2000, "fit": "cover"}),
        (media(operator, "blue.mp4"), {"fit": "cover"}),
    )
    display.until(lambda: "Plain http" in display.page.locator("#pairing [data-part=note]").text_content())
    assert display.page.evaluate("[isSecureContext, 'serviceWorker' in navigator, 'subtle' in crypto]") == [False] * 3

    screen = operator.pair(display.code(), playlistId=playlist["id"])
    display.until_shows(BLUE)
    display.until(lambda: in_sync(operator, screen))
    server.stop()
    try:
        display.until_shows(RED)
        display.until_shows(BLUE)
    finally:
        server.start()
    display.until(lambda: in_sync(operator, screen), seconds=70)

    done = operator.command(screen, "reload")
    assert done["state"] == "done"
    display.until_shows(RED)


def test_a_screen_on_its_side_is_turned(lobby, operator, media, tmp_path, files):
    tall = tmp_path / "tall.png"
    picture = samples.picture(360, 640, "teal")  # white in its upper left corner
    picture.save(tall)
    display, screen, _ = lobby((operator.upload(tall), {"durationMs": 60_000, "fit": "cover"}))

    operator.call("PATCH", f"/api/screens/{screen['id']}", {"orientation": "portrait"})

    display.until(lambda: display.state.get("orientation") == "portrait" and min(display.color(1240, 40)) > 230)
    assert max(display.color(40, 40)) < 200


def test_a_second_window_takes_the_screen_over_and_the_first_plays_on(lobby, operator, media):
    display, screen, _ = lobby((media(operator, "green.png"), {"durationMs": 2000, "fit": "cover"}))
    display.until_shows(GREEN)

    other = display.page.context.new_page()
    other.goto(f"{display.url}/player")

    display.until(lambda: other.evaluate("document.documentElement.dataset.link") == "socket")
    display.until(lambda: display.state["link"] != "socket")
    assert display.shows(GREEN)
    display.until(lambda: in_sync(operator, screen))
