"""Edits, copies and deletions of playlists, and what the screens that show them hear of it."""

import asyncio

import pytest

from tests.api.stock import Stock, item, make_playlist, told

PLAYLISTS = "/api/playlists"


@pytest.fixture
def stock(marquee, workspace):
    return Stock(marquee, workspace)


# --- edits ----------------------------------------------------------------------------------------------------------


async def test_a_new_name_is_an_edit_and_changes_nothing_on_screens(api, editor, workspace, stock, heard):
    made = await make_playlist(api, editor, workspace, await stock.media())
    screen = await stock.screen(playlistId=made["id"])
    before = await stock.stored(screen)
    heard.clear()
    reply = await api.patch(f"{PLAYLISTS}/{made['id']}", {"name": "Night"}, as_=editor, headers={"If-Match": '"1"'})

    assert (reply.status, reply.headers["ETag"]) == (200, '"2"')
    changed = ("name", "version", "updatedAt", "screenCount")
    assert {k: v for k, v in reply.json.items() if k not in changed} == {
        k: v for k, v in made.items() if k not in changed
    }
    assert (reply.json["name"], reply.json["version"], reply.json["screenCount"]) == ("Night", 2, 1)
    assert reply.json["updatedAt"] >= made["updatedAt"]
    assert await stock.stored(screen) == before
    assert [event.type for event in heard] == ["playlist.updated"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PATCH", "", {"name": "X"}), ("PUT", "/items", {"items": []}), ("DELETE", "", None)],
)
async def test_an_edit_of_another_version_is_refused(api, editor, workspace, method, path, body):
    made = await make_playlist(api, editor, workspace)
    url = f"{PLAYLISTS}/{made['id']}"
    for tag in ('"2"', '"x"', 'W/"1"'):
        reply = await api.ask(method, url + path, body, editor, {"If-Match": tag})
        assert (reply.status, reply.code) == (412, "version_mismatch")

    assert (await api.get(url, as_=editor)).json == made
    assert (await api.ask(method, url + path, body, editor, {"If-Match": '"1"'})).status in {200, 204}


async def test_items_are_set_as_a_whole_and_keep_their_ids(api, editor, workspace, stock):
    a, b, c = [await stock.media(name) for name in "abc"]
    made = await make_playlist(api, editor, workspace, a, b)
    first, second = made["items"]
    reply = await api.put(
        f"{PLAYLISTS}/{made['id']}/items", {"items": [second, item(c), first | {"durationMs": 3000}]}, as_=editor
    )

    assert (reply.status, reply.json["version"], reply.headers["ETag"]) == (200, 2, '"2"')
    assert [each["mediaId"] for each in reply.json["items"]] == [b, c, a]
    assert [each["id"] for each in reply.json["items"][::2]] == [second["id"], first["id"]]
    assert reply.json["items"][1]["id"] not in {first["id"], second["id"]}
    assert reply.json["durationMs"] == 23_000


async def test_an_id_given_twice_or_of_another_playlist_is_refused(api, editor, workspace, stock):
    media = await stock.media()
    mine, theirs = (
        await make_playlist(api, editor, workspace, media),
        await make_playlist(api, editor, workspace, media),
    )
    twice = await api.put(f"{PLAYLISTS}/{mine['id']}/items", {"items": mine["items"] * 2}, as_=editor)
    strange = await api.put(f"{PLAYLISTS}/{mine['id']}/items", {"items": theirs["items"]}, as_=editor)

    assert [error["path"] for error in twice.json["errors"]] == ["items.1.id"]
    assert [error["path"] for error in strange.json["errors"]] == ["items.0.id"]


async def test_a_change_of_items_reaches_every_screen_that_shows_them(api, editor, workspace, stock, heard):
    made = await make_playlist(api, editor, workspace, await stock.media("a"))
    showing = [await stock.screen(playlistId=made["id"]), await stock.screen(playlistId=made["id"], volume=7)]
    other = await stock.screen()
    before = {screen: (await stock.stored(screen))["revision"] for screen in [*showing, other]}
    heard.clear()
    await api.put(f"{PLAYLISTS}/{made['id']}/items", {"items": [item(await stock.media("b"))]}, as_=editor)
    after = {screen: await stock.stored(screen) for screen in [*showing, other]}

    assert after[other]["revision"] == before[other]
    assert len({after[screen]["revision"] for screen in showing} | set(before.values())) == 5
    assert not any(after[screen]["inSync"] for screen in showing)
    pushed = {channel: data for _, channel, data in told(heard, "manifest.changed")}
    assert pushed == {f"screen:{screen}": {"revision": after[screen]["revision"]} for screen in showing}
    synced = {data["screenId"]: data for _, _, data in told(heard, "screen.sync")}
    assert set(synced) == set(showing)
    assert all(data["revision"] == after[screen]["revision"] for screen, data in synced.items())
    assert [(data["id"], data["version"]) for _, _, data in told(heard, "playlist.updated")] == [(made["id"], 2)]
    assert heard[0].type == "manifest.changed"


async def test_screens_hear_first_and_dashboards_when_it_is_written(api, marquee, editor, workspace, stock):
    made = await make_playlist(api, editor, workspace, await stock.media("a"))
    screen, told_of, publish = await stock.screen(playlistId=made["id"]), {}, marquee.node.publish
    before = (await stock.stored(screen))["revision"]

    async def with_what_is_stored(events):
        told_of.update({event.type: (await stock.stored(screen))["revision"] for event in events})
        await publish(events)

    marquee.node.publish = with_what_is_stored
    await api.put(f"{PLAYLISTS}/{made['id']}/items", {"items": [item(await stock.media("b"))]}, as_=editor)
    after = (await stock.stored(screen))["revision"]

    assert before != after
    assert {name: told_of[name] for name in ("manifest.changed", "screen.sync")} == {
        "manifest.changed": before,
        "screen.sync": after,
    }


async def test_a_screen_that_is_quicker_than_what_is_written_of_it_is_last_told_to_be_in_sync(
    api, marquee, editor, workspace, stock
):
    made = await make_playlist(api, editor, workspace, await stock.media("a"))
    screen, synced, publish = await stock.screen(playlistId=made["id"]), [], marquee.node.publish

    async def applied_at_once(events):
        """Let the screen apply what it is the first to hear of, before anything else happens."""
        told_before, changed = bool(synced), [event for event in events if event.type == "manifest.changed"]
        synced.extend(event.data for event in events if event.type in {"manifest.changed", "screen.sync"})
        await publish(events)
        if changed and not told_before:
            await marquee.stores.beats.beat(screen, {"appliedRevision": changed[0].data["revision"]})

    marquee.node.publish = applied_at_once
    await api.put(f"{PLAYLISTS}/{made['id']}/items", {"items": [item(await stock.media("b"))]}, as_=editor)

    assert (await stock.stored(screen))["inSync"]
    assert synced[-1]["inSync"], synced


async def test_the_same_items_again_push_nothing(api, editor, workspace, stock, heard):
    media = await stock.media()
    made = await make_playlist(api, editor, workspace, media)
    await stock.screen(playlistId=made["id"])
    heard.clear()
    reply = await api.put(f"{PLAYLISTS}/{made['id']}/items", {"items": [item(media)]}, as_=editor)

    assert reply.json["version"] == 2
    assert [event.type for event in heard] == ["playlist.updated"]


async def test_an_item_taken_back_brings_the_screens_into_sync_again(api, editor, workspace, stock):
    media = await stock.media()
    made = await make_playlist(api, editor, workspace, media)
    screen = await stock.screen(playlistId=made["id"])
    await stock.set(screen, appliedRevision=(await stock.stored(screen))["revision"], inSync=True)
    path = f"{PLAYLISTS}/{made['id']}/items"

    await api.put(path, {"items": []}, as_=editor)
    assert (await stock.stored(screen))["inSync"] is False
    await api.put(path, {"items": [item(media)]}, as_=editor)
    assert (await stock.stored(screen))["inSync"] is True


async def test_edits_at_once_all_count_and_leave_the_screens_with_the_last(api, editor, workspace, stock, marquee):
    media = await stock.media()
    made = await make_playlist(api, editor, workspace, media)
    screen = await stock.screen(playlistId=made["id"])
    path = f"{PLAYLISTS}/{made['id']}"
    replies = await asyncio.gather(
        *(api.put(f"{path}/items", {"items": [item(media, durationMs=1000 + n)]}, as_=editor) for n in range(8))
    )
    stored = await stock.stored(screen)

    assert sorted(reply.json["version"] for reply in replies) == list(range(2, 10))
    assert (await api.get(path, as_=editor)).json["version"] == 9
    assert [stored["revision"]] == await marquee.stores.revisions.wanted([stored])


async def test_of_two_edits_of_one_version_one_is_refused(api, editor, workspace, stock):
    made = await make_playlist(api, editor, workspace)
    path, held = f"{PLAYLISTS}/{made['id']}", {"If-Match": '"1"'}
    first, second = await stock.media("a"), await stock.media("b")
    replies = await asyncio.gather(
        *(api.put(f"{path}/items", {"items": [item(m)]}, as_=editor, headers=held) for m in (first, second))
    )

    assert sorted(reply.status for reply in replies) == [200, 412]


# --- copies ---------------------------------------------------------------------------------------------------------


async def test_a_copy_has_the_items_under_new_ids_and_no_screens(api, editor, workspace, stock, heard):
    made = await make_playlist(api, editor, workspace, await stock.media(), description="By day")
    await stock.screen(playlistId=made["id"])
    heard.clear()
    copy = await api.post(f"{PLAYLISTS}/{made['id']}/duplicate", as_=editor)
    named = await api.post(f"{PLAYLISTS}/{made['id']}/duplicate", {"name": "Night"}, as_=editor)

    assert (copy.status, named.status) == (201, 201)
    assert copy.headers["Location"] == f"{PLAYLISTS}/{copy.json['id']}"
    assert (copy.json["name"], named.json["name"]) == ("Day (copy)", "Night")
    assert (copy.json["description"], copy.json["screenCount"], copy.json["version"]) == ("By day", 0, 1)
    (old,), (new,) = made["items"], copy.json["items"]
    assert old["id"] != new["id"]
    assert old | {"id": ""} == new | {"id": ""}
    assert len(told(heard, "playlist.created")) == 2


async def test_a_copy_of_the_longest_name_still_fits(api, editor, workspace):
    made = await make_playlist(api, editor, workspace, name="x" * 120)
    copy = await api.post(f"{PLAYLISTS}/{made['id']}/duplicate", as_=editor)

    assert (copy.status, len(copy.json["name"])) == (201, 120)


# --- deletion -------------------------------------------------------------------------------------------------------


async def test_an_unused_playlist_is_deleted(api, editor, workspace, heard):
    made = await make_playlist(api, editor, workspace)
    path = f"{PLAYLISTS}/{made['id']}"

    assert (await api.delete(path, as_=editor)).status == 204
    assert (await api.get(path, as_=editor)).code == "not_found"
    assert (await api.delete(path, as_=editor)).status == 404
    assert told(heard, "playlist.deleted") == [("playlist.deleted", f"workspace:{workspace}", {"id": made["id"]})]


async def test_a_playlist_that_screens_show_stays_and_says_which(api, editor, workspace, stock):
    made = await make_playlist(api, editor, workspace)
    screens = {await stock.screen(name, playlistId=made["id"]): name for name in ("Lobby", "Hall")}
    for query in ("", "?force=false"):
        reply = await api.delete(f"{PLAYLISTS}/{made['id']}{query}", as_=editor)
        assert (reply.status, reply.code) == (409, "in_use")
        assert sorted(reply.json["usedBy"], key=lambda use: use["id"]) == [
            {"type": "screen", "id": id_, "name": name} for id_, name in sorted(screens.items())
        ]

    assert (await api.get(f"{PLAYLISTS}/{made['id']}", as_=editor)).status == 200


async def test_force_takes_it_off_the_screens(api, editor, workspace, stock, heard):
    made = await make_playlist(api, editor, workspace, await stock.media())
    screen, empty = await stock.screen(playlistId=made["id"]), await stock.screen()
    heard.clear()
    reply = await api.delete(f"{PLAYLISTS}/{made['id']}?force=true", as_=editor)
    stored = await stock.stored(screen)

    assert reply.status == 204
    assert (stored["playlistId"], stored["version"]) == (None, 2)
    assert stored["revision"] == (await stock.stored(empty))["revision"]
    assert told(heard, "manifest.changed") == [
        ("manifest.changed", f"screen:{screen}", {"revision": stored["revision"]})
    ]
    ((_, channel, updated),) = told(heard, "screen.updated")
    assert (channel, updated["id"], updated["playlistId"]) == (f"workspace:{workspace}", screen, None)
    assert told(heard, "playlist.deleted")[0][2] == {"id": made["id"]}


@pytest.mark.parametrize("value", ["yes", "1", ""])
async def test_force_is_true_or_false(api, editor, workspace, value):
    made = await make_playlist(api, editor, workspace)

    assert (await api.delete(f"{PLAYLISTS}/{made['id']}?force={value}", as_=editor)).status == 422
