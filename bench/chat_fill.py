"""Fills both chats alike: so many people, all in the same rooms, and so many messages in each room.

Marquee's first account, its rooms and one message come by its own API, so that all documents are of its making; the
other people and messages are copies of these, written into the store: hashing a thousand passwords measures nothing.
"""

import json
import subprocess
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pymongo
from bson import ObjectId

from core.tokens import Tokens

PEER = Path(__file__).parent / "peers" / "express-socketio"
_AUTHORS = 20  # who wrote the messages that are there
_BATCH = 5000


@dataclass(frozen=True)
class Filled:
    """How much is there."""

    people: int
    rooms: int = 1
    messages: int = 0  # in each room


def fill(name: str, wanted: Filled, port: int, environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Fill the chat `name`, which runs on `port`; return everybody's token, and the rooms' ids."""
    if name == "marquee":
        return _fill_marquee(wanted, port, environ)
    command = ["node", "chat-seed.js", json.dumps(asdict(wanted))]
    told = subprocess.run(command, cwd=PEER, env=dict(environ), capture_output=True, text=True, check=True)
    seeded = json.loads(told.stdout)
    return seeded["tokens"], seeded["rooms"]


def _ask(port: int, method: str, path: str, token: str = "", body: Any = None) -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", content, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def _fill_marquee(wanted: Filled, port: int, environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    account = {"email": "person0@example.com", "username": "person0", "password": "a long sentence for the bench"}
    session = _ask(port, "POST", "/api/auth/register", body=account)
    token = session["accessToken"]
    rooms = [_ask(port, "GET", "/api/rooms/general", token)["id"]]
    for number in range(1, wanted.rooms):
        body = {"name": f"room-{number}", "type": "public"}
        rooms.append(_ask(port, "POST", "/api/rooms", token, body)["id"])
    with pymongo.MongoClient[dict[str, Any]](environ["MARQUEE_MONGODB_URL"], tz_aware=True) as client:
        database = client["marquee"]
        people, users, sessions = _people(database, session["user"]["id"], wanted.people)
        for room in rooms:
            if wanted.messages:
                first = _ask(port, "POST", "/api/messages", token, {"room": room, "content": "first", "clientId": "0"})
                _messages(database, room, first["id"], [user for user, _ in people[:_AUTHORS]], wanted.messages)
            _members(database, room, [user for user, _ in people])
        if users:  # after their memberships: a job brings who is not in `general` into it
            database.sessions.insert_many(sessions)
            database.users.insert_many(users)
    tokens, now = Tokens(environ["MARQUEE_SECRET_KEY"]), datetime.now(UTC)
    return [tokens.access(user, session_id, now) for user, session_id in people], rooms


def _people(database: Any, user_id: str, count: int) -> tuple[list[tuple[str, str]], list[Any], list[Any]]:
    """Copy an account and its session; return everybody's ids of both, and the copies."""
    user, session = database.users.find_one({"_id": user_id}), database.sessions.find_one({"userId": user_id})
    found, users, sessions = [(user_id, session["_id"])], [], []
    for number in range(1, count):
        name, copied, opened = f"person{number}", str(ObjectId()), str(ObjectId())
        names = {"username": name, "usernameFolded": name, "displayName": f"Person {number}", "role": "user"}
        mail = {"email": f"{name}@example.com", "emailFolded": f"{name}@example.com"}
        users.append({**user, **names, **mail, "_id": copied})
        sessions.append({**session, "_id": opened, "userId": copied})
        found.append((copied, opened))
    return found, users, sessions


def _members(database: Any, room: str, users: list[str]) -> None:
    """Copy the first one's membership for all others, as if they had always been there."""
    first = database.room_members.find_one({"_id": f"{room}:{users[0]}"})
    plain = {**first, "role": "member"}
    copies = [{**plain, "_id": f"{room}:{user}", "userId": user} for user in users[1:]]
    if copies:
        database.room_members.insert_many(copies)
    database.rooms.update_one({"_id": room}, {"$inc": {"memberCount": len(copies)}})


def _messages(database: Any, room: str, message_id: str, authors: list[str], count: int) -> None:
    """Copy the first message until there are `count`."""
    first = database.messages.find_one({"_id": message_id})
    above, copies = first["rev"] - first["seq"], []
    for seq in range(first["seq"] + 1, count + 1):
        content = f"Message {seq} of a room in which people have been talking for a while about this and that."
        author = authors[seq % len(authors)]
        own = {"_id": str(ObjectId()), "seq": seq, "rev": seq + above, "authorId": author, "clientId": f"seed-{seq}"}
        copies.append({**first, **own, "content": content})
    for at in range(0, len(copies), _BATCH):
        database.messages.insert_many(copies[at : at + _BATCH])
    if copies:
        top = {"lastSeq": count, "offset": count + above}
        database.rooms.update_one({"_id": room}, {"$set": top})
