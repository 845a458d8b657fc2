"""File names that would be paths, headers, markup or commands: they are only ever shown."""

import pytest

from tests import samples
from tests.attacks.input.test_uploads import DOORS
from tests.uploads import form, upload

pytestmark = pytest.mark.usefixtures("jobs_by_hand")
NAMES = [
    "../../../../etc/passwd",
    "..\\..\\windows\\system32\\a.png",
    "/etc/passwd",
    "....//....//a.png",
    "%2e%2e%2fa.png",
    "a%00.png",
    "a\x00.png",
    "a%0d%0aSet-Cookie:%20a=b.png",
    "a\x0bb\x1b[31m.png",
    "con",
    ".htaccess",
    "a" * 5000,
    "\u202egnp.txt",
    "a;filename*=UTF-8''evil.html",
    "<img src=x onerror=alert(1)>.png",
    "{{7*7}}${7*7}#{7*7}%s%n",
    "-rf *",
    "$(reboot)`reboot`",
]


@pytest.mark.parametrize("path", DOORS.values(), ids=DOORS)
async def test_a_name_is_only_ever_shown(api, marquee, owner, path):
    folder = marquee.settings.data_dir
    around = sorted(folder.parent.iterdir())
    for number, name in enumerate(NAMES):
        made = await upload(api, samples.image_bytes("PNG", color=(number, 0, 0)), owner, name, path=path)
        assert made.status == 201, (name, made.body)
        shown = made.json["name"]
        served = await api.get(made.json["url"])

        assert shown.isprintable()
        assert not set(shown) & set("/\\")
        assert len(shown) <= 200
        assert shown not in {"", ".", ".."}
        assert len(served.headers.get_list("Content-Disposition")) <= 1
        assert "Set-Cookie" not in served.headers
    assert sorted(folder.parent.iterdir()) == around
    keys = {file.name.partition(".")[0] for file in folder.rglob("*") if file.is_file()}
    assert all(len(key) == 64 and set(key) <= set("0123456789abcdef") for key in keys)


@pytest.mark.parametrize("path", DOORS.values(), ids=DOORS)
async def test_a_name_smuggles_no_header(api, owner, left, path):
    before = left()
    for name in ('a.png"\r\nX-Evil: 1', "a.png\r\n\r\nGIF89a", 'a"; name="tags', "a\nb.png", "a\rb.png"):
        body, content_type = form(samples.image_bytes(), name)

        reply = await api.post(path, raw=body, as_=owner, headers={"Content-Type": content_type})

        if reply.status in {200, 201}:
            assert reply.json["name"].isprintable()
            assert (
                await api.delete(reply.headers.get("Location") or f"{path}/{reply.json['id']}", owner)
            ).status == 204
        else:
            assert reply.status in {400, 415, 422}, (name, reply.body)
    assert left()[0] == before[0]
