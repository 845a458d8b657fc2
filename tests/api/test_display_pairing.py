"""Pairing: a display shows a code, an operator types it, the display becomes a screen."""

import asyncio
import re

import pytest

from tests.api.displays import PAIR, PAIRING, Display, pair, screen, type_code
from tests.api.stock import NOTHING, Stock, make_playlist, move_clock, told
from tests.clients import Person
from tests.promptness import eventually

MANIFEST = "/api/display/manifest"


# --- the code -------------------------------------------------------------------------------------------------------


async def test_a_code_has_six_characters_without_look_alikes(api):
    display = Display(api)
    code = await display.show_code(player={"name": "web", "version": "1.2"}, resolution={"width": 800, "height": 600})
    assert re.fullmatch("[ABCDEFGHJKMNPQRSTUVWXYZ23456789]{6}", code)
    assert set(display.pairing) == {"pairingId", "code", "pollSecret", "expiresAt", "pollSeconds"}
    assert len(display.pairing["pollSecret"]) >= 43  # 256 bits


async def test_a_display_with_nothing_to_say_gets_a_code_too(api):
    assert (await api.post(PAIRING)).status == 201


async def test_what_a_display_says_of_itself_is_checked(api):
    for body in (
        {"resolution": {"width": 0, "height": 600}},
        {"resolution": {"width": 800}},
        {"player": {"name": ""}},
        {"player": {"os": "x"}},
        {"code": "ABCDEF"},
    ):
        assert (await api.post(PAIRING, body)).status == 422, body


async def test_a_code_lives_ten_minutes(api, editor, marquee, workspace):
    display = Display(api)
    code = await display.show_code()
    move_clock(marquee, 570)  # the rest is for a busy machine
    assert (await display.claim()).status == 202
    move_clock(marquee, 601)

    late = await type_code(api, editor, code, workspaceId=workspace)
    assert (late.status, late.code) == (404, "code_unknown")
    expired = await display.claim()
    assert (expired.status, expired.code) == (410, "gone")


async def test_a_pairing_code_works_once(api, editor, workspace):
    display = Display(api)
    code = await display.show_code()
    assert (await type_code(api, editor, code, workspaceId=workspace)).status == 201
    again = await type_code(api, editor, code, workspaceId=workspace)
    assert (again.status, again.code) == (404, "code_unknown")


async def test_of_two_operators_with_one_code_one_wins(api, editor, owner, workspace):
    display = Display(api)
    code = await display.show_code()
    replies = await asyncio.gather(
        *(type_code(api, person, code, workspaceId=workspace) for person in (editor, owner, editor, owner))
    )
    assert sorted(reply.status for reply in replies) == [201, 404, 404, 404]
    listed = await api.get(f"/api/screens?workspaceId={workspace}", as_=owner)
    assert listed.json["total"] == 1


async def test_a_code_is_read_without_regard_to_case_spaces_and_hyphens(api, editor, workspace):
    for write in (str.lower, lambda code: f" {code[:3]}-{code[3:]} "):
        code = await Display(api).show_code()
        assert (await type_code(api, editor, write(code), workspaceId=workspace)).status == 201


async def test_neither_code_nor_secrets_are_stored(api, editor, marquee, workspace):
    display, _ = await pair(api, editor, workspace)
    stored = [await marquee.ground.collection(name).find({}) for name in ("pairings", "screens")]
    secret = display.screen.token.partition(".")[2]
    for hidden in (display.pairing["code"], display.pairing["pollSecret"], secret):
        assert hidden not in str(stored)


# --- the claim ------------------------------------------------------------------------------------------------------


async def test_a_display_waits_then_collects_its_token(api, editor, workspace):
    display = Display(api)
    code = await display.show_code()
    waiting = await display.claim()
    assert (waiting.status, waiting.json) == (202, {"state": "waiting"})
    made = (await type_code(api, editor, code, workspaceId=workspace, name="Window")).json

    collected = await display.claim()
    assert collected.status == 200
    token = collected.json["screenToken"]
    assert collected.json == {"state": "paired", "screenId": made["id"], "screenToken": token, "name": "Window"}
    assert (await api.get(MANIFEST, as_=token)).json["screenId"] == made["id"]


async def test_the_same_token_is_collectable_again_for_ten_minutes(api, editor, marquee, workspace):
    display, _ = await pair(api, editor, workspace)
    again = await asyncio.gather(*(display.claim() for _ in range(5)))
    assert {reply.json["screenToken"] for reply in again} == {display.screen.token}
    move_clock(marquee, 570)
    assert (await display.claim()).json["screenToken"] == display.screen.token
    move_clock(marquee, 605)
    assert (await display.claim()).status == 410


async def test_a_code_typed_shortly_before_its_end_can_still_be_collected(api, editor, marquee, workspace):
    display = Display(api)
    code = await display.show_code()
    move_clock(marquee, 570)
    assert (await type_code(api, editor, code, workspaceId=workspace)).status == 201
    move_clock(marquee, 700)
    assert (await display.claim()).status == 200


async def test_displays_that_collect_at_once_get_one_token(api, editor, workspace):
    display = Display(api)
    await type_code(api, editor, await display.show_code(), workspaceId=workspace)
    replies = await asyncio.gather(*(display.claim() for _ in range(8)))
    assert len({reply.json["screenToken"] for reply in replies}) == 1


async def test_a_wrong_secret_is_not_told_from_an_unknown_pairing(api, editor, workspace):
    display, _ = await pair(api, editor, workspace)
    wrong = await display.claim(secret="x" * 43)
    unknown = await api.post(f"{PAIRING}/{NOTHING}/claim", {"pollSecret": display.pairing["pollSecret"]})
    assert wrong.status == unknown.status == 404
    assert {**wrong.json, "requestId": ""} == {**unknown.json, "requestId": ""}
    assert (await api.post(f"{PAIRING}/{NOTHING}/claim")).status == 422


@pytest.fixture
def rotated(marquee, servers, settings):
    """Another process, whose key is new."""
    return servers(secret_key="n" * 20 + "0123456789abcdefghij", secret_key_previous=settings.secret_key)


async def test_token_and_code_survive_a_new_server_key(api, editor, rotated, workspace):
    display, made = await pair(api, editor, workspace)
    code = await Display(api).show_code()
    api.base = f"http://127.0.0.1:{rotated.port}"
    assert (await display.claim()).json["screenToken"] == display.screen.token
    assert (await api.get(MANIFEST, as_=display.screen)).json["screenId"] == made["id"]
    assert (await type_code(api, editor, code, workspaceId=workspace)).status == 201


async def test_a_screen_that_is_gone_has_nothing_to_collect(api, editor, workspace):
    display, made = await pair(api, editor, workspace)
    await api.delete(f"/api/screens/{made['id']}", as_=editor)
    assert (await display.claim()).status == 410
    assert (await api.get(MANIFEST, as_=display.screen)).status == 401


# --- the screen that comes of it ------------------------------------------------------------------------------------


async def test_a_paired_screen_is_connecting_and_takes_what_the_operator_said(api, editor, marquee, workspace, heard):
    playlist = await make_playlist(api, editor, workspace, await Stock(marquee, workspace).media())
    display = Display(api)
    code = await display.show_code(player={"name": "web", "version": "1.2"}, resolution={"width": 600, "height": 800})
    told_by_hand = {"location": "Hall", "tags": ["a", "b"], "timezone": "Europe/Berlin", "playlistId": playlist["id"]}
    reply = await type_code(api, editor, code, workspaceId=workspace, name="Window", **told_by_hand)

    assert reply.status == 201
    made = reply.json
    assert reply.headers["Location"] == f"/api/screens/{made['id']}"
    expected = told_by_hand | {
        "name": "Window",
        "workspaceId": workspace,
        "orientation": "portrait",
        "resolution": {"width": 600, "height": 800},
        "status": "connecting",
        "statusReason": None,
        "lastSeenAt": None,
        "appliedRevision": None,
        "inSync": False,
        "nowPlaying": None,
        "version": 1,
    }
    assert {name: made[name] for name in expected} == expected
    assert (made["player"]["name"], made["player"]["version"], made["player"]["ip"]) == ("web", "1.2", "127.0.0.1")
    assert made["player"]["userAgent"].startswith("Tornado")
    assert await screen(api, editor, made["id"]) == made
    assert [(channel, data["id"]) for _, channel, data in told(heard, "screen.paired")] == [
        (f"workspace:{workspace}", made["id"])
    ]


async def test_without_a_workspace_the_personal_one_gets_the_screen(api, stranger):
    display = Display(api)
    made = (await type_code(api, stranger, await display.show_code())).json
    workspaces = (await api.get("/api/workspaces", as_=stranger)).json["items"]
    assert [w["id"] for w in workspaces if w["personal"]] == [made["workspaceId"]]


async def test_who_may_not_pair_leaves_the_code_alive(api, editor, viewer, stranger, workspace):
    code = await Display(api).show_code()
    assert (await type_code(api, viewer, code, workspaceId=workspace)).status == 403
    refused = await type_code(api, stranger, code, workspaceId=workspace)
    assert (refused.status, refused.code) == (404, "not_found")
    assert (await type_code(api, None, code, workspaceId=workspace)).status == 401
    assert (await type_code(api, editor, code, workspaceId=workspace)).status == 201


async def test_a_playlist_of_another_workspace_leaves_the_code_alive(api, owner, marquee, workspace):
    other = (await api.post("/api/workspaces", {"name": "Other"}, as_=owner)).json["id"]
    playlist = await make_playlist(api, owner, other, await Stock(marquee, other).media())
    code = await Display(api).show_code()
    refused = await type_code(api, owner, code, workspaceId=workspace, playlistId=playlist["id"])
    assert (refused.status, refused.json["errors"][0]["path"]) == (422, "playlistId")
    assert (await type_code(api, owner, code, workspaceId=workspace)).status == 201


async def test_bad_bodies_are_refused(api, editor, workspace):
    code = await Display(api).show_code()
    good = {"code": code, "name": "Lobby", "workspaceId": workspace}
    for wrong in (
        {"code": None},
        {"code": 7},
        {"name": ""},
        {"name": " "},
        {"name": "x" * 121},
        {"screenId": NOTHING},
        {"tags": ["a", "a"]},
        {"tags": "a"},
        {"timezone": "Europe/Nowhere"},
        {"volume": 3},
        {"location": "x" * 201},
    ):
        assert (await api.post(PAIR, good | wrong, as_=editor)).status == 422, wrong
    for missing in ("code", "name"):
        body = {name: value for name, value in good.items() if name != missing}
        assert (await api.post(PAIR, body, as_=editor)).status == 422
    assert (await api.post(PAIR, good, as_=editor)).status == 201


async def test_a_repeated_request_with_one_key_makes_one_screen(api, editor, workspace):
    code = await Display(api).show_code()
    body = {"code": code, "name": "Lobby", "workspaceId": workspace}
    replies = [await api.post(PAIR, body, as_=editor, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 201]
    assert replies[0].json == replies[1].json


async def test_a_try_whose_answer_was_lost_is_found_again(api, editor, marquee, workspace):
    code = await Display(api).show_code()
    body = {"code": code, "name": "Lobby", "workspaceId": workspace}
    first = await api.post(PAIR, body, as_=editor, headers={"Idempotency-Key": "k2"})
    # As a process leaves it that died between its write and its answer.
    lost = {"$set": {"answer": None, "busyUntil": marquee.clock.now()}}
    await marquee.ground.collection("idempotency").update_all({}, lost)
    second = await api.post(PAIR, body, as_=editor, headers={"Idempotency-Key": "k2"})
    assert (second.status, second.json["id"]) == (201, first.json["id"])
    assert (await api.get(f"/api/screens?workspaceId={workspace}", as_=editor)).json["total"] == 1


# --- limits ---------------------------------------------------------------------------------------------------------


async def test_only_unknown_codes_count_and_ten_of_them_are_enough(api, editor, owner, workspace):
    for _ in range(3):
        await pair(api, editor, workspace)
    replies = [await type_code(api, editor, "AAAAAA", workspaceId=workspace) for _ in range(10)]
    assert {(reply.status, reply.code) for reply in replies} == {(404, "code_unknown")}
    refused = await type_code(api, editor, await Display(api).show_code(), workspaceId=workspace)
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    # The address is the same, so another person there has to wait too.
    assert (await type_code(api, owner, "AAAAAA", workspaceId=workspace)).status == 429


async def test_guesses_at_once_count_like_guesses_in_turn(api, editor, workspace):
    guesses = (type_code(api, editor, f"AAAA{n // 8 + 2}{n % 8 + 2}", workspaceId=workspace) for n in range(30))
    replies = await asyncio.gather(*guesses)
    assert sorted(reply.status for reply in replies) == [404] * 10 + [429] * 20


async def test_asking_for_a_code_counts_and_polling_does_not(api):
    display = Display(api)
    opened = await api.post(PAIRING)
    display.pairing = opened.json
    assert opened.headers["RateLimit-Policy"].startswith('"anonymous"')
    assert "RateLimit" not in (await display.claim()).headers


# --- upkeep ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("jobs_by_hand")
async def test_old_pairings_are_swept(api, marquee, editor, workspace):
    await pair(api, editor, workspace)
    await Display(api).show_code()
    sweep = marquee.stores.pairings.sweep
    assert await sweep(marquee.clock.now()) == 0
    move_clock(marquee, 86_401)
    assert await sweep(marquee.clock.now()) == 2


async def test_a_screens_token_is_no_persons_and_the_other_way_round(api, editor, workspace):
    display, made = await pair(api, editor, workspace)
    assert (await api.get("/api/screens", as_=display.screen)).status == 401
    assert (await api.get(MANIFEST, as_=editor)).status == 401
    other = Person("x", display.screen.token[:-1] + ("A" if display.screen.token[-1] != "A" else "B"))
    assert (await api.get(MANIFEST, as_=other)).status == 401
    assert (await api.get(MANIFEST)).status == 401

    async def recovered():
        return (await api.get(MANIFEST, as_=display.screen)).status == 200

    assert await eventually(recovered)
    assert made["id"] == display.screen.id
