"""Refresh tokens: they rotate, a repeat logs nobody out, a theft ends the family."""

import asyncio

from tests.clients import PASSWORD, Api


async def refresh(api, token):
    return await api.post("/api/auth/refresh", {"refreshToken": token})


async def test_each_use_gives_a_new_token(api, owner, clock):
    seen, token = set(), owner.session["refreshToken"]
    for _ in range(5):
        clock.advance(minutes=14)
        reply = await refresh(api, token)
        assert (reply.status, reply.json["user"]["id"]) == (200, owner.id)
        assert (await api.get("/api/users/profile", as_=reply.json["accessToken"])).status == 200
        token = reply.json["refreshToken"]
        assert token not in seen
        seen.add(token)


async def test_twenty_at_once_make_one_successor_and_log_nobody_out(api, owner):
    replies = await asyncio.gather(*(refresh(api, owner.session["refreshToken"]) for _ in range(20)))

    assert {reply.status for reply in replies} == {200}
    successors = {reply.json["refreshToken"] for reply in replies}
    assert len(successors) == 1
    assert (await refresh(api, successors.pop())).status == 200


def test_twenty_at_once_on_two_processes_make_one_successor(io_loop, api, owner, servers):
    other = Api(servers().port)

    async def race():
        token = owner.session["refreshToken"]
        for _ in range(3):
            replies = await asyncio.gather(*(refresh(each, token) for each in (api, other) * 10))
            assert {reply.status for reply in replies} == {200}
            (token,) = {reply.json["refreshToken"] for reply in replies}

    io_loop.run_sync(race)
    other.close()


async def test_within_the_grace_a_used_token_gets_the_newest_always_the_same(api, owner, clock):
    first = owner.session["refreshToken"]
    second = (await refresh(api, first)).json["refreshToken"]
    clock.advance(seconds=4)
    third = (await refresh(api, second)).json["refreshToken"]

    for used in (first, second, first):
        assert (await refresh(api, used)).json["refreshToken"] == third
    assert (await refresh(api, third)).status == 200


async def test_a_token_used_again_after_the_grace_ends_its_family(api, owner, clock):
    first = owner.session["refreshToken"]
    second = (await refresh(api, first)).json
    clock.advance(seconds=11)

    reused = await refresh(api, first)

    assert (reused.status, reused.code) == (401, "refresh_reused")
    assert (await refresh(api, second["refreshToken"])).status == 401
    assert (await api.get("/api/users/profile", as_=second["accessToken"])).status == 401
    assert (await api.post("/api/auth/login", {"email": owner.email, "password": PASSWORD})).status == 200


async def test_another_family_is_not_touched(api, owner, clock):
    other = (await api.post("/api/auth/login", {"email": owner.email, "password": PASSWORD})).json
    await refresh(api, owner.session["refreshToken"])
    clock.advance(minutes=1)
    assert (await refresh(api, owner.session["refreshToken"])).code == "refresh_reused"

    assert (await refresh(api, other["refreshToken"])).status == 200


async def test_a_forged_old_token_ends_nothing(api, owner, clock):
    token = (await refresh(api, owner.session["refreshToken"])).json["refreshToken"]
    clock.advance(minutes=1)
    sid, number, secret, mac = token.split(".")
    forged = [
        f"{sid}.0.{secret}.{mac}",
        f"{sid}.{number}.{secret}.{'0' * 32}",
        f"{sid}.99.{secret}.{mac}",
        f"{sid}.x.{secret}.{mac}",
        token + "a",
        token[:-1],
        token.upper(),
    ]
    for one in forged:
        reply = await refresh(api, one)
        assert (reply.status, reply.code) == (401, "unauthenticated"), one

    assert (await refresh(api, token)).status == 200


async def test_thirty_idle_days_end_a_session(api, owner, clock):
    clock.advance(days=29, hours=23)
    token = (await refresh(api, owner.session["refreshToken"])).json["refreshToken"]
    clock.advance(days=30, minutes=1)

    assert (await refresh(api, token)).status == 401


async def test_ninety_days_end_a_session_however_busy(api, owner, clock):
    token = owner.session["refreshToken"]
    for _ in range(3):
        clock.advance(days=29)
        token = (await refresh(api, token)).json["refreshToken"]
    clock.advance(days=2, hours=23)
    token = (await refresh(api, token)).json["refreshToken"]
    clock.advance(hours=2)

    assert (await refresh(api, token)).status == 401


async def test_only_a_hash_is_stored(api, owner, marquee):
    kept = str(await marquee.ground.collection("sessions").find({}))

    token = owner.session["refreshToken"]
    assert token not in kept
    assert token.split(".")[2] not in kept


async def test_a_refresh_counts_per_session_and_not_as_anonymous(api, owner):
    first = await refresh(api, owner.session["refreshToken"])
    second = await refresh(api, first.json["refreshToken"])

    assert first.headers["RateLimit"].startswith('"user";r=')
    left = [int(reply.headers["RateLimit"].split("r=")[1].split(";")[0]) for reply in (first, second)]
    assert left[0] - left[1] == 1
