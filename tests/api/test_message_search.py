"""`GET /api/messages/search`: the words of what one may read, and of nothing else."""

from urllib.parse import quote

import pytest

from core.clock import rfc3339
from tests.api.rooms import contents, join, make_room, say


async def search(api, person, words, query=""):
    reply = await api.get(f"/api/messages/search?q={quote(words)}{query}", as_=person)
    assert reply.status == 200, reply.body
    return reply.json


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("fox", ["The quick brown fox", "A FOX again"]),
        ("FOX", ["The quick brown fox", "A FOX again"]),
        ("quick fox", ["The quick brown fox"]),
        ("fox quick", ["The quick brown fox"]),
        ("the", ["The quick brown fox"]),
        ("jumping", []),
        ("fo", []),
        ("-fox", ["The quick brown fox", "A FOX again"]),
        ("(fox)!", ["The quick brown fox", "A FOX again"]),
        ("हिन्दी", ["यह हिन्दी है"]),
        ('"brown', ["The quick brown fox"]),
        ('fox "nothing"', []),
        ("cafe", ["Café au lait"]),
        ("лиса", ["Рыжая лиса"]),
        ("$where", []),
        ("\\", []),
        ('"', []),
    ],
)
async def test_all_the_words_have_to_be_there(api, ana, words, found):
    for content in ("The quick brown fox", "A FOX again", "Café au lait", "Рыжая лиса", "यह हिन्दी है"):
        await say(api, ana, content)

    assert sorted(contents(await search(api, ana, words))) == sorted(found)


async def test_search_finds_only_what_one_may_read(api, admin, ana, ben):
    hall, attic = await make_room(api, ana, "hall"), await make_room(api, ana, "attic", "private")
    direct = await make_room(api, ana, kind="direct", members=[ben])
    for room in ("general", hall, attic, direct):
        name = room if isinstance(room, str) else room["name"] or "direct"
        await say(api, ana, f"word {name}", room=room)

    assert sorted(contents(await search(api, ana, "word"))) == [
        "word attic",
        "word direct",
        "word general",
        "word hall",
    ]
    assert sorted(contents(await search(api, ben, "word"))) == ["word direct", "word general", "word hall"]
    assert sorted(contents(await search(api, admin, "word"))) == ["word general", "word hall"]
    refused = await api.get(f"/api/messages/search?q=word&room={attic['id']}", as_=ben)
    assert (refused.status, refused.code) == (404, "not_found")
    assert contents(await search(api, ben, "word", "&room=hall")) == ["word hall"]


async def test_search_follows_edits_and_deletions(api, ana):
    edited, deleted = await say(api, ana, "apple"), await say(api, ana, "apple pie")
    await api.patch(f"/api/messages/{edited['id']}", {"content": "pear"}, as_=ana)
    await api.delete(f"/api/messages/{deleted['id']}", as_=ana)

    assert contents(await search(api, ana, "apple")) == []
    assert contents(await search(api, ana, "pear")) == ["pear"]


async def test_search_is_narrowed_by_author_and_time(api, ana, ben, clock):
    await say(api, ana, "apple by ana")
    clock.advance(seconds=60)
    middle = rfc3339(clock.now())
    clock.advance(seconds=60)
    await say(api, ben, "apple by ben")

    assert contents(await search(api, ana, "apple", "&from=BEN")) == ["apple by ben"]
    assert contents(await search(api, ana, "apple", "&from=nobody")) == []
    assert contents(await search(api, ana, "apple", f"&before={middle}")) == ["apple by ana"]


async def test_what_was_written_at_the_very_time_is_not_before_it(api, ana):
    message = await say(api, ana, "apple")
    just_after = message["createdAt"][:-1] + "999Z"  # cut to milliseconds: the same moment

    assert contents(await search(api, ana, "apple", f"&before={message['createdAt']}")) == []
    assert contents(await search(api, ana, "apple", f"&before={just_after}")) == []
    assert contents(await search(api, ana, "apple", "&before=2100-01-01T00:00:00Z")) == ["apple"]


async def test_pages_hold_the_newest_first_over_all_rooms(api, ana, ben, clock):
    rooms = ["general", await make_room(api, ana, "hall"), await make_room(api, ana, "attic", "private")]
    for n in range(12):
        await say(api, ana, f"apple {n}", room=rooms[n % 3])
        clock.advance(milliseconds=(n % 2) * 10)  # some of them in one millisecond
    seen, cursor = [], ""
    while cursor is not None:
        page = await search(api, ana, "apple", f"&limit=5{cursor and '&cursor=' + cursor}")
        seen += page["items"]
        cursor = page["next"]

    assert len(seen) == len({message["id"] for message in seen}) == 12
    times = [message["createdAt"] for message in seen]
    assert times == sorted(times, reverse=True)
    assert "total" not in page


@pytest.mark.parametrize(
    "query",
    ["", "q=", "q=%20", "q=" + "x" * 201, "q=x&q=y", "q=x&cursor=x", "q=x&cursor=5", "q=x&cursor=WzEsMl0",
     "q=x&cursor=WyJ4IiwieSJd", "q=x&limit=0", "q=x&before=yesterday", "q=x&sort=seq", "q=x&from="],
)  # fmt: skip
async def test_a_search_that_makes_no_sense_is_refused(api, ana, query):
    reply = await api.get(f"/api/messages/search?{query}", as_=ana)

    assert (reply.status, reply.code) == (422, "invalid")


async def test_every_room_is_asked_by_its_index(api, ana, ben, marquee):
    room = await make_room(api, ana)
    await join(api, room, ben)
    for n in range(20):
        await say(api, ana, f"word {n}")
    await say(api, ben, "word elsewhere", room=room)
    query = {"roomId": room["id"], "$text": {"$search": '"word"'}}
    plan = await marquee.ground.collection("messages").raw.find(query).explain()

    assert plan["executionStats"]["totalKeysExamined"] == 1
