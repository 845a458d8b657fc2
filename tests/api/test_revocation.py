"""Revocation: in every process within two seconds, for sockets too, and whatever becomes of Redis."""

import asyncio
from dataclasses import replace

import pytest

from deploy.embedded import EmbeddedStores
from tests.clients import PASSWORD, Api
from tests.promptness import PATIENCE, within

PROFILE = "/api/users/profile"
NEW = "an altogether different one"


@pytest.fixture
def other(servers, api):
    """Speaks to a second process on the same stores."""
    client = Api(servers().port)
    yield client
    client.close()


async def logged_out(api, ann, admin):
    await api.post("/api/auth/logout", as_=ann)


async def logged_out_everywhere(api, ann, admin):
    await api.post("/api/auth/logout-all", as_=ann)


async def password_changed(api, ann, admin):
    elsewhere = (await api.post("/api/auth/login", {"email": ann.email, "password": PASSWORD})).json["accessToken"]
    ask = {"currentPassword": PASSWORD, "newPassword": NEW}
    assert (await api.post("/api/auth/password", ask, as_=elsewhere)).status == 204


async def disabled(api, ann, admin):
    assert (await api.patch(f"/api/users/{ann.id}", {"disabled": True}, as_=admin)).status == 200


async def deleted(api, ann, admin):
    assert (await api.delete(f"/api/users/{ann.id}", as_=admin)).status == 204


WAYS = [logged_out, logged_out_everywhere, password_changed, disabled, deleted]


async def until_refused(api, token):
    """Ask again and again until the token is refused, which takes two seconds at most."""
    with within(2):
        async with asyncio.timeout(PATIENCE):
            while (reply := await api.get(PROFILE, as_=token)).status != 401:
                await asyncio.sleep(0.05)
    assert reply.code == "unauthenticated"


@pytest.mark.parametrize("way", WAYS)
async def test_a_revoked_session_is_refused_by_every_process_and_its_sockets_close(api, other, admin, way):
    ann = await api.person("ann")
    sockets = [await each.socket("/ws/dashboard", as_=ann) for each in (api, other)]
    for socket in sockets:
        await socket.event("hello")
    assert [(await each.get(PROFILE, as_=ann)).status for each in (api, other)] == [200, 200]

    with within(2.5):
        await way(api, ann, admin)

        assert (await api.get(PROFILE, as_=ann)).status == 401
        await until_refused(other, ann.token)
        assert [await asyncio.wait_for(socket.closed(), PATIENCE) for socket in sockets] == [4401, 4401]

    assert (await other.post("/api/auth/refresh", {"refreshToken": ann.session["refreshToken"]})).status == 401


async def test_a_changed_password_leaves_the_session_that_changed_it(api, other):
    ann = await api.person("ann")
    socket = await other.socket("/ws/dashboard", as_=ann)
    await socket.event("hello")

    await api.post("/api/auth/password", {"currentPassword": PASSWORD, "newPassword": NEW}, as_=ann)

    await asyncio.sleep(0.3)
    assert (await other.get(PROFILE, as_=ann)).status == 200
    assert (await socket.request("ping"))["ok"] is True
    socket.close()


async def test_a_changed_role_acts_from_the_next_call_on_in_every_process(api, other, workspace, owner, viewer):
    path = f"/api/workspaces/{workspace}"
    for _ in range(3):
        for role, expected in (("owner", 200), ("viewer", 403)):
            await api.patch(f"{path}/members/{viewer.id}", {"role": role}, as_=owner)
            assert (await other.patch(path, {"name": "Mine"}, as_=viewer)).status == expected


class TestWithRedisOfItsOwn:
    """A Redis that is emptied and taken away, for these tests only."""

    @pytest.fixture
    def bell(self, tmp_path):
        stores = EmbeddedStores(tmp_path / "bell", mongodb=False, volatile=True)
        yield stores.start_sync().redis, stores
        stores.stop_sync()

    @pytest.fixture
    def settings(self, settings, bell):
        return replace(settings, redis_url=bell[0])

    async def test_an_emptied_redis_brings_no_revoked_session_back(self, api, other, marquee):
        ann, ben = await api.person("ann"), await api.person("ben")
        for each in (api, other):
            await each.get(PROFILE, as_=ann)
        await api.post("/api/auth/logout", as_=ann)

        await marquee.redis.client.flushall()

        for each in (api, other):
            assert (await each.get(PROFILE, as_=ann)).status == 401
            assert (await each.get(PROFILE, as_=ben)).status == 200

    async def test_without_redis_a_revocation_still_reaches_every_process(self, api, other, marquee, bell):
        ann = await api.person("ann")
        socket = await other.socket("/ws/dashboard", as_=ann)
        await socket.event("hello")
        assert (await other.get(PROFILE, as_=ann)).status == 200
        await asyncio.to_thread(bell[1].stop_sync)

        assert (await api.post("/api/auth/logout", as_=ann)).status == 204

        assert (await api.get(PROFILE, as_=ann)).status == 401
        await until_refused(other, ann.token)
        assert await asyncio.wait_for(socket.closed(), PATIENCE) == 4401

    async def test_a_stale_cache_entry_of_a_lost_message_lives_no_two_seconds(self, api, other, marquee):
        """Somebody's entry stays in the cache although the session ended: the poll finds out from MongoDB."""
        ann = await api.person("ann")
        await other.get(PROFILE, as_=ann)
        sessions = marquee.ground.collection("sessions")

        await sessions.update({"userId": ann.id}, {"$set": {"revokedAt": marquee.clock.now()}})

        await until_refused(other, ann.token)
        await until_refused(api, ann.token)
