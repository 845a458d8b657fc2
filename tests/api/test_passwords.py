"""Passwords: which are taken, and what hashing them costs everybody else."""

import asyncio
import threading
import unicodedata

import pytest

from core.errors import Unavailable
from core.passwords import COMMONEST, Passwords
from tests.clients import PASSWORD
from tests.promptness import within

NEW = "an altogether different one"
OWN_NAMES = ["anna.smith", "xAnna.Smithx", "ANNA.SMITH2026", "my.mail@EXAMPLE.com!", "its-my.mail-here"]


async def register(api, password, username="anna.smith", email="my.mail@example.com"):
    return await api.post("/api/auth/register", {"email": email, "password": password, "username": username})


@pytest.mark.parametrize("password", ["", "1234567", "x" * 129, "e\u0301" * 7, "a\u0301" * 129])
async def test_a_password_has_8_to_128_characters_as_people_count_them(api, password):
    reply = await register(api, password)

    assert (reply.status, [e["path"] for e in reply.json["errors"]]) == (422, ["password"])


@pytest.mark.parametrize(
    "password",
    [
        "8 chars!",
        "x y" * 42 + "zz",
        "пароль из слов",
        "🦊🦔🦉🐝🐢🦆🐍🦋",
        "é" * 64 + "è" * 64,
        "  both ends  ",
    ],
)
async def test_any_characters_will_do(api, password):
    assert (await register(api, password)).status == 201
    ask = {"email": "my.mail@example.com"}
    assert (await api.post("/api/auth/login", ask | {"password": password})).status == 200
    assert (await api.post("/api/auth/login", ask | {"password": password + " "})).status == 401
    assert (await api.post("/api/auth/login", ask | {"password": password.strip()[:-1]})).status == 401


@pytest.mark.parametrize("password", ["password", "PassWord", "123456789", "qwertyuiop", "aaaaaaaaaaaa", *OWN_NAMES])
async def test_the_commonest_and_ones_own_names_are_refused(api, password):
    reply = await register(api, password)

    assert (reply.status, [e["path"] for e in reply.json["errors"]]) == (422, ["password"])
    assert password not in str(reply.json).replace("password", "")


def test_the_list_of_the_commonest_holds_only_what_length_lets_through():
    assert all(len(word) >= 8 and word == word.casefold() for word in COMMONEST)


async def test_both_ways_to_write_a_letter_are_one_password(api):
    await register(api, unicodedata.normalize("NFD", "größenwahn é"))
    composed = {"email": "my.mail@example.com", "password": unicodedata.normalize("NFC", "größenwahn é")}

    assert (await api.post("/api/auth/login", composed)).status == 200


async def test_what_stands_behind_the_72nd_byte_counts(api):
    long = "é" * 60
    await register(api, long + "a")
    ask = {"email": "my.mail@example.com"}

    assert (await api.post("/api/auth/login", ask | {"password": long + "b"})).status == 401
    assert (await api.post("/api/auth/login", ask | {"password": long + "a"})).status == 200


@pytest.mark.parametrize("password", ["\x00" * 12, "before\x00after it", "\ud800" * 9])
async def test_what_no_field_may_hold_no_password_may(api, password):
    assert (await register(api, password)).status == 422
    assert (await api.post("/api/auth/login", {"email": "a@example.com", "password": password})).status == 422


async def test_hashes_are_bcrypt_of_cost_twelve_and_salted():
    passwords = Passwords("p" * 32)
    hashes = [await passwords.hash("the same password") for _ in range(2)]
    passwords.close()

    assert all(each.startswith("$2b$12$") for each in hashes)
    assert hashes[0] != hashes[1]


async def test_a_hash_is_worth_nothing_without_the_pepper():
    ours, theirs = Passwords("p" * 32, cost=4), Passwords("q" * 32, cost=4)
    hashed = await ours.hash(PASSWORD)

    assert await ours.matches(PASSWORD, hashed)
    assert not await theirs.matches(PASSWORD, hashed)
    assert not await ours.matches("decoy", None)
    for each in (ours, theirs):
        each.close()


async def test_a_full_queue_answers_503_at_once_and_takes_nobody_elses_time(api, marquee, monkeypatch):
    passwords, gate = Passwords("p" * 32, cost=4, threads=1, queue=2), threading.Event()
    monkeypatch.setattr(marquee.stores.accounts, "_passwords", passwords)
    hashings = [asyncio.ensure_future(passwords._run(gate.wait, 60)) for _ in range(3)]  # one runs and two wait
    asks = [{"email": f"nobody{i}@example.com", "password": PASSWORD} for i in range(9)]

    with within(2):
        refused = await asyncio.gather(*(api.post("/api/auth/login", ask) for ask in asks))
        assert (await api.get("/healthz")).status == 200
    gate.set()
    await asyncio.gather(*hashings)

    assert {(reply.status, reply.code) for reply in refused} == {(503, "unavailable")}
    assert all(reply.headers["Retry-After"] for reply in refused)
    assert (await api.post("/api/auth/login", asks[0])).status == 401
    passwords.close()


async def test_a_queue_that_has_become_slow_takes_fewer():
    passwords, begun, gate = Passwords("p" * 32, cost=4, threads=2), threading.Semaphore(0), threading.Event()
    passwords._seconds = 1.4  # what a hashing takes on cores that others use too

    def work():
        begun.release()
        return gate.wait(60)

    waiting = [asyncio.ensure_future(passwords._run(work)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):  # (5 + 1 - 2) turns of 0.7 s
        await passwords._run(work)
    gate.set()
    await asyncio.gather(*waiting)

    assert passwords._seconds < 1.4
    assert await passwords.matches("x", None) is False
    passwords.close()


async def test_a_full_queue_counts_as_nobodys_failure(api, owner, marquee, monkeypatch):
    full = Passwords("p" * 32, cost=4, threads=1, queue=-1)
    ours = marquee.stores.accounts._passwords
    monkeypatch.setattr(marquee.stores.accounts, "_passwords", full)
    change = {"currentPassword": PASSWORD, "newPassword": NEW}
    for _ in range(12):
        assert (await api.post("/api/auth/login", {"email": owner.email, "password": PASSWORD})).status == 503
        assert (await api.post("/api/auth/password", change, as_=owner)).status == 503
    full.close()
    monkeypatch.setattr(marquee.stores.accounts, "_passwords", ours)

    assert (await api.post("/api/auth/login", {"email": owner.email, "password": PASSWORD})).status == 200
    assert (await api.post("/api/auth/password", change, as_=owner)).status == 204


async def test_a_changed_password_is_the_only_one_that_works(api, owner):
    ask = {"currentPassword": PASSWORD, "newPassword": NEW}

    wrong = await api.post("/api/auth/password", ask | {"currentPassword": "not the right one"}, as_=owner)
    weak = await api.post("/api/auth/password", ask | {"newPassword": "owner@example.com"}, as_=owner)
    right = await api.post("/api/auth/password", ask, as_=owner)

    assert (wrong.status, wrong.code) == (401, "invalid_credentials")
    assert (weak.status, weak.json["errors"][0]["path"]) == (422, "newPassword")
    assert right.status == 204
    assert (await api.post("/api/auth/login", {"email": owner.email, "password": PASSWORD})).status == 401
    assert (await api.post("/api/auth/login", {"email": owner.email, "password": NEW})).status == 200


@pytest.mark.parametrize(
    ("path", "field"),
    [("register", "password"), ("password", "newPassword"), ("reset", "newPassword")],
)
async def test_the_description_says_how_long_a_new_password_may_be(api, path, field):
    described = (await api.get("/api/openapi.json")).json["paths"][f"/api/auth/{path}"]["post"]["requestBody"]

    told = described["content"]["application/json"]["schema"]["properties"][field]
    assert (told["minLength"], told["maxLength"]) == (8, 128)
    assert "normalisation" in told["description"]
