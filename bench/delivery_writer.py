"""A writer that notes what was answered."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.delivery_client import Line, Lost, Person

_AT_ONCE = 50  # requests of a burst


@dataclass
class Sent:
    """A message as its writer knows it. `contents` are those that it may have, `deleted` None where that is open."""

    room: str
    contents: set[str]
    answer: dict[str, Any] | None = None
    outcome: str = "undecided"  # then "acknowledged" or "refused"
    unsure: set[str] = field(default_factory=set)  # contents of edits without an answer: they may come at any time
    deleted: bool | None = False


class Writer:
    """Writes, edits, deletes and reacts until `stop`; repeats an unanswered message with its `clientId`, mostly."""

    def __init__(self, person: Person, rooms: Sequence[str], faults: list[str]) -> None:
        self.person, self._rooms, self._faults = person, rooms, faults
        self.sent: dict[str, Sent] = {}
        self.stopped = False
        self.unanswered = float("-inf")  # when (monotonic) it last gave up waiting for an answer
        self._line: Line | None = None

    async def run(self, pause: float) -> None:
        """Write about every `pause` seconds."""
        chance = self.person.chance
        while not self.stopped:
            mine = [one for one in self.sent.values() if one.answer and one.deleted is False]
            dice = chance.random()
            if dice < 0.7 or not mine:
                await self._write(chance.choice(self._rooms), blank=dice < 0.03)
            elif dice < 0.82:
                await self._edit(chance.choice(mine))
            elif dice < 0.88:
                await self._delete(chance.choice(mine))
            else:
                one = chance.choice(mine)
                emoji = chance.choice("👍🎉👀")
                await self._ask("reaction.add", {"messageId": (one.answer or {})["id"], "emoji": emoji})
            await asyncio.sleep(chance.uniform(0, 2 * pause))

    def hang_up(self) -> None:
        """Close the connection."""
        if self._line is not None:
            self._line.hang_up()
            self._line = None

    async def _ask(self, type_: str, data: Any) -> dict[str, Any] | None:
        """Return the reply, None where the outcome is open."""
        if self._line is None:
            self._line = await self.person.connect()
        try:
            reply = await self._line.ask(type_, data, lambda _: None)
        except Lost:
            self.hang_up()
        else:
            if reply["ok"] or reply["error"]["status"] < 500:
                return reply
        self.unanswered = time.monotonic()
        return None

    async def burst(self, room: str, count: int, content: str | None = None) -> None:
        """Send `count` messages by REST, as many at once as the rooms can join, until all are acknowledged."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def send() -> None:
            async with turns:
                await self._post(room, content)

        await asyncio.gather(*(send() for _ in range(count)))

    async def _post(self, room: str, content: str | None) -> None:
        key, one = self._note(room, content)
        body = {"room": room, "content": next(iter(one.contents)), "clientId": key}
        while one.outcome == "undecided":
            status, answer = await self.person.call("POST", "/api/messages", body)
            if status == 401:
                await self.person.renew()
            elif status in {200, 201}:
                one.outcome, one.answer = "acknowledged", answer
            else:
                one.outcome = "refused"
                self._faults.append(f"{key}: a message that is right got {status}: {answer}")

    def _note(self, room: str, content: str | None = None) -> tuple[str, Sent]:
        """Note a new message before it is sent; return its `clientId` with it."""
        key = f"{self.person.name}-{len(self.sent)}"
        one = self.sent[key] = Sent(room, {content or f"{key} says {self.person.chance.random()}"})
        return key, one

    async def _write(self, room: str, *, blank: bool) -> None:
        key, one = self._note(room, " " if blank else None)
        content = next(iter(one.contents))
        for _ in range(self.person.chance.choice((1, 8, 8, 8))):
            reply = await self._ask("message.send", {"room": room, "content": content, "clientId": key})
            if reply is not None:
                one.outcome = "acknowledged" if reply["ok"] else "refused"
                one.answer = reply.get("data")
                if reply["ok"] == blank:
                    self._faults.append(f"{key}: a message that is {'blank' if blank else 'right'} got {reply}")
                return
            await asyncio.sleep(0.2)

    async def _edit(self, one: Sent) -> None:
        content = f"edited to {self.person.chance.random()}"
        one.unsure.add(content)
        reply = await self._ask("message.edit", {"messageId": (one.answer or {})["id"], "content": content})
        if reply is not None:
            one.unsure.discard(content)
            if reply["ok"]:
                one.contents = {content}

    async def _delete(self, one: Sent) -> None:
        one.deleted = None
        reply = await self._ask("message.delete", {"messageId": (one.answer or {})["id"]})
        if reply is not None:
            one.deleted = bool(reply["ok"])
