"""web/shared/socket.js in Chromium, against a peer that answers exactly as a test tells it: the codes of section 11."""

import pytest

from tests.browser.scripted_peer import Peer

HELLO = {"event": "hello", "data": {"connectionId": "c", "heartbeatSeconds": 25, "limits": {}}}

# Starts a client whose waits are short and collects what it is told.
START = """async (options) => {
  const { Socket, socketUrl } = await import("/shared/socket.js");
  const { Backoff } = await import("/shared/backoff.js");
  const told = { states: [], codes: [], events: [], asked: [], hellos: 0 };
  const tokens = [...options.tokens];
  const socket = new Socket({
    url: socketUrl("/ws"),
    backoff: new Backoff({ baseMs: 20, capMs: 40 }),
    authenticate: async (why) => {
      told.asked.push(why.rejected);
      const token = tokens.length > 1 ? tokens.shift() : tokens[0];
      return token === null ? null : { token, expiresAt: options.expiresInMs && Date.now() + options.expiresInMs };
    },
    onHello: () => { told.hellos += 1; },
    onEvent: (frame) => told.events.push(frame),
    onState: ({ state, code }) => { told.states.push(state); if (code !== null) told.codes.push(code); },
  });
  Object.assign(window, { socket, told });
  socket.start();
}"""


@pytest.fixture
def peer():
    made = Peer()
    yield made
    made.stop()


@pytest.fixture
def client(peer, visit):
    """Return a function that starts the client and gives `told()` and `run(script)`."""
    page = visit()
    page.goto(peer.url)

    class Client:
        def __init__(self, tokens=("t1",), **options):
            page.evaluate(START, {"tokens": list(tokens), **options})

        def run(self, script):
            """Evaluate `script` in the page."""
            return page.evaluate(script)

        def until(self, expression):
            """Wait until the expression is true in the page, and return what the client was told."""
            for _ in range(600):
                if page.evaluate(f"Boolean({expression})"):
                    return page.evaluate("told")
                page.wait_for_timeout(50)
            raise AssertionError(f"never {expression}: {page.evaluate('told')} {peer.frames}")

    return Client


def greet(n, handler, frame):
    """Greet whoever authenticates, and acknowledge the rest."""
    if frame["type"] == "auth" and "id" not in frame:
        handler.say(HELLO)
    elif "id" in frame:
        handler.say({"reply": frame["id"], "ok": True, "data": {"echo": frame.get("data")}})


def test_it_authenticates_first_and_then_asks_and_hears(peer, client):
    def script(n, handler, frame):
        greet(n, handler, frame)
        if frame["type"] == "auth":
            handler.say({"event": "thing.made", "channel": "c", "offset": 3, "data": {}})

    peer.script = script

    one = client()
    told = one.until("told.events.length === 1")
    reply = one.run("socket.request('thing', {n: 1})")

    assert peer.frames[0][1] == {"type": "auth", "data": {"token": "t1"}}
    assert reply == {"echo": {"n": 1}}
    assert told["events"][0]["offset"] == 3
    assert told["states"] == ["connecting", "open"]


def test_a_refusal_is_a_problem_with_its_code(peer, client):
    def script(n, handler, frame):
        if "id" in frame:
            handler.say(
                {"reply": frame["id"], "ok": False, "error": {"status": 409, "code": "conflict", "detail": "No."}}
            )
        else:
            greet(n, handler, frame)

    peer.script = script
    one = client()
    one.until("told.hellos === 1")

    refused = one.run("socket.request('thing').catch((e) => [e.name, e.status, e.code, e.message])")

    assert refused == ["Problem", 409, "conflict", "No."]


@pytest.mark.parametrize("code", [1001, 1012, 4408, 4429, 4999])
def test_it_comes_back_after(peer, client, code):
    def script(n, handler, frame):
        greet(n, handler, frame)
        if n == 1:
            handler.close(code)

    peer.script = script

    told = client().until("told.hellos === 2")

    assert told["codes"] == [code]
    assert told["asked"] == [False, False]


@pytest.mark.parametrize("code", [1009, 4400, 4403, 4409])
def test_it_stops_after(peer, client, code):
    def script(n, handler, frame):
        greet(n, handler, frame)
        handler.close(code)

    peer.script = script

    one = client()
    told = one.until("told.states.at(-1) === 'stopped'")
    one.run("new Promise((resolve) => setTimeout(resolve, 300))")

    assert told["codes"] == [code]
    assert peer.connections == 1


def test_a_refused_token_is_replaced_before_it_comes_back(peer, client):
    def script(n, handler, frame):
        if frame["data"]["token"] == "stale":
            handler.close(4401)
        else:
            greet(n, handler, frame)

    peer.script = script

    told = client(["stale", "fresh"]).until("told.hellos === 1")

    assert told["asked"] == [False, True]


def test_without_a_new_token_a_refusal_is_the_end(peer, client):
    peer.script = lambda n, handler, frame: handler.close(4401)

    told = client(["stale", None]).until("told.states.at(-1) === 'stopped'")

    assert told["codes"][-1] == 4401
    assert peer.connections == 1


def test_a_request_that_may_be_repeated_survives_the_connection_with_the_same_id(peer, client):
    def script(n, handler, frame):
        if n == 1 and frame["type"] == "thing":
            handler.close(1012)
        else:
            greet(n, handler, frame)

    peer.script = script
    one = client()
    one.until("told.hellos === 1")

    reply = one.run("socket.request('thing', {clientId: 'x'}, {retry: true})")

    assert reply == {"echo": {"clientId": "x"}}
    sent = [frame for _, frame in peer.frames if frame["type"] == "thing"]
    assert [frame["id"] for frame in sent] == [sent[0]["id"]] * 2


def test_a_request_that_may_not_be_repeated_is_refused_when_the_connection_goes(peer, client):
    def script(n, handler, frame):
        if frame["type"] == "thing":
            handler.close(1012)
        else:
            greet(n, handler, frame)

    peer.script = script
    one = client()
    one.until("told.hellos === 1")

    assert one.run("socket.request('thing').catch((e) => e.name)") == "Unreachable"
    one.until("told.hellos === 2")
    assert len([frame for _, frame in peer.frames if frame["type"] == "thing"]) == 1


def test_a_rate_limited_request_is_sent_again_when_the_server_says(peer, client):
    def script(n, handler, frame):
        if frame["type"] == "thing" and len(peer.frames) < 3:
            error = {"status": 429, "code": "rate_limited", "detail": "Wait.", "retryAfterMs": 100}
            handler.say({"reply": frame["id"], "ok": False, "error": error})
        else:
            greet(n, handler, frame)

    peer.script = script
    one = client()
    one.until("told.hellos === 1")

    assert one.run("socket.request('thing', {}, {retry: true})") == {"echo": {}}


def test_a_refusal_for_good_is_told_at_once_though_it_says_how_long_it_lasts(peer, client):
    def script(n, handler, frame):
        if frame["type"] == "thing":
            error = {"status": 403, "code": "muted", "detail": "Not now.", "retryAfterMs": 600_000}
            handler.say({"reply": frame["id"], "ok": False, "error": error})
        else:
            greet(n, handler, frame)

    peer.script = script
    one = client()
    one.until("told.hellos === 1")

    asked = "socket.request('thing', {}, {retry: true}).catch((e) => [e.name, e.code, e.retryAfterMs])"
    assert one.run(asked) == ["Problem", "muted", 600_000]


def test_silence_is_answered_with_a_ping_and_then_with_a_new_connection(peer, client):
    def script(n, handler, frame):
        if frame["type"] == "auth":
            handler.say({**HELLO, "data": {**HELLO["data"], "heartbeatSeconds": 0.3}})

    peer.script = script

    one = client()
    told = one.until("told.hellos >= 2")
    # Where the page got no turn for a while, a connection is given up without a ping: then the next one tells.
    for _ in range(100):
        pinged = [n for n, frame in peer.frames if frame["type"] == "ping"]
        if pinged and peer.connections > pinged[0]:
            break
        told = one.until(f"told.hellos > {told['hellos']}")
    assert pinged


def test_it_moves_on_when_the_server_is_about_to_stop(peer, client):
    def script(n, handler, frame):
        greet(n, handler, frame)
        if n == 1:
            handler.say({"event": "reconnect", "data": {"afterMs": 100}})

    peer.script = script

    told = client().until("told.hellos === 2")

    assert told["codes"] == []


def test_a_token_is_renewed_on_the_live_connection_before_it_expires(peer, client):
    peer.script = greet

    one = client(["t1", "t2"], expiresInMs=60_300)
    one.until("told.asked.length >= 3")  # by then the second had its answer: the third renews that

    auths = [(n, frame["data"]["token"]) for n, frame in peer.frames if frame["type"] == "auth"]
    assert auths[:2] == [(1, "t1"), (1, "t2")]
