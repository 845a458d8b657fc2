"""A request's Idempotency-Key makes its own ids repeatable, and nobody else's."""

import asyncio


async def test_a_keyed_message_does_not_lend_its_ids_to_those_written_beside_it(api, owner, editor):
    room = {"room": "general"}
    for person in (owner, editor):
        assert (await api.get("/api/rooms", as_=person)).status == 200

    async def write(person, number, **headers):
        return await api.post("/api/messages", {**room, "content": f"number {number}"}, as_=person, headers=headers)

    keyed = [write(owner, n, **{"Idempotency-Key": f"key-{n}"}) for n in range(5)]
    plain = [write(editor, n) for n in range(5, 15)]
    replies = await asyncio.gather(*keyed, *plain)

    assert [r.status for r in replies] == [201] * 15
    assert len({r.json["id"] for r in replies}) == 15
    history = await api.get("/api/messages?room=general&limit=50", as_=owner)
    assert sorted(m["content"] for m in history.json["items"]) == sorted(f"number {n}" for n in range(15))
