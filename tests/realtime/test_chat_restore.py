"""A room whose past was replaced by a restore from a backup: nobody goes on from what they held."""

from tests.api.rooms import history, say
from tests.realtime.chatting import subscribed


async def test_after_a_restore_everybody_loads_the_room_anew(api, marquee, ana, ben):
    await say(api, ana, "kept")
    backup = await marquee.ground.collection("rooms").get({"name": "general"})
    lost = await say(api, ana, "lost")
    away = await subscribed(marquee.port, ben, "general")
    here = await subscribed(marquee.port, ana, "general")
    held = {"after": away.entry["offset"], "epoch": away.entry["epoch"]}
    away.close()

    # As mongorestore and the command do it, and then people write on: the lost offset is reached again.
    await marquee.ground.collection("messages").delete({"_id": lost["id"]})
    await marquee.ground.collection("rooms").update({"_id": backup["_id"]}, {"$set": backup})
    assert await marquee.stores.epochs.renew() == 1
    ended = await here.event("unsubscribed")
    for content in ("new", "newer"):
        await say(api, ana, content)
    back = await subscribed(marquee.port, ben, "general", **held)

    room = (await api.get("/api/rooms/general", as_=ben)).json
    assert held["after"] < room["offset"]
    assert ended["data"] == {"code": "epoch_changed"}
    assert (back.entry["recovered"], back.entry["messages"], back.entry["offset"]) == (False, [], room["offset"])
    assert back.entry["epoch"] == room["epoch"] != held["epoch"]
    assert [message["content"] for message in (await history(api, ben))["items"]] == ["kept", "new", "newer"]
    await say(api, ana, "live")
    assert (await back.event("message.created"))["data"]["content"] == "live"
    for chat in (here, back):
        chat.close()
