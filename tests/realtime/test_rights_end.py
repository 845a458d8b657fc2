"""A right that ends while the stores are away for a moment ends on open sockets all the same."""

import asyncio

from core.errors import Unavailable
from tests.api.displays import pair


def away_for(times, ask):
    """Return `ask` as it is while the stores do not answer the first `times` calls."""
    left = [times]

    async def asking(*args):
        if left[0] > 0:
            left[0] -= 1
            raise Unavailable
        return await ask(*args)

    return asking


async def test_a_membership_that_ends_while_mongodb_is_away_ends_the_subscription(
    api, marquee, owner, viewer, workspace, monkeypatch
):
    socket = await api.socket("/ws/dashboard", as_=viewer)
    await socket.event("hello")
    assert (await socket.request("subscribe", {"workspaceId": workspace}))["ok"]
    access = marquee.stores.access
    monkeypatch.setattr(access, "refreshed", away_for(2, access.refreshed))  # events and the poll both ask

    await api.delete(f"/api/workspaces/{workspace}/members/{viewer.id}", as_=owner)

    assert (await asyncio.wait_for(socket.event("unsubscribed"), 30))["channel"] == f"workspace:{workspace}"


async def test_a_credential_that_ends_while_mongodb_is_away_closes_the_screen(
    api, marquee, editor, workspace, monkeypatch
):
    display, made = await pair(api, editor, workspace)
    socket = await api.socket("/ws/screen", as_=display.screen)
    await socket.event("manifest.changed")
    access = marquee.stores.access
    monkeypatch.setattr(access, "_admit_screen", away_for(2, access._admit_screen))  # events and the poll both ask

    await api.delete(f"/api/screens/{made['id']}", as_=editor)

    assert await asyncio.wait_for(socket.closed(), 30) == 4401
