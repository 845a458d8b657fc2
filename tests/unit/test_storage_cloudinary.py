"""Media at Cloudinary: the real SDK against a stand-in that checks what the real service checks."""

import asyncio
import hashlib
import secrets
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.error import HTTPError

import pytest
from urllib3 import Timeout

from core.errors import NotFound, StorageFull, TooLarge, Unavailable
from models.storage.cloudinary import Account, CloudinaryStorage
from models.storage.direct import CloudinaryDirect
from tests import samples
from tests.promptness import within
from tests.unit.cloudinary_standin import Cloudinary

TICKET = "6560aa11bb22cc33dd44ee55"
SECONDS, SLOW = 1.5, 4.0  # that a call may take, and that a slow one takes


@pytest.fixture
def standin():
    with Cloudinary(slow_seconds=SLOW) as running:
        yield running


@pytest.fixture
def account(standin):
    made = Account(standin.url)
    yield made
    made.close()


@pytest.fixture
def hurried(account):
    """Let no call take longer than SECONDS: where one is slow on purpose, for others may be so by themselves."""
    account.timeout = Timeout(SECONDS)


@pytest.fixture
def storage(account):
    return CloudinaryStorage(account, CloudinaryDirect(account))


@pytest.fixture
def png(tmp_path):
    return as_file(tmp_path, samples.image_bytes("PNG"), "png")


def as_file(folder, content, ext):
    path = folder / "source"
    path.write_bytes(content)
    return path, f"{hashlib.sha256(content).hexdigest()}.{ext}"


def fetched(address):
    return ask(address)[1]


def ask(request):
    """Return status and body; an HTTPError is closed before it goes on."""
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except HTTPError as e:
        e.close()
        raise


def post(address, fields, content):
    """Post a form as a browser does."""
    border = secrets.token_hex(8)
    parts = [f'--{border}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    body = "".join(parts).encode()
    body += f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'.encode()
    body += content + f"\r\n--{border}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={border}"}
    return ask(urllib.request.Request(address, body, headers))[0]


def test_what_was_put_is_served_byte_for_byte_from_a_private_address(standin, storage, png):
    path, key = png
    asyncio.run(storage.put(path, key))

    assert standin.names() == [f"image/marquee/{key[:-4]}"]
    assert fetched(storage.url(key, datetime.now(UTC))) == path.read_bytes()


def test_a_thumbnail_and_its_content_lie_apart(standin, storage, png):
    path, key = png
    asyncio.run(storage.put(path, key))
    asyncio.run(storage.put(path, f"thumbs/{key}"))

    assert standin.names() == [f"image/marquee/{key[:-4]}", f"image/marquee/thumbs/{key[:-4]}"]


def test_an_address_is_the_same_all_through_its_window(storage, png):
    now = datetime(2026, 11, 21, tzinfo=UTC)
    same = {storage.url(png[1], now + timedelta(seconds=s)) for s in (0, 1, 3600)}

    assert len(same) == 1
    assert same != {storage.url(png[1], now + timedelta(days=7))}


def test_an_expired_or_altered_address_is_refused(storage, png):
    asyncio.run(storage.put(*png))
    expired = storage.url(png[1], datetime.now(UTC) - timedelta(days=15))
    altered = storage.url(png[1], datetime.now(UTC)).replace("expires_at=1", "expires_at=2")

    for address in (expired, altered):
        with pytest.raises(HTTPError) as refused:
            fetched(address)
        assert refused.value.code == 401


def test_a_large_file_goes_in_chunks(standin, storage, tmp_path):
    film = samples.video(tmp_path / "film.mp4").read_bytes()
    path, key = as_file(tmp_path, film + b"\0\0\0\x08free" * 1_700_000, "mp4")
    asyncio.run(storage.put(path, key))

    ranges = [headers["Content-Range"] for _, _, headers in standin.requests]
    assert len(ranges) == 3
    assert ranges[0].startswith("bytes 0-5999999/")
    assert standin.names() == [f"video/marquee/{key[:-4]}"]
    assert fetched(storage.url(key, datetime.now(UTC))) == path.read_bytes()


def test_a_lost_chunk_fails_the_upload_and_a_retry_mends_it(standin, storage, tmp_path):
    film = samples.video(tmp_path / "film.mp4").read_bytes()
    path, key = as_file(tmp_path, film + b"\0\0\0\x08free" * 1_000_000, "mp4")
    standin.fail("upload", "cut")

    with pytest.raises(Unavailable):
        asyncio.run(storage.put(path, key))
    asyncio.run(storage.put(path, key))
    assert fetched(storage.url(key, datetime.now(UTC))) == path.read_bytes()


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("error", Unavailable),
        ("garbage", Unavailable),
        ("cut", Unavailable),
        ("limit", Unavailable),
        ("full", StorageFull),
        ("large", TooLarge),
    ],
)
def test_what_goes_wrong_there_has_a_name_here(standin, storage, png, how, problem):
    standin.fail("upload", how)

    with pytest.raises(problem) as refused:
        asyncio.run(storage.put(*png))

    assert "123456789012345" not in str(refused.value.body())
    assert standin.names() == []


@pytest.mark.usefixtures("hurried")
def test_a_slow_answer_is_not_waited_for(standin, storage, png):
    standin.fail("upload", "slow")

    with within(SLOW - 0.5), pytest.raises(Unavailable):
        asyncio.run(storage.put(*png))


def test_a_lost_answer_leaves_what_a_retry_finds_and_a_delete_removes(standin, storage, png):
    standin.fail("upload", "lost")

    with pytest.raises(Unavailable):
        asyncio.run(storage.put(*png))
    assert len(standin.names()) == 1

    asyncio.run(storage.put(*png))
    assert len(standin.names()) == 1
    asyncio.run(storage.delete(png[1]))
    assert standin.names() == []


def test_deleting_what_is_not_there_is_no_error(standin, storage, png):
    asyncio.run(storage.delete(png[1]))

    standin.fail("destroy", "error")
    with pytest.raises(Unavailable):
        asyncio.run(storage.delete(png[1]))


def test_a_wrong_secret_is_unavailable_and_not_told(standin, png):
    account = Account(standin.url.replace("a-secret", "another-secret"))

    with pytest.raises(Unavailable) as refused:
        asyncio.run(CloudinaryStorage(account, CloudinaryDirect(account)).put(*png))
    assert "Signature" not in str(refused.value.body())


@pytest.mark.usefixtures("hurried")
def test_the_loop_runs_on_while_the_storage_is_slow(standin, storage, png):
    standin.fail("upload", "slow")
    ticks = 0

    async def job():
        nonlocal ticks
        task = asyncio.create_task(storage.put(*png))
        while not task.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert isinstance(task.exception(), Unavailable)

    asyncio.run(job())
    assert ticks > 5, "a loop that is held up ticks once"


def test_a_browser_uploads_on_a_ticket_and_the_server_fetches_it(standin, storage, png, tmp_path):
    now = datetime.now(UTC)
    address, fields = storage.direct.ticket(TICKET, "image/png", now)
    assert all(isinstance(value, str) for value in fields.values())
    assert post(address, fields, png[0].read_bytes()) == 200

    asyncio.run(storage.direct.fetch(TICKET, "image/png", tmp_path / "raw", most=10_000_000, now=now))
    assert (tmp_path / "raw").read_bytes() == png[0].read_bytes()

    asyncio.run(storage.direct.discard(TICKET))
    assert standin.names() == []


def test_a_ticket_is_for_its_own_asset_only(standin, storage, png):
    address, fields = storage.direct.ticket(TICKET, "image/png", datetime.now(UTC))
    for change in (
        {"public_id": "marquee/" + "0" * 64},
        {"type": "upload"},
        {"overwrite": "true"},
        {"allowed_formats": "svg"},
    ):
        with pytest.raises(HTTPError) as refused:
            post(address, fields | change, png[0].read_bytes())
        assert refused.value.code == 401
    with pytest.raises(HTTPError):
        post(address, fields, b"<svg/>")
    assert standin.names() == []


def test_an_old_ticket_is_refused(storage, png):
    address, fields = storage.direct.ticket(TICKET, "image/png", datetime.now(UTC) - timedelta(hours=2))
    with pytest.raises(HTTPError) as refused:
        post(address, fields, png[0].read_bytes())
    assert refused.value.code == 400


def test_nothing_uploaded_too_much_and_a_broken_storage_are_told_apart(standin, account, storage, png, tmp_path):
    now = datetime.now(UTC)

    def fetch(most=10_000_000):
        asyncio.run(storage.direct.fetch(TICKET, "image/png", tmp_path / "raw", most=most, now=now))

    with pytest.raises(NotFound):
        fetch()
    post(*storage.direct.ticket(TICKET, "image/png", now), png[0].read_bytes())
    with pytest.raises(TooLarge):
        fetch(most=100)
    usual = account.timeout
    for action, how in (("resource", "error"), ("download", "error"), ("download", "cut"), ("download", "slow")):
        standin.fail(action, how)
        account.timeout = Timeout(SECONDS) if how == "slow" else usual
        with pytest.raises(Unavailable):
            fetch()
    account.timeout = usual
    fetch()
