"""The overview: one look at a workspace."""

from tests.api.displays import pair
from tests.api.stock import NOTHING, Stock, make_playlist, raise_emergency
from tests.promptness import eventually

OVERVIEW = "/api/overview"
NONE = {"connecting": 0, "online": 0, "offline": 0, "error": 0}


async def test_an_empty_workspace_is_all_noughts(api, owner, workspace):
    assert (await api.get(f"{OVERVIEW}?workspaceId={workspace}", as_=owner)).json == {
        "screens": {"total": 0, "byStatus": NONE, "inSync": 0},
        "media": {
            "total": 0,
            "bytes": 0,
            "byType": {"image": {"count": 0, "bytes": 0}, "video": {"count": 0, "bytes": 0}},
        },
        "playlists": 0,
        "emergencies": 0,
        "membersOnline": 0,
        "quota": {"bytes": 20_000_000_000, "used": 0},
    }


async def test_everything_is_counted_in_its_workspace(api, owner, editor, marquee, workspace):
    other = (await api.post("/api/workspaces", {"name": "Other"}, as_=owner)).json["id"]
    stock, elsewhere = Stock(marquee, workspace), Stock(marquee, other)
    await raise_emergency(api, editor, workspace)
    ended = await raise_emergency(api, editor, workspace)
    await api.delete(f"/api/emergencies/{ended['id']}", as_=editor)
    for status in ("online", "online", "offline", "error"):
        await stock.screen(status=status)
    await stock.set(await stock.screen(status="offline"), inSync=False)
    await elsewhere.screen()
    media = await stock.media("a", bytes=100)
    await stock.media("b", bytes=20)
    await stock.media("c", kind="video", bytes=3)
    await elsewhere.media("d", bytes=7)
    await make_playlist(api, editor, workspace, media)

    one = (await api.get(f"{OVERVIEW}?workspaceId={workspace}", as_=editor)).json
    assert one["screens"] == {"total": 5, "byStatus": NONE | {"online": 2, "offline": 2, "error": 1}, "inSync": 4}
    assert one["media"] == {
        "total": 3,
        "bytes": 123,
        "byType": {"image": {"count": 2, "bytes": 120}, "video": {"count": 1, "bytes": 3}},
    }
    assert (one["playlists"], one["emergencies"]) == (1, 1)
    both = (await api.get(OVERVIEW, as_=owner)).json
    assert (both["screens"]["total"], both["media"]["bytes"]) == (6, 130)
    assert both["quota"]["bytes"] == 3 * one["quota"]["bytes"]  # theirs, the other, the personal one


async def test_members_who_are_here_are_counted_once(api, owner, editor, stranger, workspace):
    async def are_here(count):
        return (await api.get(f"{OVERVIEW}?workspaceId={workspace}", as_=editor)).json["membersOnline"] == count

    sockets = []
    for person, expected in ((owner, 1), (owner, 1), (stranger, 1), (editor, 2)):
        sockets.append(await api.socket("/ws/dashboard", as_=person))
        await sockets[-1].event("hello")
        await sockets[-1].request("ping")
        await eventually(lambda expected=expected: are_here(expected))  # a lease is written beside the hello
    assert await are_here(2)
    for socket in sockets:
        socket.close()


async def test_only_members_look(api, stranger, viewer, workspace):
    assert (await api.get(f"{OVERVIEW}?workspaceId={workspace}", as_=viewer)).status == 200
    assert (await api.get(f"{OVERVIEW}?workspaceId={workspace}", as_=stranger)).status == 404
    assert (await api.get(f"{OVERVIEW}?workspaceId={NOTHING}", as_=viewer)).status == 404
    assert (await api.get(f"{OVERVIEW}?workspace={workspace}", as_=viewer)).status == 422
    assert (await api.get(OVERVIEW)).status == 401


async def test_it_follows_a_real_screen(api, editor, workspace):
    display, made = await pair(api, editor, workspace)
    path = f"{OVERVIEW}?workspaceId={workspace}"
    assert (await api.get(path, as_=editor)).json["screens"]["byStatus"]["connecting"] == 1
    await display.beat(appliedRevision=made["revision"])
    screens = (await api.get(path, as_=editor)).json["screens"]
    assert screens == {"total": 1, "byStatus": NONE | {"online": 1}, "inSync": 1}
