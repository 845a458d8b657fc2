import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from core import quick
from core.errors import Invalid, Malformed, NotFound, Problem, RateLimited
from core.events import Event
from core.reports import COMMAND_RESULT, HEARTBEAT
from core.validation import ident
from realtime import frames
from realtime.dispatch import AUTH, PING
from realtime.endpoint import FrameType
from realtime.publication import Publication, unpack

TYPES = {
    "heartbeat": FrameType(HEARTBEAT, None, read=quick.reader(HEARTBEAT)),
    "command.result": FrameType({"commandId": ident(required=True), **COMMAND_RESULT}, None),
    "auth": AUTH,
}
SIZES = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]


async def test_tornados_own_client_reads_frames_of_every_length_alone_and_joined():
    class Talker(WebSocketHandler):
        def open(self):
            built = [frames.text_frame(b"x" * size) for size in SIZES]
            for frame in built:
                self.ws_connection.stream.write(frame)
            self.ws_connection.stream.write(b"".join(built))

    listening, port = bind_unused_port()
    server = HTTPServer(Application([("/", Talker)]))
    server.add_socket(listening)
    client = await websocket_connect(f"ws://127.0.0.1:{port}/")

    heard = [len(await client.read_message()) for _ in SIZES * 2]

    assert heard == SIZES * 2
    client.close()
    server.stop()


def test_an_event_has_the_contracts_members_and_times():
    at = datetime(2026, 1, 31, 8, 0, 0, 120_000, tzinfo=UTC)

    plain = json.loads(frames.event("screen.status", {"at": at}, channel="workspace:1"))
    ordered = json.loads(frames.event("message.created", {}, channel="room:1", offset=812))

    assert plain == {"event": "screen.status", "channel": "workspace:1", "data": {"at": "2026-01-31T08:00:00.120Z"}}
    assert ordered["offset"] == 812


def payload(frame):
    return json.loads(frame[frame.index(b'{"', 2) :])


def test_replies_say_yes_or_no_under_the_clients_id():
    yes = payload(frames.reply_frame("a7", {"revision": "r"}))
    silent = payload(frames.reply_frame(7))
    no = payload(frames.error_frame(None, RateLimited(1.5)))

    assert yes == {"reply": "a7", "ok": True, "data": {"revision": "r"}}
    assert silent == {"reply": 7, "ok": True, "data": {}}
    assert (no["reply"], no["ok"], no["error"]["code"], no["error"]["retryAfterMs"]) == (
        None,
        False,
        "rate_limited",
        1500,
    )


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        '"text"',
        "7",
        "null",
        "{",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"type": "ping", "type": "auth"}',
        '{"type": "ping", "data": {"a": 1, "a": 2}}',
        "[" * 60_000,
        '{"a":' * 10_000,
        '{"type": "ping"} {"type": "ping"}',
        b'{"type": "ping"}',
    ],
    ids=lambda message: repr(message[:24]),
)
def test_what_is_not_one_json_object_in_a_text_frame_is_malformed(message):
    with pytest.raises(Malformed):
        frames.parse(message)


@pytest.mark.parametrize("given", [True, 1.5, 2**53 + 1, -(2**60), "x" * 65, "\ud800", [], {}])
def test_an_id_that_could_not_be_sent_back_is_refused(given):
    with pytest.raises(Invalid):
        frames.frame_id({"id": given})


@pytest.mark.parametrize("given", [None, 0, -7, 2**53, "", "x" * 64, "ключ"])
def test_ids_are_strings_and_integers(given):
    assert frames.frame_id({"id": given}) == given


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": 7},
        {"type": None},
        {"type": "ping", "data": []},
        {"type": "ping", "data": "x"},
        {"type": "ping", "more": 1},
        {"type": "ping", "\ud800": 1},
    ],
    ids=repr,
)
def test_an_envelope_of_another_form_is_invalid_and_the_answer_can_be_encoded(document):
    with pytest.raises(Invalid) as refused:
        frames.envelope(document)

    assert frames.error_frame(None, refused.value)


def test_data_may_be_absent():
    assert frames.envelope({"type": "ping", "id": 1}) == ("ping", {})
    assert frames.envelope({"type": "ping", "data": None}) == ("ping", {})


@pytest.mark.parametrize("problem", [Problem(), NotFound(), Malformed()], ids=lambda p: p.code)
def test_every_problem_can_be_framed(problem):
    framed = payload(frames.error_frame(1, problem))

    assert (framed["error"]["status"], framed["error"]["code"]) == (problem.status, problem.code)


@pytest.mark.parametrize(
    "event",
    [
        Event("screen.status", "workspace:1", {"text": "two\nlines"}),
        Event("message.created", "room:1", {"a": 1}, offset=0),
        Event("typing", "room:1", {}, ephemeral=True),
    ],
    ids=lambda event: event.type,
)
def test_a_publication_comes_back_as_it_was_packed(event):
    published = Publication.of(event)

    assert unpack(published.pack()) == published
    assert (published.type, published.offset, published.ephemeral) == (event.type, event.offset, event.ephemeral)
    assert json.loads(published.body)["data"] == event.data


@pytest.mark.parametrize("payload", [b"", b"{}", b"d x\n{}", b"q x -\n{}", b"d x y\n{}", b"d x -", b"\xff\xff\n"])
def test_what_is_no_publication_is_refused(payload):
    with pytest.raises(ValueError, match=r".*"):
        unpack(payload)


anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(), st.text(st.characters(), max_size=8)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(st.characters(), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
framed = st.fixed_dictionaries(
    {}, optional={"id": anything, "type": st.one_of(anything, st.sampled_from(list(TYPES))), "data": anything}
)


@settings(max_examples=500, deadline=None, database=None)
@given(st.one_of(st.text(max_size=40), st.one_of(anything, framed).map(json.dumps)))
def test_whatever_comes_is_read_or_refused_with_an_answer_that_can_be_sent(message):
    given_id, refused = None, None
    try:
        document = frames.parse(message)
        given_id = frames.frame_id(document)
        name, data = frames.envelope(document)
        TYPES.get(name, PING).checked(data)
        answer = frames.reply_frame(given_id)
    except Problem as e:
        answer = frames.error_frame(given_id, refused := e)

    assert payload(answer)["reply"] == given_id
    assert payload(answer)["ok"] or refused.status in {400, 422}
