"""Every metric is fed: after a round of real use each has moved, or it says here why it has not."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from core.metrics import Metrics
from core.settings import Rate
from tests import samples
from tests.api.displays import pair
from tests.promptness import eventually
from tests.uploads import upload

STILL = {
    "marquee_http_requests_in_progress": "nobody asks at the moment",
    "marquee_password_hashes_waiting": "nobody signs in at the moment",
    "marquee_store_errors": "both stores were well",
    "marquee_dropped": "no client was slow",
    "marquee_slow_clients": "no client was slow",
    "marquee_broker_reconnects": "Redis was well",
    "marquee_room_retries": "no other process wrote to a room",
    "marquee_room_groups_undone": "nothing was wrong in any room",
    "marquee_room_repairs": "no publication was lost",
    "marquee_gc_pause_seconds": "only the server's own process is watched: tests/unit/test_garbage.py",
    "marquee_mails": "no mail server is set: tests/api/test_accounts.py sends some",
}


@pytest.fixture
def settings(settings):
    return replace(settings, rate_login=Rate(2, 900))


def moved(metrics):
    """Return the names of our metrics of which a sample is not zero."""
    return {
        family.name
        for family in metrics.registry.collect()
        for sample in family.samples
        if family.name.startswith("marquee_") and sample.value and not sample.name.endswith("_created")
    }


async def test_every_metric_moves_when_the_server_is_used(api, marquee, editor, workspace):
    dashboard = await api.socket("/ws/dashboard", as_=editor)
    await dashboard.request("subscribe", {"workspaceId": workspace})
    display, _ = await pair(api, editor, workspace)
    screen = await api.socket("/ws/screen", as_=display.screen)
    await screen.request("heartbeat", {"status": "online"})
    assert (await dashboard.event("screen.status"))["data"]["status"] == "online"
    assert (await upload(api, samples.image_bytes(), editor, workspaceId=workspace)).status == 201
    for _ in range(4):
        await api.post("/api/auth/login", {"email": editor.email, "password": "not the right one"})
    await marquee.jobs.run("record_system_health")
    screen.close()

    async def all_moved():
        names = {family.name for family in Metrics().registry.collect() if family.name.startswith("marquee_")}
        return moved(marquee.metrics) >= names - set(STILL)

    try:
        await eventually(all_moved)  # the broker's beacon goes round every 5 s
    finally:
        names = {family.name for family in Metrics().registry.collect() if family.name.startswith("marquee_")}
        assert names - moved(marquee.metrics) <= set(STILL)


async def test_what_is_there_already_is_no_error_of_the_store(api, marquee, editor):
    again = {"email": editor.email, "username": "someone", "password": "a long enough sentence"}
    assert (await api.post("/api/auth/register", again)).status == 409

    assert marquee.metrics.registry.get_sample_value("marquee_store_errors_total", {"store": "mongodb"}) is None


async def test_connections_are_counted_while_they_last(api, marquee, editor):
    def open_now():
        return marquee.metrics.registry.get_sample_value("marquee_connections", {"kind": "dashboard"})

    sockets = [await api.socket("/ws/dashboard", as_=editor) for _ in range(3)]
    await asyncio.gather(*(socket.event("hello") for socket in sockets))
    leases = partial(marquee.metrics.registry.get_sample_value, "marquee_presence_leases")
    await eventually(lambda: (open_now(), leases()) == (3, 3))
    for socket in sockets:
        socket.close()

    async def none_left():
        return open_now() == 0

    await eventually(none_left)


async def test_uploads_are_counted_by_how_they_ended(api, marquee, editor, workspace):
    count = marquee.metrics.registry.get_sample_value
    await upload(api, samples.image_bytes(), editor, workspaceId=workspace)
    await upload(api, b"<svg></svg>" * 100, editor, workspaceId=workspace)
    media = marquee.settings.data_dir / "media"
    media.rename(media.with_name("moved"))
    media.write_text("a file, where a folder has to be")
    failed = await upload(api, samples.image_bytes(color="red"), editor, workspaceId=workspace)

    assert failed.status in {503, 507}
    outcomes = {each: count("marquee_uploads_total", {"outcome": each}) for each in ("taken", "refused", "failed")}
    assert outcomes == {"taken": 1, "refused": 1, "failed": 1}
