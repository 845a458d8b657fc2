"""Who may do what with playlists."""

import pytest

from core.clock import new_id
from tests.api.stock import NOTHING, make_playlist

PLAYLISTS = "/api/playlists"
CALLS = [
    ("GET", "", None),
    ("PATCH", "", {"name": "X"}),
    ("PUT", "/items", {"items": []}),
    ("POST", "/duplicate", None),
    ("DELETE", "", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
async def test_what_is_not_ones_own_looks_like_what_is_not_there(
    api, editor, stranger, admin, workspace, method, path, body
):
    made = await make_playlist(api, editor, workspace)
    for person in (stranger, admin):
        theirs = await api.ask(method, f"{PLAYLISTS}/{made['id']}{path}", body, person)
        nothing = await api.ask(method, f"{PLAYLISTS}/{NOTHING}{path}", body, person)
        assert (theirs.status, theirs.code) == (404, "not_found")
        assert theirs.json | {"requestId": ""} == nothing.json | {"requestId": ""}

    nobody = await api.ask(method, f"{PLAYLISTS}/{made['id']}{path}", body)
    assert (nobody.status, nobody.code) == (401, "unauthenticated")
    assert (await api.get(f"{PLAYLISTS}/{made['id']}", as_=editor)).json == made


@pytest.mark.parametrize(("method", "path", "body"), CALLS[1:])
async def test_a_viewer_reads_and_does_not_write(api, editor, viewer, workspace, method, path, body):
    made = await make_playlist(api, editor, workspace)
    refused = await api.ask(method, f"{PLAYLISTS}/{made['id']}{path}", body, viewer)

    assert (refused.status, refused.code) == (403, "forbidden")
    assert (await api.get(f"{PLAYLISTS}/{made['id']}", as_=viewer)).json == made


async def test_a_viewer_and_a_stranger_make_nothing_here(api, viewer, stranger, workspace):
    body = {"workspaceId": workspace, "name": "X"}

    assert (await api.post(PLAYLISTS, body, as_=viewer)).code == "forbidden"
    assert (await api.post(PLAYLISTS, body, as_=stranger)).code == "not_found"
    assert (await api.post(PLAYLISTS, body)).code == "unauthenticated"


async def test_methods_that_are_not_there_are_named_by_allow(api, editor):
    reply = await api.ask("PUT", f"{PLAYLISTS}/{new_id()}", {}, editor)

    assert (reply.status, reply.code) == (405, "method_not_allowed")
    assert set(reply.headers["Allow"].split(", ")) == {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}


async def test_a_deleted_workspace_takes_its_playlists_along(api, owner, workspace, marquee):
    made = await make_playlist(api, owner, workspace)

    assert (await api.delete(f"/api/workspaces/{workspace}", as_=owner)).status == 204
    assert await marquee.ground.collection("playlists").get({"_id": made["id"]}) is None
