"""Reset links, mail, changed addresses, and what admins do with accounts."""

import asyncio
import re
from dataclasses import replace
from email import policy
from email.parser import BytesParser

import pytest
from aiosmtpd.controller import Controller

from bench.ports import free_port
from core.errors import Unavailable
from tests.clients import PASSWORD
from tests.promptness import PATIENCE, eventually

NEW = "an altogether different one"
LOGIN = "/api/auth/login"


class Mailbox:
    """What a real SMTP server on loopback was given; `refusing` makes it say no."""

    def __init__(self):
        self.mails = []
        self.refusing = False

    async def handle_DATA(self, server, session, envelope):
        if self.refusing:
            return "554 No"
        mail = BytesParser(policy=policy.default).parsebytes(envelope.content)
        self.mails.append((envelope.rcpt_tos, f"From: {mail['From']}\n\n{mail.get_content()}"))
        return "250 OK"

    async def next(self, count=1):
        """Return the newest mail once there are `count`."""
        await eventually(lambda: len(self.mails) >= count)
        return self.mails[count - 1]


@pytest.fixture
def mailbox():
    box = Mailbox()
    box.port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=box.port, ready_timeout=PATIENCE)
    controller.start()
    yield box
    controller.stop()


@pytest.fixture
def settings(settings, mailbox):
    return replace(settings, smtp_url=f"smtp://127.0.0.1:{mailbox.port}", public_url="http://screens.example.com")


async def forgot(api, email):
    reply = await api.post("/api/auth/forgot", {"email": email})
    assert (reply.status, reply.body) == (202, b"")


def token_in(text):
    return re.search(r"/reset#token=([\w-]+)", text)[1]


async def reset(api, token, password=NEW):
    return await api.post("/api/auth/reset", {"token": token, "newPassword": password})


async def test_a_forgotten_password_is_set_anew_by_the_link_in_a_mail(api, owner, mailbox):
    await forgot(api, "OWNER@example.com")
    to, text = await mailbox.next()

    assert to == [owner.email]
    assert "From: marquee@localhost" in text
    assert "http://screens.example.com/reset#token=" in text
    assert (await reset(api, token_in(text))).status == 204
    assert (await api.get("/api/users/profile", as_=owner)).status == 401
    assert (await api.post("/api/auth/refresh", {"refreshToken": owner.session["refreshToken"]})).status == 401
    assert (await api.post(LOGIN, {"email": owner.email, "password": PASSWORD})).status == 401
    assert (await api.post(LOGIN, {"email": owner.email, "password": NEW})).status == 200


async def test_a_link_works_once(api, owner, mailbox):
    await forgot(api, owner.email)
    token = token_in((await mailbox.next())[1])

    replies = await asyncio.gather(*(reset(api, token) for _ in range(6)))

    assert sorted(reply.status for reply in replies) == [204] + [422] * 5
    assert (await reset(api, token)).json["errors"] == [{"path": "token", "message": "is wrong, used or expired"}]


async def test_a_weak_password_does_not_use_the_link_up(api, owner, mailbox):
    await forgot(api, owner.email)
    token = token_in((await mailbox.next())[1])

    assert (await reset(api, token, "password")).json["errors"][0]["path"] == "newPassword"
    assert (await reset(api, token)).status == 204


async def test_a_link_lasts_thirty_minutes(api, owner, mailbox, clock):
    await forgot(api, owner.email)
    token = token_in((await mailbox.next())[1])
    clock.advance(minutes=30, seconds=1)

    assert (await reset(api, token)).status == 422


async def test_a_new_password_ends_every_other_link(api, owner, mailbox):
    await forgot(api, owner.email)
    await mailbox.next()
    await forgot(api, owner.email)
    first, second = token_in(mailbox.mails[0][1]), token_in((await mailbox.next(2))[1])

    assert (await reset(api, second)).status == 204
    assert (await reset(api, first)).status == 422


@pytest.mark.parametrize("token", ["x", "a" * 43, "\\u0000", "é"])
async def test_a_made_up_link_is_refused(api, token):
    assert (await reset(api, token)).status == 422


async def test_an_address_without_an_account_gets_no_mail_and_the_same_answer(api, owner, mailbox):
    await forgot(api, "nobody@example.com")
    await forgot(api, "not an address")
    await forgot(api, owner.email)
    await mailbox.next()

    assert len(mailbox.mails) == 1


async def test_nobodys_inbox_is_filled_by_whoever_knows_the_address(api, owner, mailbox):
    for _ in range(15):
        await forgot(api, owner.email)
    await mailbox.next(10)
    await asyncio.sleep(0.3)

    assert len(mailbox.mails) == 10


async def test_a_mail_server_that_refuses_is_nobodys_error(api, owner, mailbox):
    mailbox.refusing = True
    await forgot(api, owner.email)

    async def is_counted():
        return b'marquee_mails_total{outcome="failed"} 1.0' in (await api.get("/metrics")).body

    await eventually(is_counted)


async def test_only_hashes_of_links_are_stored(api, owner, mailbox, marquee):
    await forgot(api, owner.email)
    token = token_in((await mailbox.next())[1])

    assert token not in str(await marquee.ground.collection("resets").find({}))


async def test_an_admin_makes_a_link_by_hand(api, admin, owner, stranger):
    path = f"/api/users/{owner.id}/password-reset"
    made = await api.post(path, as_=admin)

    assert (made.status, set(made.json)) == (200, {"url", "expiresAt"})
    assert (await api.post(path, as_=stranger)).status == 403
    assert (await api.post("/api/users/000000000000000000000000/password-reset", as_=admin)).status == 404
    assert (await reset(api, token_in(made.json["url"]))).status == 204


async def test_an_address_is_changed_with_the_password(api, owner, stranger):
    ask = {"email": "New@Example.com", "currentPassword": PASSWORD}

    wrong = await api.post("/api/auth/email", ask | {"currentPassword": "not the right one"}, as_=owner)
    taken = await api.post("/api/auth/email", ask | {"email": "STRANGER@example.com"}, as_=owner)
    no_address = await api.post("/api/auth/email", ask | {"email": "new"}, as_=owner)
    right = await api.post("/api/auth/email", ask, as_=owner)

    assert (wrong.status, wrong.code) == (401, "invalid_credentials")
    assert (taken.status, taken.code) == (409, "email_taken")
    assert no_address.status == 422
    assert (right.status, right.json["email"]) == (200, "New@Example.com")
    assert (await api.post(LOGIN, {"email": "new@example.com", "password": PASSWORD})).status == 200
    assert (await api.post(LOGIN, {"email": owner.email, "password": PASSWORD})).status == 401


async def test_a_link_that_went_to_the_old_address_ends_with_it(api, owner, mailbox):
    await forgot(api, owner.email)
    _, text = await mailbox.next()

    ask = {"email": "new@example.com", "currentPassword": PASSWORD}
    assert (await api.post("/api/auth/email", ask, as_=owner)).status == 200

    assert (await reset(api, token_in(text))).status == 422


async def test_an_admin_makes_an_account_whose_owner_sets_the_password(api, admin):
    made = await api.post("/api/users", {"email": "ann@example.com", "username": "ann"}, as_=admin)
    twin = await api.post("/api/users", {"email": "ANN@example.com", "username": "other"}, as_=admin)

    assert (made.status, made.headers["Location"]) == (201, f"/api/users/{made.json['id']}")
    assert (made.json["role"], made.json["disabled"], made.json["status"]) == ("user", False, "offline")
    assert (twin.status, twin.code) == (409, "email_taken")
    for guess in ("", "None", "null"):
        ask = {"email": "ann@example.com", "password": guess or " "}
        assert (await api.post(LOGIN, ask)).status == 401
    assert (await reset(api, token_in(made.json["link"]["url"]))).status == 204
    session = await api.post(LOGIN, {"email": "ann@example.com", "password": NEW})
    assert session.status == 200
    mine = await api.get("/api/workspaces", as_=session.json["accessToken"])
    assert [w["personal"] for w in mine.json["items"]] == [True]


async def test_only_admins_administer(api, owner, stranger):
    for method, path, body in (
        ("POST", "/api/users", {"email": "a@example.com", "username": "abc"}),
        ("PATCH", f"/api/users/{stranger.id}", {"role": "admin"}),
        ("PATCH", f"/api/users/{owner.id}", {"role": "admin"}),
        ("DELETE", f"/api/users/{stranger.id}", None),
        ("POST", f"/api/users/{stranger.id}/password-reset", None),
        ("GET", "/api/users?role=admin", None),
        ("GET", "/api/users?disabled=true", None),
    ):
        reply = await api.ask(method, path, body, as_=owner)
        assert (reply.status, reply.code) == (403, "forbidden"), path


async def test_an_admins_role_acts_and_ends_at_once(api, admin, owner):
    path = f"/api/users/{owner.id}"
    assert (await api.patch(path, {"role": "admin"}, as_=admin)).json["role"] == "admin"
    assert (await api.get("/api/users?role=admin", as_=owner)).json["total"] == 2
    assert (await api.patch(path, {"role": "user"}, as_=owner)).json["role"] == "user"
    assert (await api.get("/api/users?role=admin", as_=owner)).status == 403


async def test_a_disabled_account_is_enabled_again(api, admin, owner):
    path, ask = f"/api/users/{owner.id}", {"email": owner.email, "password": PASSWORD}

    await api.patch(path, {"disabled": True}, as_=admin)
    assert (await api.post(LOGIN, ask)).status == 403
    await api.patch(path, {"disabled": False}, as_=admin)

    assert (await api.post(LOGIN, ask)).status == 200
    assert (await api.get("/api/users/profile", as_=owner)).status == 401


async def test_a_disabled_account_gets_no_link(api, admin, owner, mailbox):
    await api.patch(f"/api/users/{owner.id}", {"disabled": True}, as_=admin)
    await forgot(api, owner.email)
    await asyncio.sleep(0.3)

    assert mailbox.mails == []


async def test_the_last_admin_stays_one(api, admin, owner):
    path = f"/api/users/{admin.id}"
    for method, body in (("PATCH", {"role": "user"}), ("PATCH", {"disabled": True}), ("DELETE", None)):
        reply = await api.ask(method, path, body, as_=admin)
        assert (reply.status, reply.code) == (409, "conflict")

    await api.patch(f"/api/users/{owner.id}", {"role": "admin"}, as_=admin)
    assert (await api.patch(path, {"role": "user"}, as_=admin)).status == 200


async def test_of_two_admins_who_step_down_at_once_one_stays(api, admin):
    people = [await api.person(f"admin{i}") for i in range(3)]
    for person in people:
        await api.patch(f"/api/users/{person.id}", {"role": "admin"}, as_=admin)
    everybody = [admin, *people]

    replies = await asyncio.gather(
        *(api.patch(f"/api/users/{person.id}", {"role": "user"}, as_=person) for person in everybody)
    )

    assert sorted(reply.status for reply in replies) == [200, 200, 200, 409]


async def test_a_deleted_account_is_gone_and_its_name_and_address_are_free(api, admin, owner, workspace, editor):
    assert (await api.delete(f"/api/users/{owner.id}", as_=admin)).status == 204

    assert (await api.get(f"/api/users/{owner.id}", as_=admin)).status == 404
    assert (await api.delete(f"/api/users/{owner.id}", as_=admin)).status == 404
    assert (await api.post(LOGIN, {"email": owner.email, "password": PASSWORD})).status == 401
    assert owner.id not in [u["id"] for u in (await api.get("/api/users", as_=admin)).json["items"]]
    assert (await api.get(f"/api/workspaces/{workspace}", as_=editor)).json["myRole"] == "owner"
    again = await api.person("owner")
    assert again.id != owner.id
    assert (await api.get(f"/api/workspaces/{workspace}", as_=again)).status == 404


async def test_a_deletion_that_was_cut_short_is_finished_by_the_next_try(
    api, admin, owner, editor, workspace, marquee, monkeypatch
):
    end_all = marquee.stores.sessions.end_all

    async def be_away(*_args):
        monkeypatch.setattr(marquee.stores.sessions, "end_all", end_all)
        raise Unavailable

    socket = await api.socket("/ws/dashboard", as_=editor)
    await socket.event("hello")
    monkeypatch.setattr(marquee.stores.sessions, "end_all", be_away)

    cut = await api.delete(f"/api/users/{editor.id}", as_=admin)
    again = await api.delete(f"/api/users/{editor.id}", as_=admin)

    assert (cut.status, again.status) == (503, 404)
    assert await asyncio.wait_for(socket.closed(), 30) == 4401
    assert (await api.get(f"/api/workspaces/{workspace}", as_=owner)).json["memberCount"] == 1


async def test_a_deleted_accounts_personal_workspace_goes_to_who_is_left_and_is_theirs_to_delete(
    api, admin, owner, stranger
):
    personal = (await api.get("/api/workspaces", as_=owner)).json["items"][0]
    path = f"/api/workspaces/{personal['id']}"
    member = {"email": stranger.email, "role": "viewer"}
    assert (await api.post(f"{path}/members", member, as_=owner)).status == 201

    await api.delete(f"/api/users/{owner.id}", as_=admin)
    inherited = (await api.get(path, as_=stranger)).json

    assert (inherited["myRole"], inherited["personal"], inherited["memberCount"]) == ("owner", False, 1)
    assert (await api.delete(path, as_=stranger)).status == 204


async def test_nobody_can_keep_an_account_from_being_deleted_by_a_name(api, admin, owner):
    await api.person(f"deleted-{owner.id}")
    await api.person("deleted", email="deleted@example.com")

    assert (await api.delete(f"/api/users/{owner.id}", as_=admin)).status == 204
