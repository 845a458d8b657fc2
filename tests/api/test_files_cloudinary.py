"""Files at Cloudinary: whatever they are they are stored there, and their address leads to it for a while."""

import asyncio
import hashlib
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest

from tests import samples
from tests.unit.cloudinary_standin import Cloudinary
from tests.uploads import upload

pytestmark = pytest.mark.usefixtures("jobs_by_hand")
NOTE = b"Milk, bread, and a ladder.\n"


@pytest.fixture
def standin():
    with Cloudinary() as running:
        yield running


@pytest.fixture
def marquee(servers, standin):
    return servers(storage="cloudinary", cloudinary_url=standin.url)


async def fetched(url):
    return await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=30).read())


async def keep(api, person, content, name):
    reply = await upload(api, content, person, name, path="/api/files/upload")
    assert reply.status == 201, reply.body
    return reply.json


@pytest.mark.parametrize("content", [NOTE, b"%PDF-1.7\n" + bytes(100), b"OggS" + bytes(24) + b"OpusHead" + bytes(40)])
async def test_any_content_is_stored_raw_and_fetched_again(api, standin, owner, content):
    file = await keep(api, owner, content, "notes.txt")

    led = await api.get(file["url"])

    assert standin.names() == [f"raw/marquee/{hashlib.sha256(content).hexdigest()}"]
    assert (led.status, led.headers["Cache-Control"]) == (302, "no-store")
    assert await fetched(led.headers["Location"]) == content


async def test_what_was_not_recognised_is_a_download_there_too(api, owner):
    note, photo = await keep(api, owner, NOTE, "a.txt"), await keep(api, owner, samples.image_bytes(), "b.jpg")

    asked = [parse_qs(urlsplit((await api.get(file["url"])).headers["Location"]).query) for file in (note, photo)]

    assert [query.get("attachment") for query in asked] == [["true"], None]


async def test_the_address_there_ends_with_ours(api, owner, clock):
    file = await keep(api, owner, NOTE, "a.txt")
    clock.advance(minutes=40)

    led = (await api.get(file["url"])).headers["Location"]

    (expires,) = parse_qs(urlsplit(led).query)["expires_at"]
    assert expires == parse_qs(urlsplit(file["url"]).query)["exp"][0]


async def test_an_image_has_its_thumbnail_there_and_both_go_with_the_file(api, standin, owner):
    file = await keep(api, owner, samples.image_bytes(), "photo.jpg")
    small = (await api.get(file["thumbnailUrl"])).headers["Location"]
    assert (await fetched(small))[8:12] == b"WEBP"

    assert (await api.delete(f"/api/files/{file['id']}", owner)).status == 204

    assert standin.names() == []
    with pytest.raises(urllib.error.HTTPError, match="404") as refused:
        await fetched(small)
    refused.value.close()


@pytest.mark.parametrize(("how", "status"), [("full", 507), ("large", 413), ("error", 503)])
async def test_a_failed_upload_leaves_nothing(api, marquee, standin, owner, how, status):
    standin.fail("upload", how)

    reply = await upload(api, NOTE, owner, "a.txt", path="/api/files/upload")

    assert reply.status == status
    assert (standin.names(), await marquee.ground.collection("files").count({})) == ([], 0)
