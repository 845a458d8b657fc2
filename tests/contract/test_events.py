"""docs/events.md against what the server declares: every event and frame, both ways, and every example."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from core.events import CONNECTION_EVENTS, EVENTS
from core.validation import check
from realtime.codes import Close
from realtime.dispatch import _COMMON

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()


def told():
    """Yield section, kind, name and examples of every heading of the page."""
    for section in re.split(r"^## ", PAGE, flags=re.M)[1:]:
        title = section.partition("\n")[0]
        for part in re.split(r"^### ", section, flags=re.M)[1:]:
            heading = re.match(r"(frame|event) `([\w.]+)`\n", part)
            assert heading, f"a heading that names neither frame nor event: {part[:40]}"
            examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", part, re.S)]
            yield title, heading[1], heading[2], examples


TOLD = list(told())


def schema_of(shape):
    components = {name: each.schema() for name, each in shape.components().items() if name}
    return {**shape.schema(), "components": {"schemas": components}}


@pytest.fixture
def sockets(marquee):
    return {route: given["endpoint"] for route, _, given in marquee.sockets()}


def test_every_event_is_told_once_and_under_its_socket():
    declared = {(f"/ws/{each.socket}", name) for name, each in EVENTS.items()}
    declared |= {("Every socket", name) for name in CONNECTION_EVENTS}

    assert sorted((title, name) for title, kind, name, _ in TOLD if kind == "event") == sorted(declared)


def test_every_frame_is_told_once_and_under_its_socket(sockets):
    declared = {(route, name) for route, endpoint in sockets.items() for name in endpoint.frames}
    declared |= {("Every socket", name) for name in _COMMON}

    assert sorted((title, name) for title, kind, name, _ in TOLD if kind == "frame") == sorted(declared)


@pytest.mark.parametrize(
    ("title", "name", "examples"), [(t, n, e) for t, kind, n, e in TOLD if kind == "event"], ids=lambda v: str(v)[:30]
)
def test_the_example_of_an_event_is_one(title, name, examples):
    (frame,) = examples
    shape = CONNECTION_EVENTS[name] if title == "Every socket" else EVENTS[name].data

    assert set(frame) <= {"event", "channel", "offset", "data"}
    assert frame["event"] == name
    error = jsonschema.exceptions.best_match(Draft202012Validator(schema_of(shape)).iter_errors(frame["data"]))
    assert error is None, f"{error.json_path} {error.message}"
    if title != "Every socket":
        assert frame["channel"].partition(":")[0] == EVENTS[name].channel
        assert ("offset" in frame) == (EVENTS[name].channel == "room" and not EVENTS[name].ephemeral)


def test_the_examples_of_frames_are_accepted(sockets):
    for title, kind, name, examples in TOLD:
        if kind == "frame":
            ask, *replies = examples
            taken = _COMMON if title == "Every socket" else sockets[title].frames
            assert set(ask) <= {"id", "type", "data"}
            assert ask["type"] == name
            check(ask.get("data", {}), taken[name].schema)
            assert all((reply["reply"], reply["ok"]) == (ask["id"], True) for reply in replies)


def test_every_close_code_is_told():
    rows = re.findall(r"^\| ([\d, ]+) \|", PAGE, flags=re.M)

    assert sorted(int(code) for row in rows for code in row.split(", ")) == sorted(Close)
