"""MongoDB goes away and comes back: every answer meanwhile is a 503 that says when to try again, and soon."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from deploy.embedded import EmbeddedStores
from tests.clients import PASSWORD
from tests.promptness import eventually, within


@pytest.fixture
def vault(tmp_path):
    """A mongod of this test's own, which keeps its port and data."""
    stores = EmbeddedStores(tmp_path / "vault", redis=False)
    yield stores.start_sync().mongodb, stores
    stores.stop_sync()


@pytest.fixture
def settings(settings, vault):
    return replace(settings, mongodb_url=vault[0])


async def answered(api, *call, **options):
    """Ask, and return the answer unless it is a 503."""
    reply = await api.ask(*call, **options)
    return reply if reply.status != 503 else None


async def test_while_mongodb_is_away_calls_answer_503_within_five_seconds(api, owner, workspace, vault):
    calls = [
        ("GET", "/api/users/profile", None, owner),
        ("GET", "/api/workspaces", None, owner),
        ("POST", "/api/workspaces", {"name": "Malls"}, owner),
        ("PATCH", f"/api/workspaces/{workspace}", {"name": "Malls"}, owner),
        ("POST", "/api/auth/login", {"email": owner.email, "password": PASSWORD}, None),
        ("POST", "/api/auth/refresh", {"refreshToken": owner.session["refreshToken"]}, None),
        ("POST", "/api/auth/register", {"email": "a@example.com", "password": PASSWORD, "username": "ann"}, None),
        ("GET", "/readyz", None, None),
    ]
    await asyncio.to_thread(vault[1].stop_sync)

    with within(5):
        replies = await asyncio.gather(*(api.ask(*call) for call in calls), api.get("/healthz"))

    assert [reply.status for reply in replies] == [503] * len(calls) + [200]
    for reply in replies[:-1]:
        assert (reply.code, bool(reply.headers["Retry-After"])) == ("unavailable", True)

    await asyncio.to_thread(vault[1].start_sync)

    async def ready():
        return (await api.get("/readyz")).status == 200

    await eventually(ready)
    for number, (method, path, body, who) in enumerate(calls):
        key = {"Idempotency-Key": f"call {number}"}
        again = partial(answered, api, method, path, body, who, headers=key)
        assert (await eventually(again)).status < 300, path


async def test_a_write_whose_outcome_was_unknown_is_repeated_safely(api, owner, vault):
    key = {"Idempotency-Key": "once"}
    await asyncio.to_thread(vault[1].stop_sync)
    lost = await api.post("/api/workspaces", {"name": "Malls"}, as_=owner, headers=key)
    await asyncio.to_thread(vault[1].start_sync)

    again = await eventually(partial(answered, api, "POST", "/api/workspaces", {"name": "Malls"}, owner, headers=key))

    assert (lost.status, again.status) == (503, 201)
    assert (await api.get("/api/workspaces", as_=owner)).json["total"] == 2
