"""What was revoked is closed though no event tells of it: as when Redis was emptied, or its publication lost."""

import asyncio
from datetime import timedelta

from tests.api.displays import pair
from tests.promptness import PATIENCE, within

WITHIN = 2.0  # seconds, by the contract's section 2


async def revoke_silently(marquee, **query):
    """Revoke sessions as another process does whose publication is lost."""
    now = marquee.clock.now()
    return await marquee.ground.collection("sessions").update_all(query, {"$set": {"revokedAt": now}})


async def test_a_revoked_sessions_sockets_close_within_two_seconds(api, marquee, owner, editor):
    sockets = {each.id: await api.socket("/ws/dashboard", as_=each) for each in (owner, editor)}
    for socket in sockets.values():
        await socket.event("hello")

    with within(WITHIN):
        assert await revoke_silently(marquee, userId=editor.id) == 1
        assert await asyncio.wait_for(sockets[editor.id].closed(), PATIENCE) == 4401

    assert (await sockets[owner.id].request("ping"))["ok"]


async def test_a_cached_session_is_refused_within_two_seconds(api, marquee, editor, eventually):
    assert (await api.get("/api/users/profile", as_=editor)).status == 200

    await revoke_silently(marquee, userId=editor.id)

    async def refused():
        return (await api.get("/api/users/profile", as_=editor)).status == 401

    with within(WITHIN):
        await eventually(refused, seconds=PATIENCE)


async def test_a_screen_without_its_credential_is_closed(api, marquee, editor, workspace):
    display, made = await pair(api, editor, workspace)
    socket = await api.socket("/ws/screen", as_=display.screen)
    await socket.event("hello")

    gone = {"credentialHash": None}
    await marquee.ground.collection("screens").update({"_id": made["id"]}, {"$set": gone})
    await marquee.stores.access.forget(made["id"], "screen")
    revoked = {"$set": {"at": marquee.clock.now()}}
    await marquee.ground.collection("revocations").update({"_id": f"screen:{made['id']}"}, revoked, upsert=True)

    assert await asyncio.wait_for(socket.closed(), PATIENCE) == 4401


async def test_a_dashboard_whose_membership_ended_hears_no_more(api, marquee, viewer, workspace):
    socket = await api.socket("/ws/dashboard", as_=viewer)
    await socket.event("hello")
    assert (await socket.request("subscribe", {"workspaceId": workspace}))["ok"]

    left = {"$pull": {"members": {"userId": viewer.id}}}
    await marquee.ground.collection("workspaces").update({"_id": workspace}, left)
    revoked = {"$set": {"at": marquee.clock.now()}}
    await marquee.ground.collection("revocations").update({"_id": f"user:{viewer.id}"}, revoked, upsert=True)

    told = await asyncio.wait_for(socket.event("unsubscribed"), PATIENCE)
    assert told["channel"] == f"workspace:{workspace}"


async def test_each_revocation_is_named_once(marquee, editor):
    await marquee.jobs.stop()
    access = marquee.stores.access
    await access.latest()
    await revoke_silently(marquee, userId=editor.id)
    await access.changed(editor.id)

    found = [await access.latest() for _ in range(3)]

    assert [len(each.sessions) for each in found] == [1, 0, 0]
    assert [each.users for each in found] == [[editor.id], [], []]


async def test_who_was_frozen_or_cut_off_hears_of_all_that_was_revoked_meanwhile(marquee, editor, clock):
    await marquee.jobs.stop()
    access = marquee.stores.access
    await access.latest()
    await revoke_silently(marquee, userId=editor.id)

    clock.ahead += timedelta(minutes=5)

    assert len((await access.latest()).sessions) == 1
