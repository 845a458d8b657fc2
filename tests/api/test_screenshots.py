"""Screenshots that screens hand in: what is taken, how large, how often, and who sees it."""

import hashlib

import pytest

from tests.api.commands import PNG, accept, finish, order, put_picture, read, stored_files
from tests.api.displays import pair
from tests.api.stock import move_clock
from tests.promptness import eventually

pytestmark = pytest.mark.usefixtures("jobs_by_hand")

PICTURES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + b"y" * 100,
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8 " + b"z" * 100,
}
MOST = 5 << 20


def half_files(marquee):
    return list((marquee.settings.data_dir / "incoming").iterdir())


@pytest.mark.parametrize("kind", PICTURES)
async def test_a_screenshot_is_handed_in_and_seen_under_a_signed_address(api, editor, marquee, workspace, kind):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    await accept(api, display, command)
    content = PICTURES[kind]
    handed = await put_picture(api, display, command, content, **{"Content-Type": "application/octet-stream"})
    assert handed.status == 200
    done = (await finish(api, display, command, ok=True, result={"width": 10})).json
    assert done["result"]["width"] == 10
    url = done["result"]["url"]
    assert url.startswith(f"/media/{hashlib.sha256(content).hexdigest()}.")
    picture = await api.get(url)
    assert (picture.status, picture.headers["Content-Type"], picture.body) == (200, kind, content)
    assert (await api.get(url.partition("?")[0])).status == 403
    assert (await read(api, editor, command))["result"] == done["result"]
    assert half_files(marquee) == []


async def test_a_screenshot_may_have_five_mebibytes(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    largest = PNG + b"\0" * (MOST - len(PNG))
    refused = await put_picture(api, display, command, largest + b"\0")
    assert (refused.status, refused.code) == (413, "too_large")
    assert (await put_picture(api, display, command, largest)).status == 200
    assert half_files(marquee) == []


async def test_a_chunked_screenshot_that_grows_too_large_is_refused(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")

    async def pieces(write):
        for _ in range(MOST // 65_536 + 2):
            await write(b"\x89PNG\r\n\x1a\n" + b"\0" * 65_528)

    path = f"/api/display/commands/{command['id']}/screenshot"
    refused = await api.put(path, as_=display.screen, body_producer=pieces)
    assert (refused.status, refused.code) == (413, "too_large")

    async def gone():
        return not half_files(marquee)

    await eventually(gone)


async def test_what_is_no_picture_is_refused(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    for content in (b"", b"hello", b"<svg/>", b"GIF89a" + b"x" * 99, b"\0\0\0\x18ftypisom\0\0\0\0isom"):
        refused = await put_picture(api, display, command, content, **{"Content-Type": "image/png"})
        assert (refused.status, refused.code) == (415, "unsupported_type"), content
    encoded = await put_picture(api, display, command, PNG, **{"Content-Encoding": "gzip"})
    assert encoded.status == 415
    assert (await read(api, editor, command))["result"] is None
    assert half_files(marquee) == []
    assert stored_files(marquee) == 0


async def test_a_screenshot_is_taken_again_but_not_after_the_end(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    for content in (PNG, PNG, PNG + b"2"):
        assert (await put_picture(api, display, command, content)).status == 200
    assert stored_files(marquee) == 1  # the first one went when nobody needed it any more
    await finish(api, display, command, ok=True)
    assert (await put_picture(api, display, command, PNG + b"2")).status == 200
    assert (await put_picture(api, display, command, PNG)).status == 409

    reload = await order(api, editor, made["id"], "reload")
    assert (await put_picture(api, display, reload, PNG)).status == 409
    late = await order(api, editor, made["id"], "screenshot")
    move_clock(marquee, 301)
    assert (await put_picture(api, display, late, PNG)).status == 409


async def test_two_screens_with_one_picture_share_the_file(api, editor, marquee, workspace):
    paired = [await pair(api, editor, workspace, name=name) for name in "ab"]
    for display, made in paired:
        await put_picture(api, display, await order(api, editor, made["id"], "screenshot"), PNG)
    assert stored_files(marquee) == 1
    await api.delete(f"/api/screens/{paired[0][1]['id']}", as_=editor)
    assert stored_files(marquee) == 1
    await api.delete(f"/api/screens/{paired[1][1]['id']}", as_=editor)
    assert stored_files(marquee) == 0


async def test_only_the_screen_itself_hands_in(api, editor, workspace):
    _, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    path = f"/api/display/commands/{command['id']}/screenshot"
    assert (await api.put(path, raw=PNG, as_=editor)).status == 401
    assert (await api.put(path, raw=PNG)).status == 401
