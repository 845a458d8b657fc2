"""Frames of all three sockets, spoilt: refused in words, the connection stays, and nothing of them is stored."""

import asyncio
import contextlib
import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import routes
from realtime.dispatch import _COMMON
from realtime.rules import Rules
from tests.api.rooms import say
from tests.attacks.input import hostile
from tests.attacks.input.conftest import MANY
from tests.attacks.input.times import examples
from tests.realtime.wire import Wire

pytestmark = pytest.mark.usefixtures("jobs_by_hand")
SOCKETS = {"/ws/chat": "owner", "/ws/dashboard": "owner", "/ws/screen": "screen"}
CUT_OFF, TOO_LARGE, NO_TOKEN, NO_OTHER = 1006, 1009, 4401, 4403
MOST_BYTES = 65_536
NOBODY = "64f0c0ffee64f0c0ffee64f0"
# Frames that are right, or would be if what they name were there.
RIGHT = {
    "auth": {"token": "x"},
    "ping": {},
    "subscribe": {"workspaceId": NOBODY},
    "unsubscribe": {"workspaceId": NOBODY},
    "heartbeat": {"status": "online", "reason": "", "nowPlaying": None, "metrics": {"cpu": 1}},
    "command.accept": {"commandId": NOBODY},
    "command.result": {"commandId": NOBODY, "ok": True, "result": {}},
    "room.subscribe": {"rooms": [{"room": "general", "after": 0}]},
    "room.unsubscribe": {"room": "general"},
    "typing": {"room": "general", "on": True},
    "read": {"room": "general", "seq": 0},
    "presence.set": {"status": "away"},
    "message.send": {"room": "general", "content": "Hello", "clientId": "1"},
    "message.edit": {"messageId": NOBODY, "content": "Hello"},
    "message.delete": {"messageId": NOBODY},
    "reaction.add": {"messageId": NOBODY, "emoji": "👍"},
    "reaction.remove": {"messageId": NOBODY, "emoji": "👍"},
}


class Talker:
    """Sends what it is given over one socket after the other: a connection that was closed for it is made anew."""

    def __init__(self, port, path, token):
        self._port, self._path, self._token = port, path, token
        self._wire = None

    async def say(self, raw):
        """Send `raw` and a ping; return the errors that came before the ping's reply, or the close code."""
        if self._wire is None:
            await self._connect()
        wire, errors = self._wire, []
        await wire.send(raw)
        await wire.send({"type": "ping", "id": "after"})
        while True:
            try:
                opcode, payload = await wire.frame()
            except asyncio.IncompleteReadError:  # as Tornado answers what is no UTF-8
                opcode, payload = 8, CUT_OFF.to_bytes(2)
            if opcode == 8:
                await self._leave()
                return int.from_bytes(payload[:2])
            frame = json.loads(payload) if opcode == 1 else {}
            if frame.get("ok") is False:
                errors.append(frame["error"])
            if frame.get("reply") == "after" and frame["ok"]:
                return errors

    async def _leave(self):
        wire, self._wire = self._wire, None
        if wire is not None:
            Wire.opened.remove(wire)
            wire.hang_up()
            with contextlib.suppress(OSError):
                await wire.writer.wait_closed()

    async def _connect(self):
        self._wire = await Wire.open(self._port, self._path, self._token)
        while (await self._wire.read()).get("event") != "hello":
            pass


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """Let a connection take any number of wrong frames: that ten in a minute end it is not the question here."""
    monkeypatch.setattr(routes, "Rules", partial(Rules, wrong_frames=MANY))


@pytest.fixture(params=SOCKETS)
def path(request):
    return request.param


@pytest.fixture
def talker(marquee, actors, path):
    return Talker(marquee.port, path, actors[SOCKETS[path]].token)


@pytest.fixture
def types(marquee, path):
    """The types that this socket takes, with the schemas of their data."""
    endpoint = next(given["endpoint"] for route, _, given in marquee.sockets() if route == path)
    return {**_COMMON, **endpoint.frames}


def spoilt(types):
    """Yield `(name, raw frame)` of everything that a socket with these types has to refuse."""
    for name, taken in types.items():
        frame = {"id": 7, "type": name, "data": RIGHT[name]}
        for path, rule in hostile.fields(taken.schema, ("data",)):
            holed = hostile.with_hole(frame, path)
            for way, value in hostile.wrong_for(rule).items():
                if len(value) < MOST_BYTES or name == "auth":
                    yield f"{way} as {name} {'.'.join(map(str, path))}", hostile.filled(holed, value)
        for way, text in hostile.whole_bodies(RIGHT[name]).items():
            if way == "null" and not any(rule.get("required") for rule in taken.schema.values()):
                continue  # an absent one is an empty one
            yield f"{way} as {name}", f'{{"type": "{name}", "data": {text}}}'.encode("utf-8", "surrogatepass")
    frame = {"id": 7, "type": "ping", "data": {}}
    for field, rule in (("id", {"type": "string"}), ("type", {"type": "string"}), ("data", {"type": "dict"})):
        for way, value in hostile.wrong_for(rule).items():
            if (field, way) not in TAKEN:
                yield f"{way} as {field}", hostile.filled(hostile.with_hole(frame, (field,)), value)


TAKEN = {("id", "NUL"), ("id", "the type null"), ("id", "the type integer"), ("data", "the type null")}


async def test_a_spoilt_frame_is_refused_in_words_and_nothing_is_stored(talker, types, stored, path):
    wrong = []
    await talker.say(b'{"type": "ping"}')
    before = stored()
    for name, raw in spoilt(types):
        answer = await talker.say(raw)
        if len(raw) > MOST_BYTES:
            right = answer == TOO_LARGE
        else:
            right = isinstance(answer, list) and [error["status"] in {400, 422} for error in answer] == [True]
        if not right:
            wrong.append((name, answer))

    assert not wrong
    after = stored()
    for name in before:
        if (path, name) != ("/ws/screen", "screens"):  # which tell of their connection
            assert after[name] == before[name], f"{name} holds something of what was refused"


async def test_text_that_is_no_utf8_ends_the_connection_at_most(talker):
    for value in (b"\xff\xfe", b'{"type": "\xff"}', b'{"type": "\xed\xa0\x80"}'):
        assert await talker.say(value) in ([], CUT_OFF, 1007)
        assert await talker.say(b'{"type": "ping"}') == []


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(),
    st.text(st.characters(codec=None), max_size=12),
    st.sampled_from(["general", NOBODY, "👍", "\x00", "\ud800", "$where", "2026-01-31T08:00:00Z", "online"]),
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.just("$ne"), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def frames_of(draw, types):
    """Draw frames of known types: their own fields, each with something right or with anything at all."""
    name = draw(st.sampled_from(sorted(types)))
    right = RIGHT[name]
    data = {
        field: draw(st.just(right[field]) if field in right and draw(st.booleans()) else ANYTHING)
        for field in types[name].schema
        if draw(st.integers(0, 9))
    }
    frame = {"type": name, "data": draw(st.sampled_from([data, data, data, draw(ANYTHING)]))}
    if draw(st.booleans()):
        frame["id"] = draw(LEAVES)
    return frame


def test_whatever_is_said_the_answer_is_no_defect_and_the_next_is_answered(io_loop, api, owner, talker, types):
    io_loop.run_sync(lambda: say(api, owner, "Hello"))

    @examples(60)
    @given(frames_of(types) | ANYTHING)
    def once(frame):
        raw = json.dumps(frame).encode()
        answer = io_loop.run_sync(lambda: talker.say(raw))
        if isinstance(answer, int):
            assert answer in {TOO_LARGE, NO_TOKEN, NO_OTHER}, (answer, raw)
        else:
            assert all(error["status"] < 500 for error in answer), (answer, raw)

    once()
