"""`/api/playlists`: making, reading and listing them, and the input that is refused."""

import asyncio

import pytest

from tests.api.stock import NOTHING, Stock, forget_answers, item, make_playlist, told

PLAYLISTS = "/api/playlists"


@pytest.fixture
def stock(marquee, workspace):
    return Stock(marquee, workspace)


# --- making and reading ---------------------------------------------------------------------------------------------


async def test_a_playlist_is_made_with_its_items(api, editor, workspace, stock, heard):
    image, video = await stock.media("a"), await stock.media("b", "video")
    window = {"validFrom": "2026-01-01T00:00:00.000Z", "validTo": "2027-01-01T01:00:00+01:00"}
    reply = await api.post(
        PLAYLISTS,
        {
            "workspaceId": workspace,
            "name": "Day",
            "description": "By day",
            "items": [item(image), item(video, durationMs=2500, transition="fade", fit="cover", **window)],
        },
        as_=editor,
    )

    assert (reply.status, reply.headers["ETag"]) == (201, '"1"')
    assert reply.headers["Location"] == f"{PLAYLISTS}/{reply.json['id']}"
    first, second = reply.json.pop("items")
    assert first.pop("id") != second.pop("id")
    assert first == {"mediaId": image, "durationMs": None, "transition": "none", "fit": "contain"}
    assert second == {
        "mediaId": video,
        "durationMs": 2500,
        "transition": "fade",
        "fit": "cover",
        "validFrom": "2026-01-01T00:00:00.000Z",
        "validTo": "2027-01-01T00:00:00.000Z",
    }
    shown = {
        key: reply.json[key] for key in ("workspaceId", "name", "description", "durationMs", "screenCount", "version")
    }
    assert shown == {
        "workspaceId": workspace,
        "name": "Day",
        "description": "By day",
        "durationMs": 12_500,
        "screenCount": 0,
        "version": 1,
    }
    read = await api.get(reply.headers["Location"], as_=editor)
    assert (read.status, read.headers["ETag"]) == (200, '"1"')
    assert read.json["id"] == reply.json["id"]
    ((_, channel, data),) = told(heard, "playlist.created")
    assert (channel, data["id"], len(data["items"])) == (f"workspace:{workspace}", reply.json["id"], 2)


async def test_without_a_workspace_it_is_made_in_the_personal_one(api, owner):
    made = await api.post(PLAYLISTS, {"name": "Mine"}, as_=owner)
    personal = next(w["id"] for w in (await api.get("/api/workspaces", as_=owner)).json["items"] if w["personal"])

    assert (made.status, made.json["workspaceId"], made.json["items"]) == (201, personal, [])


@pytest.mark.parametrize(
    ("kind", "media_duration", "own", "total"),
    [
        ("image", None, None, 10_000),
        ("image", 4000, None, 4000),
        ("image", 4000, 6000, 6000),
        ("video", 7000, None, 7000),
        ("video", 7000, 2000, 2000),
    ],
)
async def test_the_total_counts_what_each_item_takes(api, editor, workspace, stock, kind, media_duration, own, total):
    media = await stock.media("a", kind, durationMs=media_duration)
    made = await make_playlist(api, editor, workspace, items=[item(media, durationMs=own)])

    assert made["durationMs"] == total
    assert made["items"][0]["durationMs"] == own


async def test_five_hundred_items_are_taken_and_one_more_is_not(api, editor, workspace, stock):
    media = await stock.media()
    most = await make_playlist(api, editor, workspace, *[media] * 500)
    over = await api.put(f"{PLAYLISTS}/{most['id']}/items", {"items": [item(media)] * 501}, as_=editor)

    assert len(most["items"]) == 500
    assert (over.status, over.json["errors"][0]["path"]) == (422, "items")


async def test_an_idempotency_key_makes_one_playlist(api, editor, workspace, stock, heard):
    body = {"workspaceId": workspace, "name": "Once", "items": [item(await stock.media())]}
    first, again = [await api.post(PLAYLISTS, body, as_=editor, headers={"Idempotency-Key": "k1"}) for _ in range(2)]

    assert (first.status, again.status) == (201, 201)
    assert again.json == first.json
    assert (await api.get(PLAYLISTS, as_=editor)).json["total"] == 1
    assert len(told(heard, "playlist.created")) == 1


async def test_a_key_repeated_after_a_lost_answer_finds_what_was_made(api, editor, workspace, stock, marquee):
    body = {"workspaceId": workspace, "name": "Once", "items": [item(await stock.media())]}
    first = await api.post(PLAYLISTS, body, as_=editor, headers={"Idempotency-Key": "k1"})
    await forget_answers(marquee)
    again = await api.post(PLAYLISTS, body, as_=editor, headers={"Idempotency-Key": "k1"})

    assert (again.status, again.json) == (201, first.json)
    assert (await api.get(PLAYLISTS, as_=editor)).json["total"] == 1


# --- bad input ------------------------------------------------------------------------------------------------------

BAD_ITEMS = [
    ({"durationMs": 999}, "durationMs"),
    ({"durationMs": 86_400_001}, "durationMs"),
    ({"durationMs": 1500.5}, "durationMs"),
    ({"durationMs": True}, "durationMs"),
    ({"durationMs": "2000"}, "durationMs"),
    ({"transition": "slide"}, "transition"),
    ({"fit": "stretch"}, "fit"),
    ({"validFrom": "2026-01-01"}, "validFrom"),
    ({"validFrom": "2026-01-01T00:00:00"}, "validFrom"),
    ({"validTo": 5}, "validTo"),
    ({"validFrom": "2026-01-01T00:00:00Z", "validTo": "2026-01-01T00:00:00Z"}, "validTo"),
    ({"validFrom": "2026-01-02T00:00:00Z", "validTo": "2026-01-01T00:00:00Z"}, "validTo"),
    ({"id": NOTHING}, "id"),
    ({"id": {"$ne": None}}, "id"),
    ({"mediaId": NOTHING}, "mediaId"),
    ({"mediaId": None}, "mediaId"),
    ({"mediaId": {"$gt": ""}}, "mediaId"),
    ({"colour": "red"}, "colour"),
]


@pytest.mark.parametrize(("wrong", "field"), BAD_ITEMS)
async def test_a_wrong_item_is_named_by_its_path(api, editor, workspace, stock, wrong, field, heard):
    media = await stock.media()
    items = [item(media), item(media) | wrong]
    made = await make_playlist(api, editor, workspace, media)
    heard.clear()

    refused = [
        await api.post(PLAYLISTS, {"workspaceId": workspace, "name": "X", "items": items}, as_=editor),
        await api.put(f"{PLAYLISTS}/{made['id']}/items", {"items": items}, as_=editor),
    ]

    for reply in refused:
        assert (reply.status, reply.code) == (422, "invalid")
        assert {error["path"] for error in reply.json["errors"]} == {f"items.1.{field}"}
    assert (await api.get(f"{PLAYLISTS}/{made['id']}", as_=editor)).json == made
    assert (await api.get(PLAYLISTS, as_=editor)).json["total"] == 1
    assert heard == []


@pytest.mark.parametrize("status", ["processing", "failed"])
async def test_media_that_are_not_ready_cannot_be_played(api, editor, workspace, stock, status):
    media = await stock.media(status=status)
    reply = await api.post(PLAYLISTS, {"workspaceId": workspace, "name": "X", "items": [item(media)]}, as_=editor)

    assert (reply.status, reply.json["errors"][0]["path"]) == (422, "items.0.mediaId")


async def test_media_of_another_workspace_cannot_be_played(api, owner, workspace, marquee):
    other = (await api.post("/api/workspaces", {"name": "Other"}, as_=owner)).json["id"]
    theirs = await Stock(marquee, other).media()
    reply = await api.post(PLAYLISTS, {"workspaceId": workspace, "name": "X", "items": [item(theirs)]}, as_=owner)

    assert (reply.status, reply.json["errors"][0]["path"]) == (422, "items.0.mediaId")


async def test_all_wrong_items_are_named_at_once(api, editor, workspace, stock):
    items = [item(NOTHING), item(await stock.media()), item(NOTHING)]
    reply = await api.post(PLAYLISTS, {"workspaceId": workspace, "name": "X", "items": items}, as_=editor)

    assert [error["path"] for error in reply.json["errors"]] == ["items.0.mediaId", "items.2.mediaId"]
    assert reply.json["detail"] == "2 fields are wrong."


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": None}, "name"),
        ({"name": {"$ne": 1}}, "name"),
        ({"name": "x", "description": "x" * 2001}, "description"),
        ({"name": "x", "items": {}}, "items"),
        ({"name": "x", "items": [5]}, "items.0"),
        ({"name": "x", "items": [{}]}, "items.0.mediaId"),
        ({"name": "x", "version": 3}, "version"),
        ({"name": "x", "workspaceId": ["a"]}, "workspaceId"),
    ],
)
async def test_a_wrong_field_of_a_new_playlist_is_named(api, owner, body, path):
    reply = await api.post(PLAYLISTS, body, as_=owner)

    assert (reply.status, reply.code) == (422, "invalid")
    assert {error["path"] for error in reply.json["errors"]} == {path}


async def test_a_body_that_is_no_json_is_malformed(api, owner):
    headers = {"Content-Type": "application/json"}

    assert (await api.post(PLAYLISTS, raw=b"{", as_=owner, headers=headers)).code == "malformed"
    assert (await api.post(PLAYLISTS, raw=b'{"name":"a","name":"b"}', as_=owner, headers=headers)).status == 400


# --- lists ----------------------------------------------------------------------------------------------------------


async def test_a_list_has_counts_in_place_of_items(api, editor, workspace, stock):
    media = await stock.media()
    made = await make_playlist(api, editor, workspace, media, media)
    await stock.screen(playlistId=made["id"])
    await stock.screen(playlistId=made["id"])
    listed = (await api.get(PLAYLISTS, as_=editor)).json

    entry = {key: value for key, value in made.items() if key != "items"} | {"itemCount": 2, "screenCount": 2}
    assert listed == {"items": [entry], "next": None, "total": 1}


async def test_a_list_is_paged_in_the_order_asked_for(api, editor, workspace):
    names = ["delta", "Alpha", "charlie", "Bravo", "alpha"]
    for name in names:
        await make_playlist(api, editor, workspace, name=name)

    async def walk(sort):
        seen, cursor = [], ""
        while cursor is not None:
            page = await api.get(f"{PLAYLISTS}?limit=2&sort={sort}{cursor and '&cursor=' + cursor}", as_=editor)
            assert page.json["total"] == 5
            seen += [each["name"] for each in page.json["items"]]
            cursor = page.json["next"]
        return seen

    assert [name.lower() for name in await walk("name")] == ["alpha", "alpha", "bravo", "charlie", "delta"]
    assert [name.lower() for name in await walk("-name")] == ["delta", "charlie", "bravo", "alpha", "alpha"]
    assert sorted(await walk("createdAt")) == sorted(names)
    assert sorted(await walk("-updatedAt")) == sorted(names)


async def test_the_latest_edit_comes_first_by_updated_at(api, editor, workspace):
    first, second = (
        await make_playlist(api, editor, workspace, name="A"),
        await make_playlist(api, editor, workspace, name="B"),
    )
    await asyncio.sleep(0.002)
    await api.patch(f"{PLAYLISTS}/{first['id']}", {"description": "edited"}, as_=editor)
    listed = (await api.get(f"{PLAYLISTS}?sort=-updatedAt", as_=editor)).json["items"]

    assert [each["id"] for each in listed] == [first["id"], second["id"]]


async def test_search_looks_into_name_and_description(api, editor, workspace):
    await make_playlist(api, editor, workspace, name="Summer sale")
    await make_playlist(api, editor, workspace, name="Menu", description="all of SUMMER (new)")
    await make_playlist(api, editor, workspace, name="Winter")

    async def found(text):
        return {each["name"] for each in (await api.get(f"{PLAYLISTS}?search={text}", as_=editor)).json["items"]}

    assert await found("summer") == {"Summer sale", "Menu"}
    assert await found("(new)") == {"Menu"}
    assert await found(".*") == set()


async def test_lists_show_only_what_is_in_ones_workspaces(api, owner, editor, stranger, workspace):
    await make_playlist(api, owner, workspace, name="Shared")
    private = (await api.post(PLAYLISTS, {"name": "Private"}, as_=owner)).json["workspaceId"]

    async def names(person, filter_=""):
        return {each["name"] for each in (await api.get(f"{PLAYLISTS}{filter_}", as_=person)).json["items"]}

    assert await names(owner) == {"Shared", "Private"}
    assert await names(owner, f"?workspaceId={private}") == {"Private"}
    assert await names(editor) == {"Shared"}
    assert await names(stranger) == set()
    refused = await api.get(f"{PLAYLISTS}?workspaceId={workspace}", as_=stranger)
    assert (refused.status, refused.code) == (404, "not_found")


@pytest.mark.parametrize(
    "query", ["sort=durationMs", "limit=0", "limit=101", "limit=1&limit=2", "cursor=x", "colour=red", "search="]
)
async def test_a_parameter_that_is_unknown_repeated_or_malformed_is_refused(api, owner, query):
    reply = await api.get(f"{PLAYLISTS}?{query}", as_=owner)

    assert (reply.status, reply.code) == (422, "invalid")
