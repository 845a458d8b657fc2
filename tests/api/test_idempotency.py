"""Idempotency-Key: the first answer again, whatever became of the first request."""

import asyncio

import pytest

from core.errors import Unavailable
from models import idempotency
from models.idempotency import RELEASE_SECONDS
from tests.clients import PASSWORD, Api
from tests.promptness import PATIENCE

WHERE = "/api/workspaces"
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
ANN = {"email": "ann@example.com", "password": PASSWORD, "username": "ann"}


async def make(api, who, name="Shops", key=KEY, path=WHERE):
    return await api.post(path, {"name": name}, as_=who, headers=key)


async def count(api, who):
    return (await api.get(WHERE, as_=who)).json["total"]


def told(reply):
    return reply.status, reply.headers["Location"], reply.headers["ETag"], reply.headers["Content-Type"], reply.body


async def test_a_repeat_gets_the_same_answer_and_does_nothing(api, owner):
    first, again = await make(api, owner), await make(api, owner)

    assert first.status == 201
    assert told(again) == told(first)
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert await count(api, owner) == 2


def test_another_process_gives_the_first_answer(io_loop, api, owner, servers):
    other = Api(servers().port)
    first = io_loop.run_sync(lambda: make(api, owner))
    again = io_loop.run_sync(lambda: make(other, owner))
    other.close()

    assert told(again) == told(first)


def test_the_first_answer_outlives_a_rotated_key(io_loop, api, owner, servers, settings):
    rotated = Api(servers(secret_key="r" * 20 + "9876543210zyxwvutsrq", secret_key_previous=settings.secret_key).port)
    first = io_loop.run_sync(lambda: make(api, owner))
    again = io_loop.run_sync(lambda: make(rotated, owner))
    other = io_loop.run_sync(lambda: make(rotated, owner, key={"Idempotency-Key": "another"}))
    rotated.close()

    assert told(again) == told(first)
    assert other.json["id"] != first.json["id"]


async def test_another_body_or_address_under_the_same_key_is_refused(api, owner, workspace):
    await make(api, owner)
    for body, path in (("Malls", WHERE), ("Shops", "/api/playlists")):
        reply = await make(api, owner, body, path=path)
        assert (reply.status, reply.code) == (422, "invalid"), path
        assert reply.json["errors"][0]["path"] == "Idempotency-Key"


async def test_the_order_of_fields_does_not_matter(api):
    first = await api.post("/api/auth/register", ANN, headers=KEY)
    again = await api.post("/api/auth/register", dict(reversed(ANN.items())), headers=KEY)

    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body


async def test_a_key_belongs_to_its_caller(api, owner, stranger):
    first, theirs = await make(api, owner), await make(api, stranger)

    assert first.json["id"] != theirs.json["id"]
    assert (await count(api, owner), await count(api, stranger)) == (2, 2)


@pytest.mark.parametrize("key", ["", "k" * 65, "a\tb"])
async def test_a_key_has_1_to_64_characters(api, owner, key):
    reply = await make(api, owner, key={"Idempotency-Key": key})

    assert (reply.status, reply.json["errors"][0]["path"]) == (422, "Idempotency-Key")
    assert await count(api, owner) == 1


async def test_of_many_at_once_one_acts(api, owner):
    replies = await asyncio.gather(*(make(api, owner) for _ in range(12)))
    made = [reply for reply in replies if reply.status == 201]
    waiting = [reply for reply in replies if reply.status == 503]

    assert len({reply.json["id"] for reply in made}) == 1
    assert len(made) + len(waiting) == 12
    assert all(reply.headers["Retry-After"] for reply in waiting)
    assert await count(api, owner) == 2
    assert told(await make(api, owner)) == told(made[0])


async def test_a_refusal_is_an_answer_too(api, owner, stranger):
    path = f"{WHERE}/{'0' * 24}/members"
    ask = {"email": "a@example.com", "role": "viewer"}
    first = await api.post(path, ask, as_=owner, headers=KEY)
    again = await api.post(path, ask, as_=owner, headers=KEY)

    assert first.status == 404
    assert again.body == first.body
    assert first.json["requestId"] == first.headers["X-Request-Id"]


async def test_a_wrong_body_takes_no_key(api, owner):
    assert (await make(api, owner, name="")).status == 422
    assert (await make(api, owner)).status == 201


async def test_a_wrong_password_takes_no_key(api, owner):
    ask = {"email": owner.email, "password": "not the right one"}
    assert (await api.post("/api/auth/login", ask, headers=KEY)).status == 401
    assert (await api.post("/api/auth/login", ask | {"password": PASSWORD}, headers=KEY)).status in {200, 422}


async def test_tokens_are_the_same_again_and_still_good(api):
    first = await api.post("/api/auth/register", ANN, headers=KEY)
    again = await api.post("/api/auth/register", ANN, headers=KEY)

    assert again.body == first.body
    assert (await api.post("/api/auth/refresh", {"refreshToken": again.json["refreshToken"]})).status == 200


async def test_a_cookie_comes_again_too(api):
    first = await api.post("/api/auth/register", ANN | {"cookie": True}, headers=KEY)
    again = await api.post("/api/auth/register", ANN | {"cookie": True}, headers=KEY)

    assert again.headers["Set-Cookie"] == first.headers["Set-Cookie"]


async def test_what_is_kept_is_sealed(api, marquee):
    first = await api.post("/api/auth/register", ANN, headers=KEY)
    kept = str(await marquee.ground.collection("idempotency").find({}))

    for secret in (first.json["accessToken"], first.json["refreshToken"], "ann@example.com", KEY["Idempotency-Key"]):
        assert secret not in kept


async def test_after_24_hours_a_key_is_new(api, owner, clock):
    first = await make(api, owner)
    clock.advance(hours=24, seconds=1)
    token = (await api.post("/api/auth/login", {"email": owner.email, "password": PASSWORD})).json["accessToken"]

    again = await make(api, token)

    assert again.status == 201
    assert again.json["id"] != first.json["id"] or again.json["createdAt"] == first.json["createdAt"]


class TestAfterALostAnswer:
    """The first request has written, and nobody has heard: its process died, or the commit's outcome was unknown."""

    @pytest.fixture
    def dies(self, marquee, monkeypatch):
        """Make the next answer be lost after everything was written."""

        def after(store, method, error):
            work, lost = getattr(store, method), []

            async def run(*args, **options):
                done = await work(*args, **options)
                if not lost:
                    lost.append(done)
                    raise error
                return done

            monkeypatch.setattr(store, method, run)
            return lost

        return after

    async def test_an_unknown_outcome_is_found_again(self, api, owner, marquee, dies):
        lost = dies(marquee.stores.workspaces, "create", Unavailable())

        first, again = await make(api, owner), await make(api, owner)

        assert (first.status, again.status) == (503, 201)
        assert again.json["id"] == lost[0]["_id"]
        assert await count(api, owner) == 2

    async def test_a_registration_whose_answer_was_lost_is_made_once(self, api, marquee, dies):
        lost = dies(marquee.stores.accounts, "register", Unavailable())

        first = await api.post("/api/auth/register", ANN, headers=KEY)
        again = await api.post("/api/auth/register", ANN, headers=KEY)

        assert (first.status, again.status) == (503, 201)
        assert again.json["user"]["id"] == lost[0]["user"]["_id"]
        assert (await api.get("/api/users/profile", as_=again.json["accessToken"])).status == 200
        assert (await api.post("/api/auth/refresh", {"refreshToken": again.json["refreshToken"]})).status == 200
        assert len((await api.get("/api/auth/sessions", as_=again.json["accessToken"])).json["items"]) == 1

    async def test_a_refusal_does_not_wait_for_a_store_that_is_away(self, api, owner, marquee, monkeypatch, dies):
        dies(marquee.stores.workspaces, "create", Unavailable())
        monkeypatch.setattr(idempotency, "RELEASE_SECONDS", RELEASE_SECONDS)
        monkeypatch.setattr(marquee.stores.idempotency._docs, "update", lambda *_: asyncio.sleep(3600))

        async with asyncio.timeout(PATIENCE):  # what is asked is cut off later
            reply = await make(api, owner)

        assert (reply.status, reply.code) == (503, "unavailable")

    async def test_a_process_that_died_is_taken_over_after_a_while(self, api, owner, marquee, clock, dies):
        dies(marquee.stores.workspaces, "create", Unavailable())
        release = marquee.stores.idempotency._release
        marquee.stores.idempotency._release = lambda record: asyncio.sleep(0)  # a dead process releases nothing
        await make(api, owner)
        marquee.stores.idempotency._release = release

        early = await make(api, owner)
        clock.advance(seconds=16)
        late = await make(api, owner)

        assert (early.status, late.status) == (503, 201)
        assert await count(api, owner) == 2
