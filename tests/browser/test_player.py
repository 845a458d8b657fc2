"""The web player in real Chromium against the real server: what somebody in front of the screen sees."""

import io
import signal
import urllib.request
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from PIL import Image

from tests.browser.conftest import BLUE, GREEN, RED, YELLOW, Display

CRITICAL, WARNING = (179, 18, 29), (245, 179, 1)
NAVY = (11, 14, 20)  # the idle screen's ground


def in_sync(operator, screen):
    """Return the screen when it is online and shows what it should."""
    seen = operator.screen(screen)
    return seen if seen["inSync"] and seen["status"] == "online" else None


def runs(display, color):
    """Whether the video of this colour, which shows now, has gone on within half a second."""
    before = display.video_time
    display.page.wait_for_timeout(500)
    after = display.video_time
    return display.shows(color) and None not in {before, after} and after - before > 0.2


def test_a_paired_screen_plays_an_image_and_videos_that_really_decode(lobby, operator, media):
    red, blue, yellow = (media(operator, name) for name in ("red.png", "blue.mp4", "yellow.webm"))
    short = {"durationMs": 2000, "fit": "cover"}

    display, screen, playlist = lobby((red, short), (blue, {"fit": "cover"}), (yellow, {"fit": "cover"}))

    display.until_shows(RED)
    display.until_shows(BLUE)
    display.until(lambda: runs(display, BLUE))
    display.until_shows(YELLOW)
    display.until_shows(RED)
    seen = display.until(lambda: in_sync(operator, screen))
    assert seen["nowPlaying"]["itemId"] in [item["id"] for item in playlist["items"]]
    assert seen["player"]["name"] == "Marquee web player"
    assert display.errors == []


def test_a_video_loops_when_it_is_to_last_longer_and_is_cut_when_shorter(lobby, operator, media):
    blue, yellow = media(operator, "blue.mp4"), media(operator, "yellow.webm")
    looped = (blue, {"durationMs": 7000, "fit": "cover", "transition": "none"})
    cut = (yellow, {"durationMs": 1000, "fit": "cover", "transition": "none"})

    display, _, _ = lobby(looped, cut)

    display.until_shows(BLUE)
    times = []
    while display.shows(BLUE):
        times.append(display.video_time)
    times = [time for time in times[:-1] if time is not None]  # the last may be of what came after it
    assert any(later < earlier for earlier, later in pairwise(times))
    display.until_shows(YELLOW)
    seen = [0.0]
    while display.shows(YELLOW):
        seen.append(display.video_time or 0.0)
    display.until_shows(BLUE)
    assert max(seen[:-1], default=0.0) < 1.9  # of two seconds; and the last as above


def test_a_change_reaches_the_screen_while_it_plays(lobby, operator, media):
    red, green = media(operator, "red.png"), media(operator, "green.png")
    display, screen, playlist = lobby((red, {"durationMs": 1500, "fit": "cover"}))
    display.until_shows(RED)

    operator.put_items(playlist, (green, {"durationMs": 1500, "fit": "cover"}))

    display.until_shows(GREEN)
    display.until(lambda: in_sync(operator, screen))


def test_a_playlist_without_items_leaves_a_calm_screen(lobby, operator, media):
    display, screen, playlist = lobby((media(operator, "red.png"), {"durationMs": 1000, "fit": "cover"}))
    display.until_shows(RED)

    operator.put_items(playlist)

    display.until_shows(NAVY)
    assert display.page.locator("#idle [data-part=name]").text_content() == "Lobby"
    display.until(lambda: in_sync(operator, screen))


def test_an_item_is_off_the_screen_when_its_validity_ends(lobby, operator, media):
    red, green = media(operator, "red.png"), media(operator, "green.png")
    display, _, playlist = lobby((green, {"durationMs": 1000, "fit": "cover"}))
    display.until_shows(GREEN)
    ends = (datetime.now(UTC) + timedelta(seconds=20)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    operator.put_items(
        playlist,
        (red, {"durationMs": 60_000, "fit": "cover", "validTo": ends}),
        (green, {"durationMs": 60_000, "fit": "cover", "validFrom": ends}),
    )
    display.until_shows(RED)

    display.until_shows(GREEN, seconds=60)

    assert datetime.now(UTC) >= datetime.fromisoformat(ends) - timedelta(seconds=1)


def test_an_emergency_takes_the_screen_at_once_and_goes_when_it_is_ended(lobby, operator, media):
    display, screen, _ = lobby((media(operator, "green.png"), {"durationMs": 60_000, "fit": "cover"}))
    display.until_shows(GREEN)

    alarm = operator.alarm("Leave the building", "Use the stairs.")

    display.until_shows(CRITICAL)
    assert display.page.locator("#emergency h1").text_content() == "Leave the building"
    display.until(lambda: operator.call("GET", f"/api/emergencies/{alarm['id']}")["showing"] == 1)
    display.until(lambda: in_sync(operator, screen))

    operator.call("DELETE", f"/api/emergencies/{alarm['id']}")

    display.until_shows(GREEN)
    display.until(lambda: in_sync(operator, screen))


def test_an_emergency_with_a_picture_shows_it_behind_its_words(lobby, operator, media):
    display, screen, _ = lobby()
    green = media(operator, "green.png")

    operator.alarm("Closed today", "We are back tomorrow.", level="warning", mediaId=green["id"])

    dimmed = tuple(round(part * 0.4) for part in GREEN)
    display.until_shows(dimmed)
    display.until(lambda: in_sync(operator, screen))


def test_an_emergency_ends_by_itself_while_the_server_is_away(server, browser, operator, media):
    context = browser()
    context.clock.install()  # the page's own clocks, so that two minutes need not be waited for
    display = Display(context, server.url)
    green = operator.playlist((media(operator, "green.png"), {"durationMs": 5000, "fit": "cover"}))
    screen = operator.pair(display.code(), playlistId=green["id"])
    display.until_shows(GREEN)
    operator.alarm("Wet floor", "Take care.", level="warning", expires_in=120)
    display.until_shows(WARNING)
    display.until(lambda: in_sync(operator, screen))
    server.stop()
    try:
        display.page.clock.fast_forward(60_000)
        display.page.wait_for_timeout(1000)
        assert display.shows(WARNING)

        display.page.clock.fast_forward(61_000)

        display.until_shows(GREEN)
    finally:
        server.start()


def test_cut_off_it_plays_on_through_a_reload_and_a_restart_and_comes_back_in_sync(
    server, browser, lobby, operator, media
):
    red, blue = media(operator, "red.png"), media(operator, "blue.mp4")
    display, screen, playlist = lobby((red, {"durationMs": 2000, "fit": "cover"}), (blue, {"fit": "cover"}))
    display.until_shows(BLUE)
    display.until(lambda: in_sync(operator, screen))
    display.until(lambda: display.page.evaluate("navigator.serviceWorker.controller !== null"))

    server.stop(signal.SIGKILL)
    try:
        display.until(lambda: display.state["link"] == "offline")
        display.until_shows(RED)
        display.until_shows(BLUE)

        display.page.reload()
        display.until_shows(RED)
        display.until_shows(BLUE)

        display.page.context.close()
        display = Display(browser(), server.url)  # the same profile, as after a power cut
        display.until_shows(RED)
        display.until_shows(BLUE)
        display.until(lambda: display.video_time is not None)
    finally:
        server.start()

    seen = display.until(lambda: in_sync(operator, screen), seconds=70)
    assert seen["lastSeenAt"] > screen["pairedAt"]
    operator.put_items(playlist, (media(operator, "green.png"), {"durationMs": 5000, "fit": "cover"}))
    display.until_shows(GREEN)
    assert display.errors == []


def test_a_screen_that_was_deleted_forgets_everything_and_shows_a_new_code(lobby, operator, media):
    display, screen, _ = lobby((media(operator, "red.png"), {"durationMs": 2000, "fit": "cover"}))
    display.until_shows(RED)
    used = display.page.locator("#pairing [data-part=code]")
    assert used.text_content().strip() == ""  # so that nobody types it again before there is a new one

    operator.call("DELETE", f"/api/screens/{screen['id']}")

    again = operator.pair(display.code(), "Lobby again")
    display.until(lambda: in_sync(operator, again))
    assert again["id"] != screen["id"]
    assert not display.shows(RED)


def test_the_code_outlives_a_reload_of_the_page(server, browser):
    display = Display(browser(), server.url)
    code = display.code()

    display.page.reload()

    assert display.code() == code


def test_a_screen_says_who_it_is_and_how_loud_it_is(lobby, operator, media):
    display, screen, _ = lobby((media(operator, "blue.mp4"), {"durationMs": 60_000, "fit": "cover"}))
    display.until_shows(BLUE)

    told = operator.command(screen, "identify", durationMs=12_000)

    card = display.page.locator("#identify")
    assert card.is_visible()
    assert "Lobby" in card.text_content()
    louder = operator.command(screen, "volume", volume=35)
    assert (told["state"], louder["state"]) == ("done", "done")
    assert display.page.evaluate("document.querySelector('.shown video').volume") == 0.35
    display.until(lambda: not card.is_visible())


def test_the_key_d_shows_how_the_screen_is(lobby, operator, media):
    display, _, _ = lobby((media(operator, "red.png"), {"durationMs": 60_000, "fit": "cover"}))
    display.until_shows(RED)

    display.page.keyboard.press("d")

    panel = display.page.locator("#diagnostics")
    display.until(lambda: "this device's clock, give or take " in panel.text_content())
    assert "Lobby" in panel.text_content()
    display.page.keyboard.press("d")
    assert not panel.is_visible()
    assert display.errors == []


def test_a_screenshot_shows_what_the_screen_shows(lobby, operator, media):
    display, screen, _ = lobby((media(operator, "blue.mp4"), {"durationMs": 60_000, "fit": "cover"}))
    display.until_shows(BLUE)

    taken = operator.command(screen, "screenshot")

    assert taken["state"] == "done", taken
    url = taken["result"]["url"]
    with urllib.request.urlopen(url if url.startswith("http") else operator.url + url, timeout=30) as answer:
        picture = Image.open(io.BytesIO(answer.read())).convert("RGB")
    assert picture.size == (1280, 720)
    assert all(abs(a - b) < 30 for a, b in zip(picture.getpixel((640, 60)), BLUE, strict=True))


def test_reload_and_reboot_are_reported_by_the_page_that_comes_after(lobby, operator, media):
    display, screen, _ = lobby((media(operator, "green.png"), {"durationMs": 5000, "fit": "cover"}))
    display.until_shows(GREEN)

    for name in ("reload", "reboot"):
        display.page.evaluate("document.body.dataset.before = 'yes'")
        done = operator.command(screen, name)

        assert done["state"] == "done", done
        assert display.page.evaluate("document.body.dataset.before ?? null") is None
        display.until_shows(GREEN)


def test_clearing_the_cache_keeps_what_is_good_and_needed(lobby, operator, media):
    display, screen, _ = lobby((media(operator, "green.png"), {"durationMs": 5000, "fit": "cover"}))
    display.until_shows(GREEN)
    display.until(lambda: in_sync(operator, screen))

    done = operator.command(screen, "clearCache")

    assert (done["state"], done["result"]) == ("done", {"removed": 0, "verified": 1, "refetched": 0})
    assert display.shows(GREEN)
