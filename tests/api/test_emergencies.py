"""`/api/emergencies`: raising, reading and listing them, who may, and the input that is refused."""

from datetime import timedelta

import pytest

from core.validation import parse_moment
from tests.api.stock import NOTHING, Stock, forget_answers, move_clock, raise_emergency, told

EMERGENCIES = "/api/emergencies"


@pytest.fixture
def stock(marquee, workspace):
    return Stock(marquee, workspace)


async def test_an_emergency_is_raised_on_a_whole_workspace(api, editor, workspace, stock, heard):
    media = await stock.media()
    await stock.screen()
    await stock.screen(status="offline")
    body = {
        "workspaceId": workspace,
        "title": "Fire",
        "message": "Leave by the stairs.",
        "level": "critical",
        "mediaId": media,
        "expiresIn": 600,
    }
    reply = await api.post(EMERGENCIES, body, as_=editor)

    assert reply.status == 201
    assert reply.headers["Location"] == f"{EMERGENCIES}/{reply.json['id']}"
    started, expires = (parse_moment(reply.json[name]) for name in ("startedAt", "expiresAt"))
    assert expires - started == timedelta(seconds=600)
    assert reply.json == {
        "id": reply.json["id"],
        "workspaceId": workspace,
        "title": "Fire",
        "message": "Leave by the stairs.",
        "level": "critical",
        "mediaId": media,
        "screenIds": None,
        "tag": None,
        "startedAt": reply.json["startedAt"],
        "expiresAt": reply.json["expiresAt"],
        "endedAt": None,
        "targets": 2,
        "showing": 0,
        "pending": 1,
        "offline": 1,
    }
    assert (await api.get(reply.headers["Location"], as_=editor)).json == reply.json
    ((_, channel, data),) = told(heard, "emergency.started")
    assert (channel, data["id"], data["targets"]) == (f"workspace:{workspace}", reply.json["id"], 2)


async def test_an_idempotency_key_raises_one(api, editor, workspace, stock, heard):
    body = {"workspaceId": workspace, "title": "T", "message": "M", "level": "info", "expiresIn": 60}
    first, again = [await api.post(EMERGENCIES, body, as_=editor, headers={"Idempotency-Key": "k"}) for _ in range(2)]

    assert (first.status, again.status, again.json) == (201, 201, first.json)
    assert len(told(heard, "emergency.started")) == 1
    assert (await api.get(EMERGENCIES, as_=editor)).json["total"] == 1


async def test_a_key_repeated_after_a_lost_answer_finds_the_emergency(api, editor, workspace, stock, marquee):
    screen = await stock.screen()
    body = {"workspaceId": workspace, "title": "T", "message": "M", "level": "info", "expiresIn": 60}
    first = await api.post(EMERGENCIES, body, as_=editor, headers={"Idempotency-Key": "k"})
    await forget_answers(marquee)
    await stock.set(screen, revision="", inSync=False)  # it died before the screens were told, too
    again = await api.post(EMERGENCIES, body, as_=editor, headers={"Idempotency-Key": "k"})

    assert (again.status, again.json["id"]) == (201, first.json["id"])
    assert (await api.get(EMERGENCIES, as_=editor)).json["total"] == 1
    assert [(await stock.stored(screen))["revision"]] == await marquee.stores.revisions.wanted(
        [await stock.stored(screen)]
    )


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"title": None}, "title"),
        ({"title": ""}, "title"),
        ({"title": " "}, "title"),
        ({"title": "x" * 121}, "title"),
        ({"title": {"$ne": ""}}, "title"),
        ({"message": None}, "message"),
        ({"message": "x" * 2001}, "message"),
        ({"level": "urgent"}, "level"),
        ({"level": None}, "level"),
        ({"expiresIn": 59}, "expiresIn"),
        ({"expiresIn": 86_401}, "expiresIn"),
        ({"expiresIn": 60.5}, "expiresIn"),
        ({"expiresIn": True}, "expiresIn"),
        ({"expiresIn": None}, "expiresIn"),
        ({"workspaceId": None}, "workspaceId"),
        ({"mediaId": NOTHING}, "mediaId"),
        ({"mediaId": {"$ne": None}}, "mediaId"),
        ({"screenIds": [NOTHING]}, "screenIds.0"),
        ({"screenIds": []}, "screenIds"),
        ({"screenIds": "all"}, "screenIds"),
        ({"screenIds": [5]}, "screenIds.0"),
        ({"screenIds": [NOTHING, NOTHING]}, "screenIds"),
        ({"screenIds": [f"{n:024}" for n in range(501)]}, "screenIds"),
        ({"screenIds": [NOTHING], "tag": "a"}, "tag"),
        ({"tag": ""}, "tag"),
        ({"tag": {"$ne": ""}}, "tag"),
        ({"startedAt": "2026-01-01T00:00:00Z"}, "startedAt"),
    ],
)
async def test_a_wrong_field_is_named(api, editor, workspace, wrong, path, heard):
    body = {"workspaceId": workspace, "title": "T", "message": "M", "level": "info", "expiresIn": 60} | wrong
    reply = await api.post(EMERGENCIES, body, as_=editor)

    assert (reply.status, reply.code) == (422, "invalid")
    assert {error["path"] for error in reply.json["errors"]} == {path}
    assert (await api.get(EMERGENCIES, as_=editor)).json["total"] == 0
    assert heard == []


@pytest.mark.parametrize("missing", ["workspaceId", "title", "message", "level", "expiresIn"])
async def test_a_missing_field_is_named(api, editor, workspace, missing):
    body = {"workspaceId": workspace, "title": "T", "message": "M", "level": "info", "expiresIn": 60}
    del body[missing]
    reply = await api.post(EMERGENCIES, body, as_=editor)

    assert (reply.status, [error["path"] for error in reply.json["errors"]]) == (422, [missing])


async def test_the_bounds_of_its_time_are_taken(api, editor, workspace):
    for seconds in (60, 86_400):
        assert await raise_emergency(api, editor, workspace, expiresIn=seconds)


@pytest.mark.parametrize("status", ["processing", "failed"])
async def test_media_that_are_not_ready_cannot_be_shown(api, editor, workspace, stock, status):
    body = {"workspaceId": workspace, "title": "T", "message": "M", "level": "info", "expiresIn": 60}
    reply = await api.post(EMERGENCIES, body | {"mediaId": await stock.media(status=status)}, as_=editor)

    assert (reply.status, reply.json["errors"][0]["path"]) == (422, "mediaId")


async def test_media_and_screens_of_another_workspace_are_refused(api, owner, workspace, stock, marquee):
    other = Stock(marquee, (await api.post("/api/workspaces", {"name": "Other"}, as_=owner)).json["id"])
    body = {"workspaceId": workspace, "title": "T", "message": "M", "level": "info", "expiresIn": 60}
    media = await api.post(EMERGENCIES, body | {"mediaId": await other.media()}, as_=owner)
    screens = [await stock.screen(), await other.screen()]
    strange = await api.post(EMERGENCIES, body | {"screenIds": screens}, as_=owner)

    assert (media.status, media.json["errors"][0]["path"]) == (422, "mediaId")
    assert (strange.status, [error["path"] for error in strange.json["errors"]]) == (422, ["screenIds.1"])


# --- lists ----------------------------------------------------------------------------------------------------------


async def test_a_list_has_the_newest_first_and_tells_those_in_force(api, editor, workspace, marquee):
    over, long, short = [
        await raise_emergency(api, editor, workspace, title=title, expiresIn=seconds)
        for title, seconds in (("over", 600), ("long", 600), ("short", 60))
    ]
    await api.delete(f"{EMERGENCIES}/{over['id']}", as_=editor)

    async def titles(query=""):
        reply = await api.get(f"{EMERGENCIES}{query}", as_=editor)
        return [each["title"] for each in reply.json["items"]]

    assert set(await titles()) == {"over", "long", "short"}
    assert set(await titles("?active=true")) == {"long", "short"}
    assert await titles("?active=false") == ["over"]
    move_clock(marquee, 61)  # and no job has run
    assert await titles("?active=true") == ["long"]
    assert set(await titles("?active=false")) == {"over", "short"}
    latest = await raise_emergency(api, editor, workspace, title="latest")
    assert (await titles())[0] == "latest"
    assert (await titles("?sort=startedAt"))[-1] == "latest"
    assert await titles("?search=LATEST") == ["latest"]
    assert latest["startedAt"] > long["startedAt"]
    assert short["endedAt"] is None


async def test_a_list_is_paged(api, editor, workspace):
    made = {(await raise_emergency(api, editor, workspace))["id"] for _ in range(5)}
    seen, cursor = [], ""
    while cursor is not None:
        page = (await api.get(f"{EMERGENCIES}?limit=2{cursor and '&cursor=' + cursor}", as_=editor)).json
        seen += [each["id"] for each in page["items"]]
        cursor = page["next"]

    assert (len(seen), set(seen), page["total"]) == (5, made, 5)


@pytest.mark.parametrize("query", ["active=yes", "sort=title", "limit=0", "active=true&active=false", "level=info"])
async def test_a_parameter_that_is_unknown_repeated_or_malformed_is_refused(api, owner, query):
    assert (await api.get(f"{EMERGENCIES}?{query}", as_=owner)).code == "invalid"


# --- who may --------------------------------------------------------------------------------------------------------


async def test_strangers_and_admins_see_nothing_of_it(api, editor, stranger, admin, workspace):
    made = await raise_emergency(api, editor, workspace)
    for person in (stranger, admin):
        for method in ("GET", "DELETE"):
            theirs = await api.ask(method, f"{EMERGENCIES}/{made['id']}", None, person)
            nothing = await api.ask(method, f"{EMERGENCIES}/{NOTHING}", None, person)
            assert (theirs.status, theirs.code) == (404, "not_found")
            assert theirs.json | {"requestId": ""} == nothing.json | {"requestId": ""}
        assert (await api.get(EMERGENCIES, as_=person)).json["items"] == []
        assert (await api.get(f"{EMERGENCIES}?workspaceId={workspace}", as_=person)).status == 404
        body = {"workspaceId": workspace, "title": "T", "message": "M", "level": "info", "expiresIn": 60}
        assert (await api.post(EMERGENCIES, body, as_=person)).status == 404

    assert (await api.get(f"{EMERGENCIES}/{made['id']}")).code == "unauthenticated"


async def test_a_viewer_reads_and_neither_raises_nor_ends(api, editor, viewer, workspace):
    made = await raise_emergency(api, editor, workspace)
    body = {"workspaceId": workspace, "title": "T", "message": "M", "level": "info", "expiresIn": 60}

    assert (await api.get(f"{EMERGENCIES}/{made['id']}", as_=viewer)).json == made
    assert (await api.post(EMERGENCIES, body, as_=viewer)).code == "forbidden"
    assert (await api.delete(f"{EMERGENCIES}/{made['id']}", as_=viewer)).code == "forbidden"
    assert (await api.get(f"{EMERGENCIES}/{made['id']}", as_=viewer)).json["endedAt"] is None
