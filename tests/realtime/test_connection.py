"""One connection, by the contract's section 11: who it is, what it may ask and how often, how it ends."""

import asyncio
import json
import socket
import struct
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest

from core.events import CONNECTION_EVENTS
from core.tokens import Tokens, screen_token
from realtime import connection, dispatch, node
from realtime.connection import Connection
from realtime.frames import PING
from realtime.rules import Rules
from tests.promptness import PATIENCE, eventually, within
from tests.realtime.wire import Wire, masked


@pytest.fixture
def rules():
    return Rules(auth_seconds=0.4)


@pytest.fixture
def calm(halls):
    """A hall with the contract's own numbers."""
    return halls(Rules())


@pytest.fixture
def later(monkeypatch):
    """Put forward the time that connections go by, in seconds: `later(25)`.

    Heartbeats of a second would do without; but a busy machine may give nobody a turn for two of them.
    """
    ahead = 0.0

    def put_forward(seconds):
        nonlocal ahead
        ahead += seconds

    moved = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead, perf_counter=time.perf_counter)
    monkeypatch.setattr(connection, "time", moved)
    monkeypatch.setattr(node, "time", moved)
    return put_forward


async def test_a_token_at_the_handshake_is_greeted(calm, owner):
    wire = await Wire.open(calm.port, "/ws/dashboard", owner.token)

    hello = await wire.read()

    assert wire.status == 101
    assert hello.keys() == {"event", "data"}
    assert hello["data"].keys() == CONNECTION_EVENTS["hello"].fields.keys() - {"screen"}
    assert hello["data"]["user"] == {"id": owner.id}
    assert hello["data"]["heartbeatSeconds"] == 25
    assert hello["data"]["limits"] == {"frameBytes": 65536, "frames": 60, "framesSeconds": 10}
    assert len(hello["data"]["connectionId"]) == 24
    assert hello["data"]["serverTime"].endswith("Z")


async def test_a_token_in_the_first_frame_is_greeted_and_gets_no_reply(calm, owner):
    wire = await calm.open()

    await wire.send({"id": 1, "type": "auth", "data": {"token": owner.token}})
    first = await wire.read()
    await wire.send({"id": 2, "type": "ping"})
    second = await wire.read()

    assert first["event"] == "hello"
    assert (second["reply"], second["ok"]) == (2, True)


@pytest.mark.parametrize("token", ["nonsense", "", "mqs_64f0c0ffee64f0c0ffee64f0.x", "a" * 5000])
async def test_a_bad_token_at_the_handshake_is_accepted_and_then_closed_with_4401(hall, token):
    wire = await Wire.open(hall.port, "/ws/dashboard", token)

    assert wire.status == 101
    assert await wire.closed_with() == 4401


async def test_a_bad_token_in_the_first_frame_is_4401(hall):
    wire = await hall.open()

    await wire.send({"type": "auth", "data": {"token": "nonsense"}})

    assert await wire.closed_with() == 4401


async def test_no_token_in_time_is_4401(hall):
    wire = await hall.open()

    assert await wire.closed_with() == 4401


async def test_a_screens_token_is_4401_on_a_socket_for_people(hall):
    wire = await Wire.open(hall.port, "/ws/dashboard", screen_token("64f0c0ffee64f0c0ffee64f0", "x" * 43))

    assert await wire.closed_with() == 4401


async def test_before_authentication_nothing_else_is_answered_with_more_than_a_refusal(calm):
    wire = await calm.open()

    await wire.send({"id": 5, "type": "subscribe", "data": {"workspaceId": "x"}})
    refused = await wire.read()

    assert (refused["reply"], refused["error"]["status"], refused["error"]["code"]) == (5, 401, "unauthenticated")


async def test_auth_again_extends_and_gets_a_reply(calm, owner, marquee, later):
    wire = await Wire.open(calm.port, "/ws/dashboard", _expiring(marquee, owner, seconds=60))
    await wire.read()

    await wire.send({"id": 9, "type": "auth", "data": {"token": owner.token}})
    reply = await wire.read()
    await _outlives(calm, wire, later, beats=5)

    assert (reply["reply"], reply["ok"]) == (9, True)


async def test_an_expired_token_is_closed_after_its_grace(calm, owner, marquee, later):
    wire = await Wire.open(calm.port, "/ws/dashboard", _expiring(marquee, owner, seconds=60))
    await wire.read()

    await _outlives(calm, wire, later, beats=3)  # 75 s; the grace lasts until 90
    later(25)

    assert await wire.closed_with() == 4401


async def test_auth_as_somebody_else_is_4403(hall, owner, stranger):
    wire = await hall.open(owner)

    await wire.send({"type": "auth", "data": {"token": stranger.token}})

    assert await wire.closed_with() == 4403


async def test_a_revoked_session_is_closed_in_another_process_within_two_seconds(calm, api, owner):
    wire = await calm.open(owner)

    assert (await api.post("/api/auth/logout", as_=owner)).status == 204
    with within(2):
        assert await wire.closed_with() == 4401


@pytest.mark.parametrize("frame", [{"type": "ping"}, {"type": "ping", "id": None}])
async def test_a_ping_is_answered_even_without_an_id(calm, owner, frame):
    wire = await calm.open(owner)

    await wire.send(frame)
    reply = await wire.read()

    assert (reply["reply"], reply["ok"]) == (None, True)
    assert reply["data"]["serverTime"].endswith("Z")


WRONG = [
    b"",
    b"[]",
    b"{",
    b'{"id": 1}',
    b'{"id": 1, "type": "nonsense"}',
    b'{"id": 1, "type": "subscribe"}',
    b'{"id": 1, "type": "subscribe", "data": {"workspaceId": {"$ne": null}}}',
    b'{"id": 1, "type": "subscribe", "data": {"workspaceId": "a\\u0000b"}}',
    b'{"id": 1, "type": "subscribe", "data": {"workspaceId": "x", "more": 1}}',
    b'{"id": 1, "type": "ping", "data": {"x": 1}}',
    b'{"id": {}, "type": "ping"}',
    b'{"id": 1e400, "type": "ping"}',
    b'{"id": "\\ud800", "type": "ping"}',
    b'{"type": "ping", "type": "ping"}',
    b"[" * 30_000,
]


@pytest.mark.parametrize("frame", WRONG, ids=lambda frame: frame[:60].decode())
async def test_a_wrong_frame_is_refused_and_the_socket_stays(calm, owner, frame):
    wire = await calm.open(owner)

    await wire.send(frame)
    refused = await wire.read()
    await wire.send({"id": "still", "type": "ping"})

    assert refused["ok"] is False
    assert refused["error"]["status"] in {400, 422}
    assert (await wire.read())["reply"] == "still"


async def test_ten_wrong_frames_in_a_minute_are_4400(calm, owner):
    wire = await calm.open(owner)

    for _ in range(10):
        await wire.send(b"nonsense")
    answers = [await wire.read() for _ in range(10)]

    assert all(answer["error"]["code"] == "malformed" for answer in answers)
    assert await wire.closed_with() == 4400


async def test_what_a_store_refuses_is_no_wrong_frame(calm, owner):
    wire = await calm.open(owner)

    for number in range(15):
        await wire.send({"id": number, "type": "subscribe", "data": {"workspaceId": "unknown"}})
        refused = await wire.read()
        assert (refused["reply"], refused["error"]["status"]) == (number, 404)


async def test_binary_frames_are_wrong_frames(calm, owner):
    wire = await calm.open(owner)

    wire.writer.write(masked(b'{"type": "ping"}', opcode=0x2))

    assert (await wire.read())["error"]["code"] == "malformed"


async def test_more_frames_than_the_rate_are_refused_with_the_time_left(calm, owner):
    wire = await calm.open(owner)

    for number in range(70):
        await wire.send({"id": number, "type": "ping"})
    answers = [await wire.read() for _ in range(70)]
    refused = [answer for answer in answers if not answer["ok"]]

    assert [answer["reply"] for answer in refused] == list(range(60, 70))
    assert {answer["error"]["code"] for answer in refused} == {"rate_limited"}
    assert all(0 < answer["error"]["retryAfterMs"] <= 10_000 for answer in refused)


async def test_a_hundred_frames_a_second_are_4429(calm, owner):
    wire = await calm.open(owner)

    for number in range(200):
        wire.writer.write(masked(json.dumps({"id": number, "type": "ping"}).encode()))

    assert await wire.closed_with() == 4429


@pytest.mark.parametrize("opcode", [0x9, 0xA])
async def test_a_flood_of_pings_or_pongs_is_4429_too(calm, owner, opcode):
    wire = await calm.open(owner)

    wire.writer.write(masked(b"", opcode) * 500)

    assert await wire.closed_with() == 4429


@pytest.mark.parametrize("size", [65_537, 66_000, 200_000])
async def test_a_frame_over_64_kib_is_1009(calm, owner, size):
    wire = await calm.open(owner)

    wire.writer.write(masked(b'{"type": "ping", "id": "' + b"x" * size + b'"}'))

    assert await wire.closed_with() == 1009


async def test_a_frame_in_many_pieces_is_one_frame_and_counts_whole(calm, owner):
    wire = await calm.open(owner)
    message = json.dumps({"id": "whole", "type": "ping"}).encode()

    pieces = [message[start : start + 5] for start in range(0, len(message), 5)]
    for number, piece in enumerate(pieces):
        wire.writer.write(masked(piece, 0x0 if number else 0x1, fin=number == len(pieces) - 1))
    assert (await wire.read())["reply"] == "whole"

    for number in range(17):
        wire.writer.write(masked(b"x" * 4096, 0x0 if number else 0x1, fin=number == 16))
    assert await wire.closed_with() == 1009


async def test_pings_come_every_heartbeat_and_an_answering_client_stays(calm, owner, later):
    wire = await calm.open(owner)

    await _outlives(calm, wire, later, beats=5)


async def test_a_half_open_connection_is_ended_after_two_heartbeats(calm, owner, later):
    wire = await calm.open(owner)  # from now on it answers nothing, like a machine whose cable was pulled
    (half_open,) = calm.node.hub

    later(30)
    ping = await wire.frame()
    code = half_open.code
    later(20)
    opcode, payload = await wire.frame()

    assert (ping, code) == ((9, b""), None)
    assert (opcode, int.from_bytes(payload[:2])) == (8, 4408)
    assert not len(calm.node.hub)


async def test_a_foreign_origin_is_refused_with_a_problem(hall, owner):
    wire = await Wire.open(hall.port, "/ws/dashboard", owner.token, headers=["Origin: https://evil.example"])
    body = json.loads(await wire.reader.read(4096))

    assert (wire.status, body["status"], body["code"]) == (403, 403, "forbidden")
    assert "application/problem+json" in wire.head
    assert "X-Content-Type-Options: nosniff" in wire.head


async def test_the_servers_own_origin_may_connect(hall, owner):
    own = f"Origin: http://127.0.0.1:{hall.port}"

    wire = await Wire.open(hall.port, "/ws/dashboard", owner.token, headers=[own])

    assert (await wire.read())["event"] == "hello"


@pytest.mark.parametrize(("method", "status", "code"), [("GET", 400, "malformed"), ("POST", 405, "method_not_allowed")])
async def test_what_is_no_handshake_is_refused_in_http(api, hall, method, status, code):
    reply = await api.ask(method, f"http://127.0.0.1:{hall.port}/ws/dashboard", raw=b"" if method == "POST" else None)

    assert (reply.status, reply.code) == (status, code)


@pytest.fixture
def patient(halls):
    """A hall that waits longer for a first frame than fifty handshakes take on a busy machine."""
    return halls(Rules(auth_seconds=600))


async def test_sockets_that_wait_for_their_first_frame_are_limited_per_address(patient, owner):
    waiting = [await patient.open() for _ in range(50)]

    refused = await Wire.open(patient.port, "/ws/dashboard")
    admitted = await patient.open(owner)
    waiting[0].hang_up()
    await eventually(lambda: not patient.shared.lobby.is_full("127.0.0.1"))
    again = await Wire.open(patient.port, "/ws/dashboard")

    assert (refused.status, again.status) == (429, 101)
    assert "Retry-After" in refused.head
    assert admitted.hello["user"]["id"] == owner.id
    for wire in waiting:
        wire.hang_up()


async def test_a_draining_process_spreads_its_connections_and_then_closes_them(calm, owner):
    wires = [await calm.open(owner) for _ in range(20)]

    draining = asyncio.ensure_future(calm.node.drain(1))
    told = [await wire.read() for wire in wires]
    refused = await Wire.open(calm.port, "/ws/dashboard", owner.token)
    codes = [await wire.closed_with() for wire in wires]
    await draining

    delays = [frame["data"]["afterMs"] for frame in told]
    assert {frame["event"] for frame in told} == {"reconnect"}
    assert all(0 <= delay <= 1000 for delay in delays)
    assert len(set(delays)) > 10
    assert refused.status == 503
    assert set(codes) == {1012}


async def test_a_drain_ends_when_nobody_is_left(calm, owner):
    wire = await calm.open(owner)

    with within(3):
        draining = asyncio.ensure_future(calm.node.drain(30))
        await wire.read()
        wire.hang_up()
        await draining


async def test_the_metrics_count_connections_and_their_ends(calm, owner):
    labels = calm.metrics.connections.labels("dashboard")
    wire = await calm.open(owner)
    assert labels._value.get() == 1

    wire.writer.write(masked((1000).to_bytes(2), 0x8))
    await eventually(lambda: labels._value.get() == 0)

    assert calm.metrics.connections_closed.labels("dashboard", "1000")._value.get() == 1


async def test_somebody_connected_is_online_and_offline_when_gone(calm, owner):
    first, second = await calm.open(owner), await calm.open(owner)
    await eventually(lambda: _leases(calm, owner, 2))

    first.hang_up()
    await eventually(lambda: _leases(calm, owner, 1))
    assert owner.id in await calm.node.presence.everyone()
    second.hang_up()

    async def is_gone():
        return owner.id not in await calm.node.presence.everyone()

    await eventually(is_gone)


async def _leases(hall, person, count):
    """Tell whether Redis has so many leases of this person."""
    presence = hall.node.presence
    return await presence._redis.run(lambda redis: redis.zcard(presence._key(person.id))) == count


def _expiring(marquee, person, seconds):
    """An access token of this person's session that ends in `seconds`."""
    settings = marquee.settings
    now = marquee.clock.now() - timedelta(seconds=900 - seconds)
    session_id = marquee.stores.access._tokens.verify(person.token, marquee.clock.now()).session_id
    return Tokens(settings.secret_key).access(person.id, session_id, now)


async def _outlives(hall, wire, later, beats):
    """Answer pings for so many heartbeats; they must come, and the hall's only connection must stay."""
    (served,) = hall.node.hub
    for _ in range(beats):
        later(hall.rules.heartbeat_seconds)
        opcode, payload = await wire.frame()
        assert opcode == 9, payload
        before = served._heard
        wire.writer.write(masked(payload, 0xA))
        await eventually(lambda before=before: served._heard > before)
    assert served.code is None


async def _ends(wire):
    """Hold that the server hangs up without a word; a heartbeat may come at any moment."""
    assert (await wire.reader.read()).replace(PING, b"") == b""


async def test_a_close_whose_reason_is_no_text_ends_the_connection(calm, owner):
    wire = await calm.open(owner)

    wire.writer.write(masked(b"\x03\xe8\xff\xfe", 0x8))

    async with asyncio.timeout(PATIENCE):
        await _ends(wire)
        while len(calm.node.hub):
            await asyncio.sleep(0.01)


async def test_a_defect_while_a_frame_is_taken_ends_that_connection_alone(calm, owner, monkeypatch):
    broken, other = await calm.open(owner), await calm.open(owner)
    (first, _) = list(calm.node.hub)

    def received(connection, message):
        if connection is first:
            raise RuntimeError("a defect")
        return dispatch.handle(connection, message)

    monkeypatch.setattr(Connection, "received", received)
    await broken.send({"id": 1, "type": "ping"})
    async with asyncio.timeout(PATIENCE):
        await _ends(broken)
        while len(calm.node.hub) > 1:
            await asyncio.sleep(0.01)

    await other.send({"id": 2, "type": "ping"})
    assert (await other.read())["reply"] == 2


async def test_who_resets_the_handshake_at_whatever_moment_is_no_defect(calm, owner, lines):
    handshake = (
        f"GET /ws/dashboard HTTP/1.1\r\nHost: 127.0.0.1:{calm.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {owner.token}\r\n\r\n"
    )
    for turns in range(16):
        raw = socket.create_connection(("127.0.0.1", calm.port))
        raw.sendall(handshake.encode())
        for _ in range(turns):
            await asyncio.sleep(0)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, and no end
        raw.close()
    opened = await calm.open(owner)  # the server goes on

    await eventually(lambda: len(calm.node.hub) == 1)
    assert [line for line in lines if line["log_level"] == "error"] == []
    opened.hang_up()
