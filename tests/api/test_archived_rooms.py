"""An archived room: nobody says anything more in it, and what was said can still be taken out."""

import pytest

from tests.api.rooms import contents, history, join, make_room, say


@pytest.fixture
def archive(io_loop, api, ana, ben):
    """Ana's archived room with ben in it, and a message of each."""

    async def make():
        room = await make_room(api, ana)
        await join(api, room, ben)
        hers, his = await say(api, ana, "hers", room=room), await say(api, ben, "his", room=room)
        archived = await api.patch(f"/api/rooms/{room['id']}", {"archived": True}, as_=ana)
        assert archived.json["archived"], archived.body
        return room, hers, his

    return io_loop.run_sync(make)


async def test_what_was_said_can_be_deleted_by_its_author_and_by_moderators(api, ana, ben, archive):
    room, hers, his = archive

    assert (await api.delete(f"/api/messages/{hers['id']}", as_=ben)).status == 403
    assert (await api.delete(f"/api/messages/{his['id']}", as_=ben)).status == 204
    assert (await api.delete(f"/api/messages/{hers['id']}", as_=ana)).status == 204
    assert contents(await history(api, ben, room)) == [None, None]


async def test_nobody_comes_in_and_everybody_may_go(api, ana, ben, archive):
    room, *_ = archive
    carl = await api.person("carl")
    path = f"/api/rooms/{room['id']}"

    came = await api.post(f"{path}/join", as_=carl)
    brought = await api.put(f"{path}/members/{carl.id}", {}, as_=ana)
    muted = await api.put(f"{path}/members/{ben.id}", {"mutedUntil": "2100-01-01T00:00:00Z"}, as_=ana)
    left = await api.post(f"{path}/leave", as_=ben)

    assert [(reply.status, reply.code) for reply in (came, brought)] == [(409, "conflict")] * 2
    assert (muted.status, left.status) == (200, 204)


async def test_what_was_read_is_noted_there_too(api, ana, ben, archive):
    room, *_ = archive

    read = await api.post(f"/api/rooms/{room['id']}/read", {"seq": 2}, as_=ana)

    assert (read.status, read.json["lastReadSeq"], read.json["unread"]) == (200, 2, 0)


async def test_an_archived_room_is_read_only(api, ana, ben):
    room = await make_room(api, ana)
    message = await say(api, ana, room=room)
    path = f"/api/rooms/{room['id']}"
    assert (await api.patch(path, {"archived": True}, as_=ana)).json["archived"] is True

    for method, address, body in (
        ("POST", "/api/messages", {"room": room["id"], "content": "x"}),
        ("PATCH", f"/api/messages/{message['id']}", {"content": "x"}),
        ("PUT", f"/api/messages/{message['id']}/pin", None),
        ("PUT", f"/api/messages/{message['id']}/reactions/%E2%9C%85", None),
    ):
        assert (await api.ask(method, address, body, ana)).status == 409
    assert (await api.post(f"{path}/join", as_=ben)).status == 409
    assert contents(await history(api, ben, room)) == ["Hello"]
    await api.patch(path, {"archived": False}, as_=ana)
    await say(api, ana, room=room)
