"""Media that are `processing` when their process dies are taken up by another."""

import asyncio
import urllib.request

import pytest

from tests import samples
from tests.unit.cloudinary_standin import Cloudinary
from tests.uploads import form


@pytest.fixture
def standin():
    with Cloudinary() as running:
        yield running


@pytest.fixture
def marquee(servers, standin):
    return servers(storage="cloudinary", cloudinary_url=standin.url)


@pytest.fixture
def other(marquee, servers, standin):
    return servers(storage="cloudinary", cloudinary_url=standin.url)


async def test_an_upload_whose_process_died_becomes_ready_in_another(
    api, editor, workspace, marquee, other, standin, eventually
):
    content = samples.image_bytes("PNG")
    ask = {"name": "Direct", "bytes": len(content), "contentType": "image/png", "workspaceId": workspace}
    given = (await api.post("/api/media/upload-ticket", ask, editor)).json
    body, content_type = form(content, fields=given["fields"])
    post = urllib.request.Request(given["url"], body, {"Content-Type": content_type})
    await asyncio.to_thread(lambda: urllib.request.urlopen(post, timeout=30).read())
    marquee.stores.processing._start = lambda media_id: None  # the process dies when it has answered
    await marquee.jobs.stop()
    media = (await api.post(f"/api/media/upload-ticket/{given['ticketId']}/complete", None, editor)).json
    assert media["status"] == "processing"

    async def ready():
        return (await api.get(f"/api/media/{media['id']}", editor)).json["status"] == "ready"

    await eventually(ready)
