"""What the chat page reads of people may be older than what it hears meanwhile: the news stays."""

import json
import secrets

MEMBERS = "**/api/rooms/*/members?*"
AWAY = {"status": 503, "code": "unavailable", "detail": "Try again in a moment."}
ROOMS = "**/api/rooms?*"
MORE_THAN_ONE_CALL_ASKS = 5


def test_what_is_heard_of_people_while_they_are_read_stays(person):
    ana, ben = person("ana"), person("ben")
    name = f"shop-{secrets.token_hex(3)}"
    ana.make_room(name)
    ben.join(name)
    ana.until(lambda: ana.member(ben).count() == 1)
    ben.until(lambda: ben.member(ana).count() == 1)
    held = ben.hold(MEMBERS)

    ben.page.reload()
    ben.until(lambda: len(held) == 1)
    ben.until(lambda: ben.link() == "open")
    ben.until_text("#title", name)
    ana.look_at(ben)
    ana.page.get_by_label("Role").select_option(label="moderator")
    ana.until(lambda: "moderator" in ana.member(ben).inner_text())
    ana.button("Close", "#person-dialog")
    ana.say("that was before this")
    ben.sees("that was before this")
    held.pop()()

    ben.until(lambda: "moderator" in ben.member(ben).inner_text())


def test_nothing_can_be_written_before_a_room_is_open_and_so_nothing_is_lost(person):
    ana = person("ana")
    held = ana.hold(ROOMS)

    ana.page.reload()
    ana.until(lambda: len(held) == 1)
    ana.until(lambda: ana.link() == "open")
    assert not ana.page.get_by_label("Message", exact=True).is_visible()
    held.pop()()

    ana.say("at last")
    ana.sees("at last")


def test_a_list_of_rooms_that_is_refused_is_asked_for_until_it_is_there(person):
    ana = person("ana")
    asked = []

    def refuse(route):
        asked.append(route.request.url)
        route.fulfill(status=503, headers={"Retry-After": "0"}, body="")

    ana.page.route(ROOMS, refuse, times=MORE_THAN_ONE_CALL_ASKS)
    ana.page.reload()

    ana.until_text("#title", "General")
    assert len(asked) == MORE_THAN_ONE_CALL_ASKS


def test_what_was_read_is_said_again_where_the_server_could_not_take_it(person):
    ana, ben = person("ana"), person("ben")
    name = f"shop-{secrets.token_hex(3)}"
    ana.make_room(name)
    ben.join(name)
    refused = []

    def refuse_the_first(socket):
        server = socket.connect_to_server()

        def pass_on(words):
            frame = json.loads(words)
            if frame["type"] == "read" and not refused:
                refused.append(frame)
                socket.send(json.dumps({"reply": frame["id"], "ok": False, "error": AWAY}))
            else:
                server.send(words)

        socket.on_message(pass_on)

    ben.page.route_web_socket("**/ws/chat", refuse_the_first)
    ben.page.reload()
    ben.until_text("#title", name)
    ana.say("the last for today")
    ben.sees("the last for today")

    ben.until(lambda: len(refused) == 1)
    ben.go_to("General")
    ana.until_text("#receipt", f"Read by {ben.name}")
