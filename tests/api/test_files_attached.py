"""Attachments: files that messages carry, from the sending to the message's end."""

import asyncio

import pytest

from tests.api.rooms import history, make_room, say
from tests.api.stock import told
from tests.uploads import upload

pytestmark = pytest.mark.usefixtures("jobs_by_hand", "after_a_mark")


@pytest.fixture
def note(api):
    """Upload a note; return its document."""

    async def keep(person, content=b"A note.", name="note.txt"):
        reply = await upload(api, content, person, name, path="/api/files/upload")
        assert reply.status == 201, reply.body
        return reply.json

    return keep


async def test_a_message_shows_its_files_to_everybody_who_reads_it(api, ana, ben, note, heard):
    files = [await note(ana, b"one"), await note(ana, b"two")]

    message = await say(api, ana, "", attachments=[file["id"] for file in files])

    assert message["attachments"] == files
    assert (await history(api, ben))["items"][-1]["attachments"] == files
    ((_, _, data),) = told(heard, "message.created")
    assert [one["name"] for one in data["attachments"]] == ["note.txt"] * 2
    assert (await api.get(message["attachments"][1]["url"])).body == b"two"


async def test_content_may_be_blank_only_beside_files(api, ana, note):
    file = await note(ana)
    refused = await api.post("/api/messages", {"room": "general", "content": " "}, ana)
    bare = await say(api, ana, "text")
    carried = await say(api, ana, " ", attachments=[file["id"]])

    edits = [await api.patch(f"/api/messages/{m['id']}", {"content": ""}, ana) for m in (bare, carried)]

    assert refused.status == 422
    assert [edit.status for edit in edits] == [422, 200]
    assert edits[1].json["attachments"][0]["id"] == file["id"]


async def test_a_file_is_sent_once_and_by_its_owner(api, ana, ben, note):
    mine, theirs, again = await note(ana), await note(ben), await note(ana)
    await say(api, ana, "", attachments=[mine["id"]])

    for ids in ([theirs["id"]], [mine["id"]], ["0" * 24], [again["id"], mine["id"]]):
        reply = await api.post("/api/messages", {"room": "general", "content": "x", "attachments": ids}, ana)
        assert (reply.status, reply.json["errors"][0]["path"]) == (422, f"attachments.{len(ids) - 1}")

    assert len((await history(api, ana))["items"]) == 1
    await say(api, ana, "", attachments=[again["id"]])


async def test_of_many_messages_with_one_file_one_is_written(api, ana, note):
    file, lobby = await note(ana), await make_room(api, ana)

    async def send(room):
        return await api.post("/api/messages", {"room": room, "content": "x", "attachments": [file["id"]]}, ana)

    replies = await asyncio.gather(*(send(room) for room in ("general", lobby["id"]) * 5))

    assert sorted(reply.status for reply in replies) == [201] + [422] * 9


async def test_the_same_client_id_gives_the_message_with_its_files_again(api, ana, note):
    file = await note(ana)
    body = {"room": "general", "content": "", "clientId": "c1", "attachments": [file["id"]]}

    first, again = await api.post("/api/messages", body, ana), await api.post("/api/messages", body, ana)

    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json


async def test_a_message_takes_ten_files_at_most(api, ana, note):
    files = [(await note(ana, bytes([i]) * 9))["id"] for i in range(11)]

    over = await api.post("/api/messages", {"room": "general", "content": "x", "attachments": files}, ana)
    message = await say(api, ana, "x", attachments=files[:10])

    assert over.status == 422
    assert [one["id"] for one in message["attachments"]] == files[:10]


async def test_a_deleted_message_takes_its_files_along(api, marquee, ana, ben, note):
    file = await note(ana)
    message = await say(api, ana, "Look", attachments=[file["id"]])

    await api.delete(f"/api/messages/{message['id']}", ana)

    assert [(await api.get(f"/api/files/{file['id']}", who)).status for who in (ana, ben)] == [404, 404]
    assert (await api.get(file["url"])).status == 404
    await marquee.jobs.run("sweep_unused_files")
    assert [await marquee.ground.collection(name).count({}) for name in ("files", "blobs")] == [0, 0]


async def test_files_travel_by_the_socket_too(api, ana, ben, note):
    file = await note(ana)
    sender, reader = await api.socket("/ws/chat", ana), await api.socket("/ws/chat", ben)
    await reader.request("room.subscribe", {"room": "general"})

    data = {"room": "general", "content": "", "clientId": "s1", "attachments": [file["id"]]}
    reply = await sender.request("message.send", data)

    event = await reader.event("message.created")
    assert reply["data"]["attachments"] == event["data"]["attachments"] == [file]
