"""Media over REST: lists, edits, deletions, and who may."""

from tests import samples
from tests.uploads import upload

ITEM = {"transition": "none", "fit": "contain"}


async def test_media_are_listed_filtered_searched_and_paged(api, editor, workspace, tmp_path):
    for i, color in enumerate(("red", "green", "blue")):
        await upload(
            api,
            samples.image_bytes(color=color),
            editor,
            f"Poster {color}.jpg",
            workspaceId=workspace,
            tags=f"t{i % 2}",
        )
    await upload(api, samples.video(tmp_path / "f.mp4").read_bytes(), editor, "film.mp4", workspaceId=workspace)

    async def names(query):
        reply = await api.get(f"/api/media?workspaceId={workspace}&{query}", editor)
        assert reply.status == 200, reply.body
        return [media["name"] for media in reply.json["items"]]

    assert await names("sort=name") == ["film.mp4", "Poster blue.jpg", "Poster green.jpg", "Poster red.jpg"]
    assert await names("type=video") == ["film.mp4"]
    assert await names("tag=t1") == ["Poster green.jpg"]
    assert await names("tag=t1&sort=name") == ["Poster green.jpg"]
    assert await names("tag=T1&sort=name") == []  # names are compared without regard to case, tags are not
    assert await names("search=POSTER%20r") == ["Poster red.jpg"]
    assert await names("status=failed") == []
    assert await names("sort=-bytes&limit=1") in (
        ["film.mp4"],
        ["Poster blue.jpg"],
        ["Poster red.jpg"],
        ["Poster green.jpg"],
    )
    page = (await api.get(f"/api/media?workspaceId={workspace}&limit=3&sort=createdAt", editor)).json
    rest = (
        await api.get(f"/api/media?workspaceId={workspace}&limit=3&sort=createdAt&cursor={page['next']}", editor)
    ).json
    assert (page["total"], len(page["items"]), len(rest["items"]), rest["next"]) == (4, 3, 1, None)
    for wrong in ("sort=sha256", "type=audio", "colour=red", "limit=0", "cursor=x"):
        assert (await api.get(f"/api/media?{wrong}", editor)).status == 422


async def test_media_are_edited_under_their_version(api, editor, workspace, heard):
    media = (await upload(api, samples.image_bytes(), editor, workspaceId=workspace)).json
    path = f"/api/media/{media['id']}"

    reply = await api.patch(
        path, {"name": "New", "tags": ["x"], "durationMs": 7000}, editor, headers={"If-Match": '"1"'}
    )
    stale = await api.patch(path, {"name": "Newer"}, editor, headers={"If-Match": '"1"'})

    assert (reply.status, reply.headers["ETag"]) == (200, '"2"')
    changed = {"name": "New", "tags": ["x"], "durationMs": 7000, "version": 2}
    assert reply.json == media | changed
    assert (stale.status, stale.code) == (412, "version_mismatch")
    assert heard[-1].type == "media.updated"
    assert (await api.patch(path, {"sha256": "x"}, editor)).status == 422
    assert (await api.patch(path, {"durationMs": None}, editor)).json["durationMs"] is None


async def test_media_that_are_held_already_are_not_sent_again(api, editor, workspace):
    media = (await upload(api, samples.image_bytes(), editor, workspaceId=workspace)).json
    path = f"/api/media/{media['id']}"

    held = await api.get(path, editor, headers={"If-None-Match": '"1"'})
    await api.patch(path, {"name": "New"}, editor)
    changed = await api.get(path, editor, headers={"If-None-Match": '"1"'})

    assert (held.status, held.body, held.headers["ETag"]) == (304, b"", '"1"')
    assert (changed.status, changed.json["name"], changed.headers["ETag"]) == (200, "New", '"2"')


async def test_a_video_s_length_is_not_edited(api, editor, workspace, tmp_path):
    film = samples.video(tmp_path / "f.mp4").read_bytes()
    media = (await upload(api, film, editor, workspaceId=workspace)).json

    reply = await api.patch(f"/api/media/{media['id']}", {"durationMs": 5000}, editor)

    assert (reply.status, reply.json["errors"][0]["path"]) == (422, "durationMs")


async def test_an_image_s_default_time_reaches_the_playlists_that_leave_it_open(api, editor, workspace):
    media = (await upload(api, samples.image_bytes(), editor, workspaceId=workspace)).json
    items = [{"mediaId": media["id"], **ITEM}, {"mediaId": media["id"], "durationMs": 3000, **ITEM}]
    made = await api.post("/api/playlists", {"name": "P", "workspaceId": workspace, "items": items}, editor)
    assert (made.status, made.json["durationMs"]) == (201, 13_000)

    await api.patch(f"/api/media/{media['id']}", {"durationMs": 60_000}, editor)

    playlist = (await api.get(f"/api/playlists/{made.json['id']}", editor)).json
    assert playlist["durationMs"] == 63_000
    assert (await api.get(f"/api/media/{media['id']}", editor)).json["playlistCount"] == 1


async def test_media_in_a_playlist_go_only_by_force(api, editor, workspace, left, heard):
    media = (await upload(api, samples.image_bytes(), editor, workspaceId=workspace)).json
    body = {"name": "Morning", "workspaceId": workspace, "items": [{"mediaId": media["id"], **ITEM}]}
    playlist = (await api.post("/api/playlists", body, editor)).json

    refused = await api.delete(f"/api/media/{media['id']}", editor)
    assert (refused.status, refused.code) == (409, "in_use")
    assert refused.json["usedBy"] == [{"type": "playlist", "id": playlist["id"], "name": "Morning"}]

    assert (await api.delete(f"/api/media/{media['id']}?force=true", editor)).status == 204
    after = (await api.get(f"/api/playlists/{playlist['id']}", editor)).json
    assert (after["items"], after["version"]) == ([], 2)
    assert {"playlist.updated", "media.deleted"} <= {event.type for event in heard}
    assert (await api.get(f"/api/media/{media['id']}", editor)).status == 404
    assert left() == ([], [])


async def test_who_may_not_sees_or_changes_nothing(api, owner, viewer, stranger, workspace, left):
    media = (await upload(api, samples.image_bytes(), owner, workspaceId=workspace)).json
    path = f"/api/media/{media['id']}"

    assert (await api.get(path, viewer)).status == 200
    assert (await upload(api, samples.image_bytes(color="red"), viewer, workspaceId=workspace)).status == 403
    assert (await api.patch(path, {"name": "x"}, viewer)).status == 403
    assert (await api.delete(path, viewer)).status == 403
    for reply in (
        await api.get(path, stranger),
        await api.patch(path, {"name": "x"}, stranger),
        await api.delete(path, stranger),
        await upload(api, samples.image_bytes(color="red"), stranger, workspaceId=workspace),
    ):
        assert (reply.status, reply.code) == (404, "not_found")
    assert (await api.get(path)).status == 401
    assert (await upload(api, samples.image_bytes(), None, workspaceId=workspace)).status == 401
    assert len(left()[1]) == 2
    assert left()[0] == []


async def test_a_deleted_workspace_takes_its_media_along(api, owner, workspace, left):
    await upload(api, samples.image_bytes(), owner, workspaceId=workspace)

    assert (await api.delete(f"/api/workspaces/{workspace}", owner)).status == 204

    assert left() == ([], [])
