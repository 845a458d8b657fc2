"""The same `clientId` again, after things have changed: what was acknowledged is acknowledged again."""

import pytest

from tests.api.rooms import contents, history, join, make_room, say
from tests.uploads import upload

FAR = "2100-01-01T00:00:00Z"


@pytest.fixture
def lobby(io_loop, api, ana, ben):
    """Ana's public room with ben in it."""

    async def make():
        room = await make_room(api, ana)
        await join(api, room, ben)
        return room

    return io_loop.run_sync(make)


async def test_who_is_muted_by_now_gets_the_message_that_was_written(api, ana, ben, lobby):
    body = {"room": lobby["id"], "content": "Hello", "clientId": "c"}
    first = await api.post("/api/messages", body, as_=ben)
    await api.put(f"/api/rooms/{lobby['id']}/members/{ben.id}", {"mutedUntil": FAR}, as_=ana)

    again = await api.post("/api/messages", body, as_=ben)
    new = await api.post("/api/messages", body | {"clientId": "d"}, as_=ben)

    assert (again.status, again.json) == (200, first.json)
    assert (new.status, new.code) == (403, "muted")


async def test_in_a_room_that_is_archived_by_now_too(api, ana, ben, lobby):
    body = {"room": lobby["id"], "content": "Hello", "clientId": "c"}
    first = await api.post("/api/messages", body, as_=ben)
    await api.patch(f"/api/rooms/{lobby['id']}", {"archived": True}, as_=ana)

    again = await api.post("/api/messages", body, as_=ben)

    assert (again.status, again.json) == (200, first.json)
    assert contents(await history(api, ana, lobby)) == ["Hello"]


async def test_who_is_out_by_now_gets_nothing(api, ana, ben):
    room = await make_room(api, ana, "attic", "private", members=[ben])
    body = {"room": room["id"], "content": "Hello", "clientId": "c"}
    await api.post("/api/messages", body, as_=ben)
    await api.delete(f"/api/rooms/{room['id']}/members/{ben.id}", as_=ana)

    again = await api.post("/api/messages", body, as_=ben)

    assert (again.status, again.code) == (404, "not_found")


async def test_other_content_under_the_same_client_id_changes_nothing_and_takes_nothing(api, ana):
    file = (await upload(api, b"a note", ana, "note.txt", path="/api/files/upload")).json
    first = await say(api, ana, "Hello", clientId="c")
    parent = await say(api, ana, "parent")

    other = {
        "room": "general",
        "content": "@ana",
        "clientId": "c",
        "replyTo": parent["id"],
        "attachments": [file["id"]],
    }
    again = await api.post("/api/messages", other, as_=ana)

    assert (again.status, again.json) == (200, first)
    assert (await api.get(f"/api/messages/{parent['id']}", as_=ana)).json["replyCount"] == 0
    assert (await api.delete(f"/api/files/{file['id']}", as_=ana)).status == 204  # it is still used for nothing


async def test_an_idempotency_key_beside_a_client_id_gives_one_message(api, ana):
    body, key = {"room": "general", "content": "Once", "clientId": "c"}, {"Idempotency-Key": "k"}
    first = await api.post("/api/messages", body, as_=ana, headers=key)
    by_key = await api.post("/api/messages", body, as_=ana, headers=key)
    by_client_id = await api.post("/api/messages", body, as_=ana, headers={"Idempotency-Key": "other"})
    neither = await api.post("/api/messages", body | {"content": "Twice"}, as_=ana, headers=key)

    assert [(reply.status, reply.json["id"]) for reply in (first, by_key, by_client_id)] == [
        (201, first.json["id"]),
        (201, first.json["id"]),
        (200, first.json["id"]),
    ]
    assert (neither.status, neither.code) == (422, "invalid")
    assert contents(await history(api, ana)) == ["Once"]
