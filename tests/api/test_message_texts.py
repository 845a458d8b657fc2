"""What people may write: markup, marks of direction, four thousand emoji; what shows nothing; and reactions."""

import asyncio
from urllib.parse import quote

import pytest

from core.events import ROOM_MOVED
from core.writing import MOST_EMOJI
from models.message_changes import MOST_REACTIONS
from tests.api.rooms import history, make_room, say
from tests.api.stock import NOTHING, told

FAMILY = "👨‍👩‍👧‍👦"  # seven code points
KISS = "👩🏽‍❤️‍💋‍👨🏿"  # ten
NASTY = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "&lt;b&gt; &amp; ' \" ` ${7*7} {{7*7}} {% x %}",
    "$where $ne $set.$[] a.b.c",
    "'; DROP TABLE messages; --",
    "\u202eevil.exe\u202c and \u2067right to left\u2069",
    "zero\u200bwidth\u200djoined\ufeff\u2060",
    "  leading and trailing  \n\t",
    "line\r\nbreak\u2028and\u2029separators\x07\x1b[31m",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!͖̬̰̙̗̿̋ͥͥ̂ͣ̐́́͜͞",
    "é e\u0301 Å ﷽ 𝕳𝖊𝖑𝖑𝖔 中文 العربية हिन्दी",
    "\U0010ffff\ue000",
    FAMILY * (4000 // 7),
    "😀" * 4000,
    "x" * 4000,
    "@" * 4000,
    "@a" * 2000,
]


@pytest.mark.parametrize("content", NASTY, ids=range(len(NASTY)))
async def test_text_is_stored_as_it_was_sent(api, ana, content):
    message = await say(api, ana, content)

    assert message["content"] == content
    assert (await history(api, ana))["items"][0]["content"] == content
    edited = await api.patch(f"/api/messages/{message['id']}", {"content": content[:-1] + "!"}, as_=ana)
    assert edited.json["content"] == content[:-1] + "!"


@pytest.mark.parametrize(
    "content",
    [
        "",
        " ",
        "\n\t \r",
        "\u200b",
        "\u200d\u200c\ufeff\u2060",
        "\u202e\u202c",
        "\u3164\u115f",
        "\ufe0f",
        "\u00ad",
        "\u2800",
    ],
)
async def test_what_shows_nothing_is_blank(api, ana, content):
    sent = await api.post("/api/messages", {"room": "general", "content": content}, as_=ana)
    message = await say(api, ana)
    edited = await api.patch(f"/api/messages/{message['id']}", {"content": content}, as_=ana)

    for reply in (sent, edited):
        assert (reply.status, [error["path"] for error in reply.json["errors"]]) == (422, ["content"])


@pytest.mark.parametrize("unit", ["x", "é", "😀", "中"])
async def test_content_is_counted_in_code_points(api, ana, unit):
    await say(api, ana, unit * 4000)
    reply = await api.post("/api/messages", {"room": "general", "content": unit * 4001}, as_=ana)

    assert (reply.status, [error["path"] for error in reply.json["errors"]]) == (422, ["content"])


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"content": None}, "content"),
        ({"content": 5}, "content"),
        ({"content": {"$ne": ""}}, "content"),
        ({"content": ["x"]}, "content"),
        ({"content": "a\x00b"}, "content"),
        ({"content": "\ud800"}, "content"),
        ({"room": None}, "room"),
        ({"room": {"$ne": ""}}, "room"),
        ({"room": ""}, "room"),
        ({"clientId": ""}, "clientId"),
        ({"clientId": "x" * 65}, "clientId"),
        ({"clientId": 7}, "clientId"),
        ({"clientId": {"$ne": ""}}, "clientId"),
        ({"replyTo": {"$ne": ""}}, "replyTo"),
        ({"attachments": "x"}, "attachments"),
        ({"attachments": [NOTHING]}, "attachments.0"),
        ({"attachments": [f"{n:024}" for n in range(11)]}, "attachments"),
        ({"attachments": [NOTHING, NOTHING]}, "attachments"),
        ({"seq": 5}, "seq"),
        ({"author": "x"}, "author"),
        ({"mentions": []}, "mentions"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_stored(api, ana, wrong, path):
    reply = await api.post("/api/messages", {"room": "general", "content": "x"} | wrong, as_=ana)

    assert (reply.status, [error["path"] for error in reply.json["errors"]]) == (422, [path])
    assert (await history(api, ana))["items"] == []


async def test_a_room_that_is_not_there_is_not_found(api, ana):
    for room in (NOTHING, "nowhere", "a b", "../general", "x" * 64, "\u202e"):
        reply = await api.post("/api/messages", {"room": room, "content": "x"}, as_=ana)
        assert (reply.status, reply.code) == (404, "not_found")


# --- reactions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "emoji",
    [
        "👍",
        "👍🏿",
        "❤️",
        "❤",
        "✅",
        "1️⃣",
        "#⃣",
        "🇩🇪",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
        "🏳️‍🌈",
        "🏴‍☠️",
        FAMILY,
        KISS,
        "🧑‍🚀",
        "©️",
        "™",
        "ℹ️",
        "⏰",
        "🫠",
        "🀄",
        "㊗️",
    ],
)
async def test_any_emoji_is_a_reaction(api, ana, emoji):
    message = await say(api, ana)
    path = f"/api/messages/{message['id']}/reactions/{quote(emoji)}"
    put = await api.put(path, as_=ana)
    taken = await api.delete(path, as_=ana)

    assert (put.status, put.json["reactions"]) == (200, [{"emoji": emoji, "userIds": [ana.id]}])
    assert (taken.status, taken.json["reactions"]) == (200, [])
    assert taken.json["rev"] == put.json["rev"] + 1


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "ab",
        ":+1:",
        "1",
        "12",
        "é",
        "中",
        " ",
        "👍👍",
        "👍x",
        "\u200d",
        "\ufe0f",
        "👍\u200d",
        "🇩",
        "🏿x",
        "$ne",
        "👨" + "\u200d👨" * 8,
    ],
)
async def test_what_is_no_single_emoji_is_refused(api, ana, text):
    message = await say(api, ana)
    reply = await api.put(f"/api/messages/{message['id']}/reactions/{quote(text, safe='')}", as_=ana)

    assert (reply.status, reply.json["errors"][0]["path"]) == (422, "emoji")
    assert len(KISS) <= MOST_EMOJI


async def test_a_path_that_is_not_utf_8_is_malformed(api, ana):
    message = await say(api, ana)

    assert (await api.put(f"/api/messages/{message['id']}/reactions/%FF%FE", as_=ana)).status == 400


async def test_each_person_reacts_once_with_an_emoji(api, ana, admin, heard):
    message = await say(api, ana)
    path = f"/api/messages/{message['id']}/reactions/"
    await api.put(path + quote("👍"), as_=ana)
    await api.put(path + quote("🎉"), as_=ana)
    both = await api.put(path + quote("👍"), as_=admin)
    heard.clear()
    again = await api.put(path + quote("👍"), as_=admin)
    nothing = await api.delete(path + quote("🎉"), as_=admin)

    assert both.json["reactions"] == [
        {"emoji": "👍", "userIds": [ana.id, admin.id]},
        {"emoji": "🎉", "userIds": [ana.id]},
    ]
    assert again.json == nothing.json == both.json
    assert [event for event in heard if event.type != ROOM_MOVED] == []  # which tells of the message, after a pause
    left = await api.delete(path + quote("👍"), as_=ana)
    assert left.json["reactions"][0] == {"emoji": "👍", "userIds": [admin.id]}
    assert [data["reactions"] for _, _, data in told(heard, "message.updated")] == [left.json["reactions"]]


async def test_reactions_at_once_are_all_kept(api, ana, admin):
    message = await say(api, ana)
    emoji = [chr(0x1F600 + n) for n in range(20)]
    paths = [f"/api/messages/{message['id']}/reactions/{quote(each)}" for each in emoji]
    await asyncio.gather(*(api.put(path, as_=who) for path in paths for who in (ana, admin)))

    reactions = (await api.get(f"/api/messages/{message['id']}", as_=ana)).json["reactions"]
    assert {each["emoji"]: set(each["userIds"]) for each in reactions} == {one: {ana.id, admin.id} for one in emoji}


async def test_a_message_takes_so_many_different_emoji(api, ana):
    message = await say(api, ana)
    path = f"/api/messages/{message['id']}/reactions/"
    replies = await asyncio.gather(
        *(api.put(path + quote(chr(0x1F300 + n)), as_=ana) for n in range(MOST_REACTIONS + 1))
    )

    assert sorted(reply.status for reply in replies) == [200] * MOST_REACTIONS + [422]


async def test_outsiders_do_not_react(api, ana, admin):
    room = await make_room(api, ana)
    message = await say(api, ana, room=room)
    reply = await api.put(f"/api/messages/{message['id']}/reactions/{quote('👍')}", as_=admin)

    assert (reply.status, reply.code) == (403, "forbidden")
