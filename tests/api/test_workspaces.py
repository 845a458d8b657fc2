"""`/api/workspaces`: who shares which screens."""


async def test_registering_makes_a_personal_workspace(api, stranger):
    listed = await api.get("/api/workspaces", as_=stranger)

    assert listed.status == 200
    assert [(w["personal"], w["myRole"], w["memberCount"]) for w in listed.json["items"]] == [(True, "owner", 1)]
    assert (listed.json["next"], listed.json["total"]) == (None, 1)


async def test_a_workspace_is_made_and_read_and_renamed(api, owner):
    made = await api.post("/api/workspaces", {"name": "Shops"}, as_=owner)
    path = made.headers["Location"]
    renamed = await api.patch(path, {"name": "Malls"}, as_=owner, headers={"If-Match": '"1"'})
    stale = await api.patch(path, {"name": "Bars"}, as_=owner, headers={"If-Match": '"1"'})
    read = await api.get(path, as_=owner)

    assert (made.status, made.json["version"], made.headers["ETag"]) == (201, 1, '"1"')
    assert (renamed.status, renamed.json["name"], renamed.headers["ETag"]) == (200, "Malls", '"2"')
    assert (stale.status, stale.code) == (412, "version_mismatch")
    assert read.json == renamed.json


async def test_a_stranger_gets_the_same_404_as_for_what_is_not_there(api, stranger, workspace):
    theirs = await api.get(f"/api/workspaces/{workspace}", as_=stranger)
    nothing = await api.get("/api/workspaces/000000000000000000000000", as_=stranger)

    assert (theirs.status, theirs.code) == (404, "not_found")
    assert {**theirs.json, "requestId": ""} == {**nothing.json, "requestId": ""}


async def test_roles_decide_what_members_may_do(api, workspace, owner, editor, viewer):
    path = f"/api/workspaces/{workspace}"

    for member in (editor, viewer):
        assert (await api.get(path, as_=member)).status == 200
        refused = await api.patch(path, {"name": "Mine"}, as_=member)
        assert (refused.status, refused.code) == (403, "forbidden")
    assert (await api.get(path, as_=owner)).json["memberCount"] == 3


async def test_a_changed_role_acts_from_the_next_call_on(api, workspace, owner, viewer):
    path = f"/api/workspaces/{workspace}"
    assert (await api.patch(path, {"name": "Mine"}, as_=viewer)).status == 403

    await api.patch(f"{path}/members/{viewer.id}", {"role": "owner"}, as_=owner)

    assert (await api.patch(path, {"name": "Mine"}, as_=viewer)).status == 200


async def test_the_last_owner_cannot_leave_or_step_down(api, workspace, owner, editor):
    path = f"/api/workspaces/{workspace}/members/{owner.id}"

    left = await api.delete(path, as_=owner)
    stepped_down = await api.patch(path, {"role": "viewer"}, as_=owner)

    assert (left.status, left.code) == (409, "conflict")
    assert (stepped_down.status, stepped_down.code) == (409, "conflict")


async def test_a_member_leaves_and_is_a_stranger_then(api, workspace, owner, editor):
    assert (await api.delete(f"/api/workspaces/{workspace}/members/{editor.id}", as_=editor)).status == 204
    assert (await api.get(f"/api/workspaces/{workspace}", as_=editor)).status == 404


async def test_an_unknown_address_cannot_be_made_a_member(api, workspace, owner):
    reply = await api.post(
        f"/api/workspaces/{workspace}/members", {"email": "no@one.example", "role": "viewer"}, as_=owner
    )

    assert (reply.status, reply.code) == (422, "invalid")
    assert reply.json["errors"] == [{"path": "email", "message": "has no account on this server"}]


async def test_a_member_is_not_made_one_twice(api, workspace, owner, editor):
    path = f"/api/workspaces/{workspace}/members"

    reply = await api.post(path, {"email": editor.email, "role": "viewer"}, as_=owner)

    assert (reply.status, reply.code) == (409, "conflict")
    roles = {member["userId"]: member["role"] for member in (await api.get(path, as_=owner)).json["items"]}
    assert roles[editor.id] == "editor"


async def test_a_workspace_is_deleted_but_a_personal_one_stays(api, workspace, owner):
    personal = next(w["id"] for w in (await api.get("/api/workspaces", as_=owner)).json["items"] if w["personal"])

    assert (await api.delete(f"/api/workspaces/{personal}", as_=owner)).status == 409
    assert (await api.delete(f"/api/workspaces/{workspace}", as_=owner)).status == 204
    assert (await api.get(f"/api/workspaces/{workspace}", as_=owner)).status == 404


async def test_an_empty_patch_is_no_edit(api, workspace, owner):
    path = f"/api/workspaces/{workspace}"

    same = await api.patch(path, {}, as_=owner)
    stale = await api.patch(path, {}, as_=owner, headers={"If-Match": '"9"'})

    assert (same.status, same.json["version"], same.json["name"]) == (200, 1, "Shops")
    assert (stale.status, stale.code) == (412, "version_mismatch")
