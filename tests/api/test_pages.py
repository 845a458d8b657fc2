"""The pages: the front page, the reset page, the player's files."""

import re

import pytest


@pytest.mark.parametrize(
    "path", ["/", "/player", "/player/", "/chat", "/reset", "/dashboard/dashboard.css", "/shared/client.js"]
)
async def test_a_page_loads_nothing_that_is_not_ours_and_runs_no_inline_script(api, path):
    page = await api.get(path)
    policy = page.headers["Content-Security-Policy"]

    assert page.status == 200
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert b"<script>" not in page.body
    assert b"style=" not in page.body
    assert page.headers["Cache-Control"] == "no-cache"


async def test_a_page_that_the_browser_holds_is_not_sent_again(api):
    first = await api.get("/")
    again = await api.get("/", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/player/../server.py",
        "/player/%2e%2e/%2e%2e/server.py",
        "/player/%00",
        "/player/a%00.js",
        "/player/none.js",
        "/shared/",
        "/shared/%5c..%5c",
        "/dashboard/",
        "/nothing",
    ],
)
async def test_a_page_that_is_not_there_is_a_problem(api, path):
    reply = await api.get(path)

    assert (reply.status, reply.code) == (404, "not_found")


async def test_the_players_service_worker_may_look_after_the_site(api):
    worker = await api.get("/player/sw.js")

    assert worker.headers["Service-Worker-Allowed"] == "/"


async def test_a_page_takes_no_post(api):
    reply = await api.post("/", {})

    assert (reply.status, reply.code, reply.headers["Allow"]) == (405, "method_not_allowed", "GET, HEAD, OPTIONS")


async def test_pages_stand_in_the_metrics_by_their_names(api):
    for path in ("/", "/player", "/player/", "/player/player.css", "/chat", "/reset", "/docs"):
        await api.get(path)

    told = (await api.get("/metrics")).body.decode()

    routes = set(re.findall(r'marquee_http_requests_total{.*?route="(.*?)"', told))
    assert routes >= {"/", "/player", "/player/{file}", "/chat", "/reset", "/docs"}
    assert not [route for route in routes if set(route) & set("()?+\\")]
