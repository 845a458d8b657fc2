"""Bodies: what is read, and what is refused with which status. The contract's section 1."""

import json

import pytest

WHERE = "/api/workspaces"
JSON = {"Content-Type": "application/json"}


async def send(api, owner, raw, headers=None):
    return await api.ask("POST", WHERE, raw=raw, headers=JSON | (headers or {}), as_=owner)


@pytest.mark.parametrize(
    "raw",
    [
        b"not json",
        b"{",
        b"   ",
        b'{"name": "a"} trailing',
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": "a", "name": "b"}',
        b'{"name": {"a": 1, "a": 2}}',
        b'\xef\xbb\xbf{"name": "with a byte order mark"}',
        '{"name": "wide"}'.encode("utf-16"),
        b'{"name": "\xff\xfe"}',
        b"[" * 100_000,
        b'{"name": ' + b"9" * 5000 + b"}",
        b"name=form",
    ],
)
async def test_what_is_no_json_or_repeats_a_key_is_malformed(api, owner, raw):
    reply = await send(api, owner, raw)

    assert (reply.status, reply.code) == (400, "malformed")


@pytest.mark.parametrize("value", [None, 1, True, ["a"], {"$ne": None}, {"$gt": ""}, 2**70])
async def test_a_field_of_another_type_is_invalid_and_named(api, owner, value):
    reply = await send(api, owner, json.dumps({"name": value}).encode())

    assert (reply.status, reply.code) == (422, "invalid")
    assert [error["path"].split(".")[0] for error in reply.json["errors"]] == ["name"]


@pytest.mark.parametrize(
    "raw",
    [
        b"[]",
        b"null",
        b'"text"',
        b"17",
        b'{"name": 1e999}',
        b'{"name": "a\\u0000b"}',
        b'{"name": "\\ud800"}',
        b'{"\\udfff": 1, "name": "a"}',
        b'{"\\u0000": 1, "name": "a"}',
        b'{"name": "a", "size": 1}',
        b'{"name": "a", "$where": "1"}',
        b'{"name": "a", "__proto__": {}}',
        b"{}",
        b'{"name": ""}',
        b'{"name": " \\t "}',
        b'{"name": 99999999999999999999999}',
        b'{"name": ' + b'{"a":' * 40 + b"1" + b"}" * 41,
        json.dumps({"name": "x" * 81}).encode(),
    ],
)
async def test_what_no_field_may_hold_is_invalid(api, owner, raw):
    reply = await send(api, owner, raw)

    assert (reply.status, reply.code) == (422, "invalid")
    assert reply.json["errors"]
    assert len((await api.get(WHERE, as_=owner)).json["items"]) == 1


async def test_every_wrong_field_is_named(api):
    body = {"email": "nobody", "password": 5, "username": "a b", "cookie": "yes", "more": 1}
    reply = await api.post("/api/auth/register", body)

    assert (reply.status, reply.json["detail"]) == (422, "5 fields are wrong.")
    assert [e["path"] for e in reply.json["errors"]] == ["cookie", "email", "more", "password", "username"]


async def test_an_absent_body_equals_an_empty_one(api, owner):
    absent = await api.ask("POST", WHERE, as_=owner)
    empty = await api.post(WHERE, {}, as_=owner)

    assert (absent.status, absent.json["errors"]) == (422, [{"path": "name", "message": "is required"}])
    assert {**absent.json, "requestId": ""} == {**empty.json, "requestId": ""}
    assert (await api.post("/api/auth/logout-all", {}, as_=owner)).status == 204


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": ""},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br"},
    ],
)
async def test_another_content_type_or_an_encoding_is_unsupported(api, owner, headers):
    reply = await send(api, owner, b'{"name": "a"}', headers)

    assert (reply.status, reply.code) == (415, "unsupported_type")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=UTF-8", "Application/JSON", 'application/json;charset="utf-8"']
)
async def test_json_may_be_called_by_its_other_names(api, owner, kind):
    assert (await send(api, owner, b'{"name": "a"}', {"Content-Type": kind})).status == 201


async def test_a_body_over_256_kib_is_too_large(api, owner):
    most = 256 * 1024
    fits = json.dumps({"name": "a"}).encode().ljust(most)

    assert (await send(api, owner, fits)).status == 201
    for extra in (1, most, 40 * most):
        reply = await send(api, owner, fits + b" " * extra)
        assert (reply.status, reply.code) == (413, "too_large")
        assert reply.json["detail"] == "A JSON body may have at most 256 KiB."


async def test_a_chunked_body_is_measured_too(api, owner):
    async def produce(write, size):
        for _ in range(size // 1024):
            await write(b" " * 1023 + b"\n")
        await write(b'{"name": "a"}')

    headers = {**JSON, "Authorization": f"Bearer {owner.token}", "Transfer-Encoding": "chunked"}
    small = await api.ask("POST", WHERE, headers=headers, body_producer=lambda write: produce(write, 4096))
    large = await api.ask("POST", WHERE, headers=headers, body_producer=lambda write: produce(write, 300 * 1024))

    assert small.status == 201
    assert (large.status, large.code) == (413, "too_large")


async def test_text_is_kept_as_it_was_sent(api, owner):
    name = "<b>$where</b> \u202e \U0001f469\u200d\U0001f467 {{7*7}} ' OR 1=1"
    made = await api.post(WHERE, {"name": name}, as_=owner)

    assert (made.status, made.json["name"]) == (201, name)
