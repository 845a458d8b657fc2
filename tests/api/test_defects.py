"""A defect of ours: the caller hears nothing of it but an id, under which it stands in the log once."""

import pytest
import structlog

from tests.clients import Api


@pytest.fixture
def api(marquee):
    """Like every test's, but does not hold answers against the description, which tells of no defects."""
    client = Api(marquee.port)
    yield client
    client.close()


async def test_a_defect_is_told_by_its_id_alone_and_logged_once(api, owner, marquee, monkeypatch):
    async def fail(*_args, **_options):
        raise RuntimeError("mongodb://user:hunter2@10.0.0.7 does not know aggregate()")

    monkeypatch.setattr(marquee.stores.workspaces, "list", fail)
    with structlog.testing.capture_logs() as lines:
        reply = await api.get("/api/workspaces", as_=owner)

    assert (reply.status, reply.code) == (500, "internal")
    assert reply.json == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "code": "internal",
        "detail": "Something went wrong on our side.",
        "requestId": reply.headers["X-Request-Id"],
    }
    defects = [line for line in lines if line["event"] == "http.defect"]
    assert [line["request_id"] for line in defects] == [reply.headers["X-Request-Id"]]
    assert (await api.get("/api/users/profile", as_=owner)).status == 200
