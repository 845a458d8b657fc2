"""The page for people: everything is on it, and nothing on it needs an exception from the page's policy."""

import re

from core.errors import Problem
from core.events import CONNECTION_EVENTS, EVENTS
from tests.described import document


async def read(api):
    reply = await api.get("/docs")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return reply.body.decode()


async def test_every_call_is_on_the_page(api):
    page = await read(api)

    for path, methods in document()["paths"].items():
        assert f"<code>{path}</code>" in page
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page
    for name in document()["components"]["schemas"]:
        assert f'id="shape-{name}"' in page


async def test_every_event_and_frame_is_on_the_page(api, marquee):
    page = await read(api)

    served = {given["endpoint"].name for _, _, given in marquee.sockets()}
    told = [event.name for event in EVENTS.values() if event.socket in served]
    for name in (*told, *CONNECTION_EVENTS, "auth", "ping"):
        assert f"<summary><code>{name}</code>" in page
    for route, _, given in marquee.sockets():
        assert f'<section id="{route}">' in page
        for name in given["endpoint"].frames:
            assert f"<summary><code>{name}</code>" in page


async def test_every_kind_of_refusal_is_on_the_page(api):
    page = await read(api)

    for kind in Problem.__subclasses__():
        assert f"<td>{kind.status}</td>" in page
        assert f"<code>{kind.default_code}</code>" in page


async def test_every_link_on_the_page_leads_somewhere(api):
    page = await read(api)
    anchors = set(re.findall(r'id="([^"]+)"', page))

    for target in re.findall(r'(?:href|src)="([^"]+)"', page):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif target != "data:,":  # the icon: none, so that browsers do not ask for one
            assert (await api.get(target)).status == 200, target
    assert page.count('href="data:,"') == 1
    assert len(re.findall(r'id="([^"]+)"', page)) == len(anchors), "an anchor stands twice"


async def test_nothing_is_inline(api):
    page = await read(api)
    reply = await api.get("/docs")

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|style=|onclick=|javascript:", page)
    assert "script-src 'self'" in reply.headers["Content-Security-Policy"]
    assert "'unsafe-inline'" not in reply.headers["Content-Security-Policy"]


async def test_head_and_options_work_as_everywhere(api):
    head, options = await api.ask("HEAD", "/docs"), await api.ask("OPTIONS", "/docs")

    assert (head.status, head.body) == (200, b"")
    assert (options.status, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert (await api.post("/docs")).status == 405
