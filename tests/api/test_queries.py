"""Query strings and lists: what is unknown, repeated or malformed is refused, never ignored."""

import base64
import json

import pytest

from tests.clients import PASSWORD
from tests.promptness import eventually

LIST = "/api/workspaces"


@pytest.mark.parametrize(
    "query",
    [
        "colour=red",
        "limit=1&limit=2",
        "limit=",
        "limit",
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=1.5",
        "limit=1e1",
        "limit=0x10",
        "limit=%2B5",
        "limit=99999999999999999999",
        "limit=١",
        "limit[]=1",
        "sort=password",
        "sort=--name",
        "sort=name,createdAt",
        "search=",
        "search=%00",
        "search=%ff",
        "search=" + "x" * 201,
        "search[$ne]=1",
        "cursor=",
        "cursor=nonsense",
        "cursor=%E2%82%AC",
        "access_token=x",
    ],
)
async def test_a_wrong_parameter_is_refused(api, owner, query):
    reply = await api.get(f"{LIST}?{query}", as_=owner)

    assert (reply.status, reply.code) == (422, "invalid")
    assert reply.json["errors"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_calls_without_parameters_refuse_all(api, owner, workspace, method):
    path = "/api/workspaces" if method == "POST" else f"/api/workspaces/{workspace}"
    reply = await api.ask(method, f"{path}?verbose=true", {"name": "a"} if method != "DELETE" else None, as_=owner)

    assert (reply.status, reply.json["errors"]) == (
        422,
        [{"path": "verbose", "message": "is not a field of this request"}],
    )


def cursor(*parts):
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "parts",
    [
        [],
        ["name"],
        ["name", "a", 5],
        ["name", ["a"], "x"],
        ["name", {"$gt": ""}, "x"],
        ["name", {"at": 5}, "x"],
        ["name", {"at": "yesterday"}, "x"],
        ["createdAt", "a", "x"],
        ["password", "a", "x"],
        ["name", 2**80, "x"],
        ["name", float("nan"), "x"],
        ["name", "\ud800", "x"],
        ["name", "a", "\udfff"],
        ["name", "a", {"$ne": ""}],
    ],
)
async def test_a_made_up_cursor_is_refused(api, owner, parts):
    reply = await api.get(f"{LIST}?cursor={cursor(*parts)}", as_=owner)

    assert (reply.status, reply.code) == (422, "invalid")
    assert reply.json["errors"][0]["path"] == "cursor"


async def pages(api, path, who):
    items, totals, cursor = [], [], ""
    while True:
        reply = await api.get(f"{path}{cursor}", as_=who)
        assert reply.status == 200, reply.body
        items += reply.json["items"]
        totals.append(reply.json["total"])
        if reply.json["next"] is None:
            return items, totals
        cursor = f"&cursor={reply.json['next']}"


@pytest.mark.parametrize("sort", ["name", "-name", "createdAt", "-createdAt"])
async def test_pages_hold_everything_once_and_in_order(api, owner, sort):
    for name in ("delta", "Bravo", "bravo", "Alpha", "charlie", "bravo"):
        await api.post(LIST, {"name": name}, as_=owner)

    items, totals = await pages(api, f"{LIST}?limit=2&sort={sort}", owner)

    field = sort.lstrip("-")
    keys = [(item[field].lower() if field == "name" else item[field], item["id"]) for item in items]
    assert keys == sorted(keys, reverse=sort.startswith("-"))
    assert len({item["id"] for item in items}) == 7
    assert totals == [7, 7, 7, 7]


@pytest.mark.parametrize(
    "path", ["/api/auth/sessions", "/api/users", "/api/users/online", "/api/workspaces/{}/members"]
)
async def test_every_list_is_read_in_pages(api, owner, editor, viewer, workspace, path):
    for person in (owner, editor, viewer):
        await (await api.socket("/ws/dashboard", as_=person)).event("hello")
    for _ in range(2):
        await api.post("/api/auth/login", {"email": owner.email, "password": PASSWORD})

    async def all_are_here():
        return (await api.get("/api/users/online", as_=owner)).json["total"] == 3

    await eventually(all_are_here)  # their leases are written beside their hello
    address = path.format(workspace)
    whole = (await api.get(address, as_=owner)).json

    items, totals = await pages(api, f"{address}?limit=1", owner)

    assert len(items) >= 3
    assert [{**item, "lastSeenAt": ""} for item in items] == [{**item, "lastSeenAt": ""} for item in whole["items"]]
    assert totals == [whole["total"]] * len(items)
    for wrong in ("limit=0", "limit=101", "cursor=nonsense", "sort=x", f"cursor={cursor('x', 'y', 'z')}"):
        assert (await api.get(f"{address}?{wrong}", as_=owner)).status == 422, wrong


async def test_a_cursor_belongs_to_its_sort_order(api, owner, workspace):
    first = (await api.get(f"{LIST}?limit=1&sort=name", as_=owner)).json["next"]
    reply = await api.get(f"{LIST}?limit=1&sort=-name&cursor={first}", as_=owner)

    assert (reply.status, reply.json["errors"][0]["path"]) == (422, "cursor")


async def test_a_list_without_a_limit_shows_fifty(api, owner):
    for i in range(51):
        await api.post(LIST, {"name": f"x{i:02}"}, as_=owner)

    reply = await api.get(f"{LIST}?search=x", as_=owner)

    assert (len(reply.json["items"]), reply.json["total"]) == (50, 51)
    assert reply.json["next"]


async def test_a_search_means_its_text_and_no_pattern(api, owner):
    for name in ("a.c", "abc", "A.C two"):
        await api.post(LIST, {"name": name}, as_=owner)

    found = await api.get(f"{LIST}?search=a.c", as_=owner)
    nothing = await api.get(f"{LIST}?search=(((", as_=owner)

    assert sorted(w["name"] for w in found.json["items"]) == ["A.C two", "a.c"]
    assert (nothing.json["items"], nothing.json["total"]) == ([], 0)


async def test_a_plus_and_percent_signs_are_read_as_forms_write_them(api, owner):
    await api.post(LIST, {"name": "one & two=3"}, as_=owner)

    assert (await api.get(f"{LIST}?search=one+%26+two%3D3", as_=owner)).json["total"] == 1


async def test_empty_pairs_say_nothing(api, owner):
    assert (await api.get(f"{LIST}?&limit=1&&", as_=owner)).status == 200
