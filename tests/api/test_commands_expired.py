"""Commands that nobody finished in time, and commands that are old."""

import asyncio

import pytest

from tests.api.commands import PNG, accept, finish, order, put_picture, read, stored_files
from tests.api.displays import pair
from tests.api.stock import move_clock, told

pytestmark = pytest.mark.usefixtures("jobs_by_hand")


async def test_an_expired_command_is_not_delivered_and_its_result_comes_too_late(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    queued, accepted = [await order(api, editor, made["id"]) for _ in range(2)]
    await accept(api, display, accepted)
    finished = await order(api, editor, made["id"])
    done = (await finish(api, display, finished, ok=True)).json
    kept = await order(api, editor, made["id"], expiresIn=3600)
    move_clock(marquee, 301)

    assert [each["id"] for each in (await display.beat())["commands"]] == [kept["id"]]
    for command in (queued, accepted):
        shown = await read(api, editor, command)
        assert (shown["state"], shown["finishedAt"]) == ("expired", command["expiresAt"])
        for reply in (await finish(api, display, command, ok=True), await accept(api, display, command)):
            assert (reply.status, reply.code) == (409, "conflict")
    repeated = await finish(api, display, finished, ok=True)
    assert (repeated.status, repeated.json) == (200, done)


async def test_the_job_writes_what_has_expired_and_tells_of_it_once(api, editor, marquee, workspace, heard):
    display, made = await pair(api, editor, workspace)
    commands = [await order(api, editor, made["id"]) for _ in range(3)]
    await finish(api, display, commands[0], ok=True)
    later = await order(api, editor, made["id"], expiresIn=900)
    heard.clear()
    move_clock(marquee, 301)
    counts = await asyncio.gather(*(marquee.stores.commands.expire(marquee.clock.now()) for _ in range(3)))
    assert sum(counts) == 2
    assert await marquee.stores.commands.expire(marquee.clock.now()) == 0
    assert {(data["id"], data["state"]) for _, _, data in told(heard, "command.changed")} == {
        (command["id"], "expired") for command in commands[1:]
    }
    states = [(await read(api, editor, command))["state"] for command in [*commands, later]]
    assert states == ["done", "expired", "expired", "queued"]


async def test_old_commands_are_swept_with_their_pictures(api, editor, marquee, workspace):
    display, made = await pair(api, editor, workspace)
    command = await order(api, editor, made["id"], "screenshot")
    await put_picture(api, display, command, PNG)
    await order(api, editor, made["id"])
    sweep = marquee.stores.commands.sweep
    assert await sweep(marquee.clock.now()) == 0
    assert stored_files(marquee) == 1
    move_clock(marquee, 31 * 86_400)
    assert await sweep(marquee.clock.now()) == 2
    assert stored_files(marquee) == 0
