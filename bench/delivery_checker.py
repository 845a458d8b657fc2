"""What must be true when all faults are healed: compares writers' notes, readers' states and a fresh fetch."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bench.delivery_client import Person
from bench.delivery_reader import Reader, load
from bench.delivery_writer import Sent, Writer

State = dict[str, dict[str, Any]]  # messages by id


async def fresh(person: Person, rooms: Sequence[str]) -> dict[str, State]:
    """Return every room as a fresh reader gets it."""
    return {room: (await load(person, room)).messages for room in rooms}


async def converged(readers: Sequence[Reader], rooms: dict[str, State], seconds: float) -> list[str]:
    """Wait until every reader holds just what is there; after `seconds` return who does not, one sentence each."""
    until = time.monotonic() + seconds
    while found := [one for reader in readers for one in _differences(reader, rooms)]:
        if time.monotonic() > until:
            return found
        await asyncio.sleep(0.1)
    return []


def _differences(reader: Reader, rooms: dict[str, State]) -> list[str]:
    found = []
    for room, state in rooms.items():
        held = reader.held[room].messages
        lacks = sorted(m["seq"] for key, m in state.items() if key not in held)
        other = sorted(m["seq"] for key, m in state.items() if key in held and held[key] != m)
        extra = sorted(m["seq"] for key, m in held.items() if key not in state)
        if lacks or other or extra:
            found.append(
                f"{reader.person.name} in {room}: lacks {lacks[:9]} ({len(lacks)}), "
                f"has another state of {other[:9]} ({len(other)}), has {extra[:9]} ({len(extra)}) that are not there"
            )
    return found


def history(rooms: dict[str, State], writers: Sequence[Writer]) -> list[str]:
    """Return what is wrong with the rooms' history by what the writers were answered."""
    found: list[str] = []
    keys = Counter(m["clientId"] for state in rooms.values() for m in state.values() if m.get("clientId"))
    for room, state in rooms.items():
        seqs = sorted(m["seq"] for m in state.values())
        if seqs != list(range(1, len(seqs) + 1)):
            found.append(f"{room}: its {len(seqs)} messages are not numbered 1 to {len(seqs)}: {seqs[-5:]}")
        revs = [m["rev"] for m in state.values()]
        if len(set(revs)) != len(revs):
            found.append(f"{room}: two messages have the same rev")
    for writer in writers:
        for key, sent in writer.sent.items():
            found += [f"{key}: {wrong}" for wrong in _wrong(sent, rooms[sent.room], keys[key])]
    return found


def _wrong(sent: Sent, state: State, count: int) -> list[str]:
    """Return what is wrong with one message, which the history has `count` times under its clientId."""
    if sent.outcome == "undecided":
        return ["is there twice"] if count > 1 else []
    if sent.outcome == "refused":
        return ["was refused and is there"] if count else []
    assert sent.answer is not None
    there = state.get(sent.answer["id"])
    if there is None:
        return [f"was acknowledged as {sent.answer['seq']} and is not there"]
    wrong = []
    if there["seq"] != sent.answer["seq"]:
        wrong.append(f"was acknowledged as {sent.answer['seq']} and is {there['seq']}")
    if sent.deleted is not None and there["deleted"] != sent.deleted:
        wrong.append(f"deleted is {there['deleted']}, acknowledged was {sent.deleted}")
    if not there["deleted"] and there["content"] not in sent.contents | sent.unsure:
        wrong.append(f"has the content {there['content']!r}, acknowledged was {sent.contents}")
    if count != (0 if there["deleted"] else 1):
        wrong.append(f"is there {count} times")
    return wrong


async def presence(asker: Person, here: set[str], gone: set[str], seconds: float) -> list[str]:
    """Wait until `here` and none of `gone` (user ids) are shown online; return what is wrong after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        status, page = await asker.call("GET", "/api/users/online?limit=100")
        if status == 401:
            await asker.renew()
        else:
            online = {one["id"] for one in page["items"]}
            if here <= online and not gone & online:
                return []
            if time.monotonic() > until:
                return [f"presence: {len(here - online)} are not shown, {len(gone & online)} are shown as ghosts"]
        await asyncio.sleep(0.5)
