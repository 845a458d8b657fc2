"""Registering, signing in and out, the refresh cookie, the list of sessions."""

import asyncio
import re

import pytest

from core.passwords import Passwords
from tests.clients import PASSWORD, Api

ANN = {"email": "Ann@Example.com", "password": PASSWORD, "username": "Ann"}
NEW = "an altogether different one"


def cookie_of(reply):
    return re.match(r"marquee_refresh=([^;]*)", reply.headers["Set-Cookie"])[1]


async def sign_in(api, **changes):
    return await api.post("/api/auth/login", {"email": "ann@example.com", "password": PASSWORD} | changes)


async def test_registering_signs_in(api):
    reply = await api.post("/api/auth/register", ANN)
    session = reply.json

    assert (reply.status, reply.headers["Location"]) == (201, "/api/users/profile")
    assert set(session) == {"user", "accessToken", "refreshToken", "tokenType", "expiresIn"}
    assert (session["tokenType"], session["expiresIn"]) == ("Bearer", 900)
    profile = await api.get("/api/users/profile", as_=session["accessToken"])
    assert profile.json == session["user"]
    assert (profile.json["email"], profile.json["username"]) == ("Ann@Example.com", "Ann")
    assert "Set-Cookie" not in reply.headers


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"username": "other"}, "email_taken"),
        ({"username": "other", "email": "ANN@EXAMPLE.COM"}, "email_taken"),
        ({"email": "other@example.com"}, "username_taken"),
        ({"email": "other@example.com", "username": "aNN"}, "username_taken"),
    ],
)
async def test_addresses_and_usernames_are_unique_whatever_their_case(api, changes, code):
    await api.post("/api/auth/register", ANN)
    reply = await api.post("/api/auth/register", ANN | changes)

    assert (reply.status, reply.code) == (409, code)


async def test_of_many_who_race_for_a_name_one_gets_it(api):
    asks = [ANN | {"email": f"a{i}@example.com"} for i in range(6)]
    replies = await asyncio.gather(*(api.post("/api/auth/register", ask) for ask in asks))

    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "ann"),
        ("email", "ann@"),
        ("email", "@example.com"),
        ("email", "a@b@c"),
        ("email", "a b@example.com"),
        ("email", "a\r\nBcc: x@example.com"),
        ("email", "a" * 250 + "@example.com"),
        ("username", "ab"),
        ("username", "a" * 33),
        ("username", "ann smith"),
        ("username", "ann\n"),
        ("username", "аnn"),
        ("username", "<b>ann"),
        ("cookie", 1),
        ("role", "admin"),
    ],
)
async def test_what_is_no_account_is_refused(api, field, value):
    reply = await api.post("/api/auth/register", ANN | {field: value})

    assert (reply.status, [e["path"] for e in reply.json["errors"]]) == (422, [field])


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("username", "ann smith", "digits, dots, hyphens and underscores"), ("email", "ann", "like ann@example.org")],
)
async def test_a_refusal_says_what_is_allowed(api, field, value, said):
    reply = await api.post("/api/auth/register", ANN | {field: value})

    assert said in reply.json["detail"]


async def test_of_all_who_race_to_be_first_one_becomes_the_admin(api):
    async def register(i):
        return await api.post("/api/auth/register", {**ANN, "email": f"a{i}@example.com", "username": f"ann{i}"})

    replies = await asyncio.gather(*(register(i) for i in range(8)))

    assert {reply.status for reply in replies} == {201}
    assert sorted(reply.json["user"]["role"] for reply in replies) == ["admin"] + ["user"] * 7


def test_in_production_nobody_becomes_admin_and_registration_is_closed(io_loop, servers):
    async def register(**changes):
        api = Api(servers_of[changes["env"], changes.get("registration")].port)
        reply = await api.post("/api/auth/register", ANN)
        api.close()
        return reply

    kinds = [("production", None), ("production", "open")]
    servers_of = {(env, asked): servers(env=env, registration=asked) for env, asked in kinds}
    closed = io_loop.run_sync(lambda: register(env="production"))
    opened = io_loop.run_sync(lambda: register(env="production", registration="open"))

    assert (closed.status, closed.code) == (403, "forbidden")
    assert (opened.status, opened.json["user"]["role"]) == (201, "user")


async def test_signing_in_takes_the_address_in_any_case(api):
    await api.post("/api/auth/register", ANN)
    reply = await sign_in(api, email="ANN@example.COM")

    assert (reply.status, reply.json["user"]["username"]) == (200, "Ann")


async def test_an_unknown_address_and_a_wrong_password_look_the_same_and_cost_the_same(api, monkeypatch):
    await api.post("/api/auth/register", ANN)
    checked = []
    matches = Passwords.matches

    async def watched(self, password, hashed):
        checked.append(hashed)
        return await matches(self, password, hashed)

    monkeypatch.setattr(Passwords, "matches", watched)
    wrong = await sign_in(api, password="not the right one")
    unknown = await sign_in(api, email="nobody@example.com")
    nonsense = await sign_in(api, email="no address")

    assert [(r.status, r.code) for r in (wrong, unknown, nonsense)] == [(401, "invalid_credentials")] * 3
    assert wrong.json["detail"] == unknown.json["detail"] == nonsense.json["detail"]
    assert wrong.headers["WWW-Authenticate"] == "Bearer"
    assert [hashed is None for hashed in checked] == [False, True, True]  # None is hashed against a decoy


async def test_a_disabled_account_is_told_so_only_with_its_password(api, admin):
    ann = await api.person("ann")
    await api.patch(f"/api/users/{ann.id}", {"disabled": True}, as_=admin)

    right = await sign_in(api)
    wrong = await sign_in(api, password="something else")

    assert (right.status, right.code) == (403, "forbidden")
    assert (wrong.status, wrong.code) == (401, "invalid_credentials")


async def test_logging_out_ends_this_session_and_no_other(api):
    ann = await api.person("ann")
    other = (await sign_in(api)).json

    assert (await api.post("/api/auth/logout", as_=ann)).status == 204
    assert (await api.get("/api/users/profile", as_=ann)).code == "unauthenticated"
    assert (await api.post("/api/auth/refresh", {"refreshToken": ann.session["refreshToken"]})).status == 401
    assert (await api.get("/api/users/profile", as_=other["accessToken"])).status == 200


async def test_logging_out_everywhere_ends_every_session(api):
    ann = await api.person("ann")
    others = [(await sign_in(api)).json for _ in range(3)]

    assert (await api.post("/api/auth/logout-all", as_=ann)).status == 204
    for token in (ann.token, *(o["accessToken"] for o in others)):
        assert (await api.get("/api/users/profile", as_=token)).status == 401


async def test_nobody_can_log_out(api):
    assert (await api.post("/api/auth/logout")).status == 401
    assert (await api.post("/api/auth/logout-all")).status == 401


async def test_a_refresh_token_that_is_wrong_does_not_keep_the_access_token_alive(api):
    ann = await api.person("ann")

    assert (await api.post("/api/auth/logout", {"refreshToken": "nonsense"}, as_=ann)).status == 204
    assert (await api.get("/api/users/profile", as_=ann)).status == 401


async def test_sessions_are_listed_and_ended_one_by_one(api, stranger):
    ann = await api.person("ann")
    phone = await api.ask(
        "POST",
        "/api/auth/login",
        {"email": ann.email, "password": PASSWORD},
        headers={"User-Agent": "Phone/1.0 " + "x" * 500},
    )
    listed = (await api.get("/api/auth/sessions", as_=ann)).json

    assert listed["total"] == 2
    assert set(listed["items"][0]) == {"id", "device", "ip", "createdAt", "lastUsedAt", "current"}
    assert [s["current"] for s in listed["items"]] == [False, True]
    assert listed["items"][0]["device"].startswith("Phone/1.0")
    assert listed["items"][0]["ip"] == "127.0.0.1"

    path = f"/api/auth/sessions/{listed['items'][0]['id']}"
    assert (await api.delete(path, as_=stranger)).status == 404
    assert (await api.delete(path, as_=ann)).status == 204
    assert (await api.delete(path, as_=ann)).status == 404
    assert (await api.get("/api/users/profile", as_=phone.json["accessToken"])).status == 401
    assert (await api.get("/api/auth/sessions", as_=ann)).json["total"] == 1


async def test_with_a_cookie_the_refresh_token_is_not_in_the_body(api):
    reply = await api.post("/api/auth/register", ANN | {"cookie": True})
    attributes = reply.headers["Set-Cookie"].split("; ")[1:]

    assert "refreshToken" not in reply.json
    assert sorted(attributes) == ["HttpOnly", "Max-Age=7776000", "Path=/api/auth", "SameSite=Strict"]
    refreshed = await api.post("/api/auth/refresh", headers=own_page(api, cookie_of(reply)))
    assert refreshed.status == 200
    assert "refreshToken" not in refreshed.json
    assert cookie_of(refreshed) != cookie_of(reply)


def own_page(api, token, origin=None):
    return {"Cookie": f"marquee_refresh={token}", "Origin": origin or api.base}


def test_the_cookie_is_secure_where_browsers_come_by_https(io_loop, servers):
    api = Api(servers(public_url="https://screens.example.com").port)
    reply = io_loop.run_sync(lambda: api.post("/api/auth/register", ANN | {"cookie": True}))
    public = own_page(api, cookie_of(reply), "https://screens.example.com")
    refreshed = io_loop.run_sync(lambda: api.post("/api/auth/refresh", headers=public))
    api.close()

    assert reply.headers["Set-Cookie"].endswith("; Secure")
    assert refreshed.status == 200


@pytest.mark.parametrize("origin", [None, "", "null", "https://evil.example", "http://127.0.0.1:1", "127.0.0.1"])
@pytest.mark.parametrize("call", ["refresh", "logout"])
async def test_the_cookie_counts_only_from_our_own_pages(api, origin, call):
    token = cookie_of(await api.post("/api/auth/register", ANN | {"cookie": True}))
    headers = {"Cookie": f"marquee_refresh={token}"} | ({} if origin is None else {"Origin": origin})

    reply = await api.post(f"/api/auth/{call}", headers=headers)

    assert (reply.status, reply.code) == (403, "forbidden")
    assert (await api.post("/api/auth/refresh", headers=own_page(api, token))).status == 200


async def test_a_token_in_the_body_wins_over_the_cookie(api):
    token = cookie_of(await api.post("/api/auth/register", ANN | {"cookie": True}))
    other = (await sign_in(api)).json["refreshToken"]

    reply = await api.post(
        "/api/auth/refresh", {"refreshToken": other}, headers=own_page(api, token, "https://x.example")
    )

    assert (reply.status, "refreshToken" in reply.json) == (200, True)
    assert (await api.post("/api/auth/refresh", headers=own_page(api, token))).status == 200


async def test_the_cookie_alone_logs_out_and_is_cleared(api, clock):
    made = await api.post("/api/auth/register", ANN | {"cookie": True})
    clock.advance(hours=1)  # the access token has long expired
    headers = own_page(api, cookie_of(made)) | {"Authorization": f"Bearer {made.json['accessToken']}"}

    reply = await api.post("/api/auth/logout", headers=headers)

    assert reply.status == 204
    assert reply.headers["Set-Cookie"].startswith("marquee_refresh=; Max-Age=0; Path=/api/auth")
    assert (await api.post("/api/auth/refresh", headers=own_page(api, cookie_of(made)))).status == 401


async def test_a_call_without_any_refresh_token_is_unauthenticated(api):
    for body in (None, {}, {"refreshToken": "a.0.b.c"}, {"refreshToken": "a" * 500}):
        reply = await api.post("/api/auth/refresh", body)
        assert (reply.status, reply.code) == (401, "unauthenticated")
