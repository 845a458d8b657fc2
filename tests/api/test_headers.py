"""Headers: protection, CORS, request ids, versions and methods, on every answer alike."""

from dataclasses import replace

import pytest

from tests.clients import Api

HELMET = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Origin-Agent-Cluster": "?1",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "X-Download-Options": "noopen",
    "X-Frame-Options": "SAMEORIGIN",
    "X-Permitted-Cross-Domain-Policies": "none",
    "X-XSS-Protection": "0",
}
LISTED = "https://app.example.com"
EXPOSED = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id"
ASKED = [
    ("GET", "/api/users/profile"),
    ("GET", "/api/nowhere"),
    ("DELETE", "/api/users/profile"),
    ("OPTIONS", "/api/users/profile"),
    ("POST", "/api/auth/login"),
    ("GET", "/healthz"),
    ("GET", "/api/users?unknown=1"),
    ("BREW", "/api/users"),
]


@pytest.fixture
def settings(settings):
    return replace(settings, cors_origins=(LISTED, "http://localhost:3000"))


@pytest.mark.parametrize(("method", "path"), ASKED)
async def test_every_answer_is_protected(api, owner, method, path):
    for who in (None, owner):
        reply = await api.ask(method, path, as_=who)

        assert {name: reply.headers.get(name) for name in HELMET} == HELMET
        assert not {"Server", "X-Powered-By", "Strict-Transport-Security"} & set(reply.headers)
        if path.startswith("/api/"):
            assert reply.headers["Cache-Control"] == "no-store"


def test_hsts_is_told_only_where_browsers_come_by_https(io_loop, servers):
    api = Api(servers(public_url="https://screens.example.com").port)

    for path in ("/healthz", "/api/nowhere", "/api/users/profile"):
        reply = io_loop.run_sync(lambda path=path: api.get(path))
        assert reply.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    page = io_loop.run_sync(lambda: api.get("/player"))
    assert page.headers["Content-Security-Policy"].endswith("; upgrade-insecure-requests")
    api.close()


async def test_a_page_does_not_ask_for_https_where_there_is_none(api):
    assert "upgrade-insecure-requests" not in (await api.get("/player")).headers["Content-Security-Policy"]


@pytest.mark.parametrize(("method", "path"), ASKED)
async def test_a_listed_origin_is_echoed_exactly(api, method, path):
    reply = await api.ask(method, path, headers={"Origin": LISTED})

    assert reply.headers["Access-Control-Allow-Origin"] == LISTED
    assert reply.headers["Access-Control-Allow-Credentials"] == "true"
    assert reply.headers["Access-Control-Expose-Headers"] == EXPOSED
    assert "Origin" in reply.headers["Vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        "https://app.example.com:444",
        "https://APP.example.com",
        "null",
        "*",
        "",
        f"{LISTED}, {LISTED}",
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_an_unknown_origin_gets_no_cors_header_at_all(api, origin, method):
    reply = await api.ask(method, "/api/users/profile", headers={"Origin": origin})

    assert [name for name in reply.headers if name.startswith("Access-Control")] == []
    assert reply.headers["Vary"] == "Origin"


async def test_a_preflight_is_answered_without_a_token(api):
    asked = {
        "Origin": LISTED,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization, if-match",
    }
    reply = await api.ask("OPTIONS", "/api/users/profile", headers=asked)

    assert (reply.status, reply.body) == (204, b"")
    assert "PATCH" in reply.headers["Access-Control-Allow-Methods"]
    allowed = reply.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", "if-match", "if-none-match", "idempotency-key"} <= set(allowed)
    assert "RateLimit" not in reply.headers


async def test_the_callers_request_id_is_kept_when_it_is_sane(api):
    kept = await api.get("/api/nowhere", headers={"X-Request-Id": "Trace_1.2-3"})

    assert (kept.headers["X-Request-Id"], kept.json["requestId"]) == ("Trace_1.2-3", "Trace_1.2-3")
    for wild in ("", "a b", "a" * 65, "<script>", "é", "a,b"):
        made = await api.get("/api/nowhere", headers={"X-Request-Id": wild})
        assert made.headers["X-Request-Id"] != wild
        assert made.json["requestId"] == made.headers["X-Request-Id"]


async def test_options_and_405_name_what_is_allowed(api, owner):
    options = await api.ask("OPTIONS", "/api/users/profile")
    refused = await api.delete("/api/users/profile", as_=owner)
    headless = await api.ask("HEAD", "/api/auth/login")

    assert (options.status, options.headers["Allow"]) == (204, "GET, PATCH, HEAD, OPTIONS")
    assert (refused.status, refused.code) == (405, "method_not_allowed")
    assert refused.headers["Allow"] == options.headers["Allow"]
    assert headless.status == 405


@pytest.mark.parametrize("path", ["/api/users/profile", "/api/workspaces", "/healthz", "/api/nowhere"])
async def test_head_answers_like_get_without_the_body(api, owner, path):
    got = await api.get(path, as_=owner)
    head = await api.ask("HEAD", path, as_=owner)

    assert (head.status, head.body) == (got.status, b"")
    assert head.headers["Content-Length"] == str(len(got.body))
    assert head.headers["Content-Type"] == got.headers["Content-Type"]
    assert head.headers.get("ETag") == got.headers.get("ETag")


async def test_a_problem_has_the_form_of_rfc_9457(api):
    reply = await api.get("/api/users/profile")

    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert reply.json == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "code": "unauthenticated",
        "detail": "Sign in to do this.",
        "requestId": reply.headers["X-Request-Id"],
    }


@pytest.mark.parametrize(
    ("held", "status"),
    [('"1"', 200), ("*", 200), ('"2"', 412), ('W/"1"', 412), ("nonsense", 412), ('"' + "9" * 40 + '"', 412)],
)
async def test_if_match_guards_an_edit(api, owner, workspace, held, status):
    reply = await api.patch(f"/api/workspaces/{workspace}", {"name": "New"}, as_=owner, headers={"If-Match": held})

    assert reply.status == status
    if status == 412:
        assert reply.code == "version_mismatch"
        assert (await api.get(f"/api/workspaces/{workspace}", as_=owner)).headers["ETag"] == '"1"'


async def test_if_match_guards_the_profile_and_a_deletion(api, owner, workspace):
    stale = {"If-Match": '"9"'}

    assert (await api.patch("/api/users/profile", {"statusText": "x"}, as_=owner, headers=stale)).status == 412
    assert (await api.delete(f"/api/workspaces/{workspace}", as_=owner, headers=stale)).status == 412
    assert (await api.get(f"/api/workspaces/{workspace}", as_=owner)).status == 200


async def test_a_slash_at_the_end_does_no_harm(api, owner):
    assert (await api.get("/api/workspaces/", as_=owner)).status == 200


@pytest.mark.parametrize(
    "path",
    ["/api/users/%00", "/api/users/%24ne", "/api/users/" + "a" * 5000, "/api/users/..%2fprofile", "/api/users/ü"],
)
async def test_an_id_that_is_none_is_not_found(api, owner, path):
    reply = await api.get(path, as_=owner)

    assert (reply.status, reply.code) == (404, "not_found")
