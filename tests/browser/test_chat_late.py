"""What the chat page reads of people may be older than what it hears meanwhile: the news stays."""

import secrets

MEMBERS = "**/api/rooms/*/members?*"


def hold(page, pattern):
    """Let the first answer to `pattern` be made, and keep it; return a list that holds what lets it go."""
    held = []

    def keep(route):
        answer = route.fetch()
        held.append(lambda: route.fulfill(response=answer))

    page.route(pattern, keep, times=1)
    return held


def test_what_is_heard_of_people_while_they_are_read_stays(person):
    ana, ben = person("ana"), person("ben")
    name = f"shop-{secrets.token_hex(3)}"
    ana.make_room(name)
    ben.join(name)
    ana.until(lambda: ana.member(ben).count() == 1)
    ben.until(lambda: ben.member(ana).count() == 1)
    held = hold(ben.page, MEMBERS)

    ben.page.reload()
    ben.until(lambda: len(held) == 1)
    ben.until(lambda: ben.link() == "open")
    ben.until_text("#title", name)
    ana.member(ben).get_by_role("button").click()
    ana.page.get_by_label("Role").select_option(label="moderator")
    ana.until(lambda: "moderator" in ana.member(ben).inner_text())
    ana.button("Close", "#person-dialog")
    ana.say("that was before this")
    ben.sees("that was before this")
    held.pop()()

    ben.until(lambda: "moderator" in ben.member(ben).inner_text())
