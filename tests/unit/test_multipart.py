"""A multipart body with one file: read in any pieces, refused as soon as it is wrong, and nothing left behind."""

import asyncio
import errno
import hashlib
import os
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Invalid, Malformed, StorageFull, TooLarge, UnsupportedType
from handlers.multipart import Upload
from models.storage import spool

BORDER = "----b0rder"
TYPE = f"multipart/form-data; boundary={BORDER}"
FIELDS = {"name": 200, "tags": 200}
CONTENT = os.urandom(3_000_000)


def part(name, content, *, filename=None, extra=""):
    file = f'; filename="{filename}"' if filename is not None else ""
    if isinstance(content, str):
        content = content.encode()
    head = f'--{BORDER}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{extra}\r\n'
    return head.encode("utf-8", "surrogateescape") + content + b"\r\n"


def body(*parts, end=True):
    return b"".join(parts) + (f"--{BORDER}--\r\n".encode() if end else b"")


def receive(folder, whole, *, pieces=65_536, most=10_000_000, content_type=TYPE, take=True):
    """Feed `whole` in pieces; return what was received and its content. Whatever happens, nothing is left."""

    async def job():
        upload = Upload(content_type, folder, fields=FIELDS, most=most if callable(most) else lambda _: most)
        try:
            for i in range(0, len(whole), pieces):
                await upload.feed(whole[i : i + pieces])
            got = await upload.finish()
            return got, got.path.read_bytes() if take else None
        finally:
            await upload.abort()

    try:
        return asyncio.run(job())
    finally:
        assert list(folder.iterdir()) == []


def test_a_file_and_its_fields_arrive(tmp_path):
    got, content = receive(
        tmp_path, body(part("name", "Lobby é"), part("file", CONTENT, filename="a.png"), part("tags", "x"))
    )

    assert content == CONTENT
    assert (got.sha256, got.bytes) == (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    assert (got.name, dict(got.fields)) == ("a.png", {"name": "Lobby é", "tags": "x"})


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=3000), pieces=st.integers(1, 700))
def test_any_content_in_any_pieces_arrives_as_it_was(tmp_path_factory, content, pieces):
    whole = body(part("file", content, filename="x"))

    assert receive(tmp_path_factory.mktemp("incoming"), whole, pieces=pieces)[1] == content


def test_content_that_looks_like_a_boundary_is_content(tmp_path):
    tricky = f"\r\n--{BORDER[:-1]}\r\n\r\n--{BORDER}x--\r\n--".encode() * 500

    for pieces in (1, 7, 1000):
        assert receive(tmp_path, body(part("file", tricky, filename="x")), pieces=pieces)[1] == tricky


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\films\\\\a.mp4", "a.mp4"),
        ("..", ""),
        ("a%00.png", "a%00.png"),
        ("a\x00b\x07.png", "ab.png"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("é" * 300, "é" * 200),
        ("", ""),
    ],
)
def test_a_file_s_name_is_cut_to_its_last_part_and_cleaned(tmp_path, sent, shown):
    assert receive(tmp_path, body(part("file", b"x" * 100, filename=sent)))[0].name == shown


def test_a_name_cannot_smuggle_a_header(tmp_path):
    whole = body(part("file", b"x" * 100, filename='a.png"\r\nX-Evil: 1\r\nContent-Disposition: form-data; name="tags'))

    with pytest.raises((Malformed, Invalid)):
        receive(tmp_path, whole)


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ([part("file", CONTENT), part("file", CONTENT)], "file"),
        ([part("name", "a"), part("name", "b"), part("file", CONTENT)], "name"),
        ([part("name", "a")], "file"),
        ([part("file", CONTENT), part("role", "admin")], "role"),
        ([part("file", CONTENT), part("name", "x" * 201)], "name"),
        ([part("file", CONTENT), part("name", b"\xff\xfe")], "name"),
    ],
)
def test_wrong_fields_are_named(tmp_path, parts, path):
    with pytest.raises(Invalid) as refused:
        receive(tmp_path, body(*parts))
    assert refused.value.extra["errors"][0]["path"] == path


def test_a_field_of_another_name_is_told_which_there_are(tmp_path):
    with pytest.raises(Invalid) as refused:
        receive(tmp_path, body(part("image", CONTENT, filename="a.png")))

    assert refused.value.detail == "image: is not a field of this request, which takes file, name, tags."


GOOD = body(part("file", CONTENT[:5000], filename="x"))


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        b"hello",
        GOOD[:-10],
        GOOD[: len(GOOD) // 2],
        body(part("file", CONTENT), end=False),
        GOOD.replace(b"form-data", b"attachment"),
        GOOD.replace(BORDER.encode(), b"another"),
        b"--" + BORDER.encode() + b"\r\n" + b"X" * 40_000,
        b"--" + BORDER.encode() + b"\r\n" + b"X-A: b\r\n" * 10_000,
        b"--" + BORDER.encode() + b"\r\n\r\n" + b"nameless" * 10_000,
        b"--" + BORDER.encode() + b"\r\n\xff\xfe: 1\r\n\r\n",
        GOOD + b"after" * 20_000,
    ],
    ids=range(12),
)
@pytest.mark.parametrize("pieces", [100, 65_536])
def test_what_is_no_whole_multipart_body_is_malformed(tmp_path, whole, pieces):
    with pytest.raises(Malformed):
        receive(tmp_path, whole, pieces=pieces)


def test_another_content_type_is_refused_by_name(tmp_path):
    for other in ("application/json", "", "text/plain; boundary=x"):
        with pytest.raises(UnsupportedType):
            receive(tmp_path, GOOD, content_type=other)
    for broken in ("multipart/form-data", "multipart/form-data; boundary="):
        with pytest.raises(Malformed):
            receive(tmp_path, GOOD, content_type=broken)


def test_a_file_is_refused_by_its_first_bytes_or_as_soon_as_it_is_too_large(tmp_path):
    fed = 0

    def picky(head):
        assert head == CONTENT[:64]
        raise UnsupportedType

    async def job(most):
        nonlocal fed
        fed = 0
        upload = Upload(TYPE, tmp_path, fields=FIELDS, most=most)
        whole = body(part("file", CONTENT, filename="x"))
        try:
            for i in range(0, len(whole), 10_000):
                await upload.feed(whole[i : i + 10_000])
                fed += 1
        finally:
            await upload.abort()

    with pytest.raises(UnsupportedType):
        asyncio.run(job(picky))
    assert fed == 0
    with pytest.raises(TooLarge):
        asyncio.run(job(lambda _: 1_000_000))
    assert fed == 100
    assert list(tmp_path.iterdir()) == []


def test_a_tiny_file_is_decided_too(tmp_path):
    def picky(_head):
        raise UnsupportedType

    with pytest.raises(UnsupportedType):
        receive(tmp_path, body(part("file", b"tiny", filename="x")), most=picky)


def test_memory_stays_flat(tmp_path):
    async def job():
        upload = Upload(TYPE, tmp_path, fields=FIELDS, most=lambda _: 1 << 40)
        await upload.feed(part("file", b"", filename="x")[:-2])
        piece = bytes(65_536)
        tracemalloc.start()
        for _ in range(1600):  # 100 MiB
            await upload.feed(piece)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        await upload.abort()
        return peak

    assert asyncio.run(job()) < 8 << 20


def test_a_full_disk_is_told_and_nothing_is_left(tmp_path, monkeypatch):
    real, written = os.write, 0

    def full(descriptor, content):
        nonlocal written
        written += len(content)
        if written > 1 << 21:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, content)

    monkeypatch.setattr(spool.os, "write", full)
    with pytest.raises(StorageFull):
        receive(tmp_path, body(part("file", CONTENT, filename="x")))


def test_going_away_in_the_middle_of_a_write_leaves_nothing(tmp_path):
    async def job():
        upload = Upload(TYPE, tmp_path, fields=FIELDS, most=lambda _: 1 << 40)
        await upload.feed(part("file", CONTENT, filename="x"))
        feeding = asyncio.create_task(upload.feed(CONTENT))
        await asyncio.sleep(0)
        await upload.abort()
        await asyncio.gather(feeding, return_exceptions=True)
        await upload.feed(CONTENT)
        await asyncio.sleep(0.1)
        await upload.abort()

    asyncio.run(job())
    assert list(tmp_path.iterdir()) == []
