"""Profiles, the directory, and who is here."""

import asyncio

import pytest

from tests.promptness import eventually

PROFILE = "/api/users/profile"
CARD = {"id", "username", "displayName", "avatarUrl", "status", "lastSeenAt"}
FOR_ADMINS = {"email", "role", "disabled"}


async def test_ones_own_profile_has_everything(api, owner):
    profile = (await api.get(PROFILE, as_=owner)).json

    assert set(profile) == {
        *("id", "username", "displayName", "avatarUrl", "email", "role", "timezone", "statusText"),
        *("createdAt", "version"),
    }
    assert (profile["id"], profile["username"], profile["displayName"]) == (owner.id, "owner", "owner")
    assert (profile["timezone"], profile["statusText"], profile["version"]) == ("UTC", "", 1)


async def test_a_profile_is_edited_and_its_version_rises(api, owner):
    changes = {
        "username": "Owner_2",
        "displayName": "The Owner ✨",
        "timezone": "Europe/Berlin",
        "statusText": "on the road",
        "avatarFileId": None,
    }
    edited = await api.patch(PROFILE, changes, as_=owner)

    assert (edited.status, edited.json["version"], edited.headers["ETag"]) == (200, 2, '"2"')
    assert {name: edited.json[name] for name in changes if name != "avatarFileId"} == {
        name: value for name, value in changes.items() if name != "avatarFileId"
    }
    assert (await api.get(PROFILE, as_=owner)).json == edited.json


@pytest.mark.parametrize(
    "changes",
    [
        {"username": "no spaces"},
        {"displayName": ""},
        {"displayName": "   "},
        {"displayName": "x" * 65},
        {"displayName": None},
        {"timezone": "Berlin"},
        {"timezone": "../../etc/passwd"},
        {"statusText": "x" * 141},
        {"avatarFileId": "000000000000000000000000"},
        {"email": "other@example.com"},
        {"role": "admin"},
        {"disabled": False},
        {"version": 5},
        {"_id": "x"},
        {"passwordHash": "x"},
    ],
)
async def test_what_no_profile_may_hold_is_refused(api, owner, changes):
    reply = await api.patch(PROFILE, changes, as_=owner)

    assert (reply.status, [e["path"] for e in reply.json["errors"]]) == (422, list(changes))
    assert (await api.get(PROFILE, as_=owner)).json["version"] == 1


async def test_a_username_of_somebody_else_is_taken(api, owner, stranger):
    reply = await api.patch(PROFILE, {"username": "STRANGER"}, as_=owner)

    assert (reply.status, reply.code) == (409, "username_taken")
    assert (await api.patch(PROFILE, {"username": "OWNER"}, as_=owner)).status == 200


async def test_the_directory_shows_cards_without_what_is_private(api, admin, owner, stranger):
    for who, keys in ((owner, CARD), (admin, CARD | FOR_ADMINS)):
        listed = (await api.get("/api/users", as_=who)).json
        assert [card["username"] for card in listed["items"]] == ["admin", "owner", "stranger"]
        assert listed["total"] == 3
        assert {frozenset(card) for card in listed["items"]} == {frozenset(keys)}
        assert set((await api.get(f"/api/users/{stranger.id}", as_=who)).json) == keys


async def test_the_directory_is_searched_by_names(api, admin, owner, stranger):
    await api.patch(PROFILE, {"displayName": "Zoë (Berlin)"}, as_=stranger)

    for text, found in (("STRANG", ["stranger"]), ("zoë (", ["stranger"]), ("e", ["owner", "stranger"]), (".*", [])):
        listed = await api.get("/api/users?search=" + text.replace("ë", "%C3%AB").replace(" ", "+"), as_=owner)
        assert [card["username"] for card in listed.json["items"]] == found, text
    assert (await api.get("/api/users?search=example.com", as_=owner)).json["total"] == 0


async def test_admins_filter_and_see_the_disabled_whom_others_do_not(api, admin, owner, stranger):
    await api.patch(f"/api/users/{stranger.id}", {"disabled": True}, as_=admin)

    assert (await api.get("/api/users", as_=owner)).json["total"] == 2
    assert (await api.get(f"/api/users/{stranger.id}", as_=owner)).status == 404
    assert (await api.get("/api/users?disabled=true", as_=admin)).json["items"][0]["username"] == "stranger"
    assert (await api.get("/api/users?disabled=false&role=user", as_=admin)).json["items"][0]["username"] == "owner"
    assert (await api.get(f"/api/users/{stranger.id}", as_=admin)).json["disabled"] is True


async def test_somebody_with_an_open_dashboard_is_online_and_seen_last_when_it_closes(api, owner, stranger):
    async def card():
        return (await api.get(f"/api/users/{stranger.id}", as_=owner)).json

    assert (await card())["status"] == "offline"
    sockets = [await api.socket("/ws/dashboard", as_=stranger) for _ in range(2)]
    for socket in sockets:
        await socket.event("hello")
    await eventually(lambda: is_(card, "online"))

    online = (await api.get("/api/users/online", as_=owner)).json
    assert ([c["username"] for c in online["items"]], online["total"]) == (["stranger"], 1)
    assert set(online["items"][0]) == CARD

    sockets[0].close()
    await asyncio.sleep(0.2)
    assert (await card())["status"] == "online"
    sockets[1].close()
    await eventually(lambda: is_(card, "offline"))
    assert (await api.get("/api/users/online", as_=owner)).json["items"] == []
    await eventually(lambda: was_seen(card))


async def is_(card, status):
    return (await card())["status"] == status


async def was_seen(card):
    return (await card())["lastSeenAt"] is not None
