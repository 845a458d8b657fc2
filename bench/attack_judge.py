"""Asks servers whose stores are being hurt, and judges every answer: the right one, or an honest refusal, and soon."""

import asyncio
import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httputil import HTTPHeaders

from bench.delivery_client import Person

GIVE_UP_SECONDS = 30.0
PAUSE = 0.3  # seconds before something is asked again
NO_ANSWER = 599  # the status of what was not answered at all
_ID = re.compile(r"/[0-9a-f]{24}(?=/|$)")


@dataclass
class Judge:
    """What was answered. `slowest` is the longest that an answer may take, in seconds."""

    slowest: float = 5.0
    violations: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=dict)
    back: dict[int, float] = field(default_factory=dict)  # clients of a storm: seconds until all were current
    excused: bool = False  # while a process is away: then no answer at all is no violation

    def blame(self, what: str) -> None:
        """Note something that breaks a promise, once."""
        if what not in self.violations:
            self.violations.append(what)

    async def ask(
        self, who: Person, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Ask any process once; return status and JSON. No answer at all is NO_ANSWER, and a violation."""
        sent = HTTPHeaders({"Content-Type": "application/json", **(headers or {})})
        token = who.token
        if token:
            sent["Authorization"] = f"Bearer {token}"
        upload = isinstance(body, bytes)
        raw = body if upload or body is None else json.dumps(body)
        url = f"http://127.0.0.1:{random.choice(who.ports)}{path}"
        request = HTTPRequest(
            url, method, sent, raw, request_timeout=GIVE_UP_SECONDS, connect_timeout=5, allow_nonstandard_methods=True
        )
        what = f"{method} {_ID.sub('/{id}', path.partition('?')[0])}{' (a file)' if upload else ''}"
        began = time.monotonic()
        try:
            reply = await AsyncHTTPClient().fetch(request, raise_error=False)
        except (OSError, HTTPClientError) as e:
            if not self.excused:
                self.blame(f"{what}: no answer, {type(e).__name__}")
            return NO_ANSWER, None
        # An upload is looked at for as long as that takes: docs/reliability.md does not promise it in 5 s.
        self.timed(what, time.monotonic() - began, limited=not upload)
        self.statuses[reply.code] += 1
        document = json.loads(reply.body) if reply.body and "json" in reply.headers.get("Content-Type", "") else None
        if reply.code == 503:
            if not reply.headers.get("Retry-After") or (document or {}).get("code") != "unavailable":
                self.blame(f"{what}: 503 without Retry-After or its code: {_said(document)}")
        elif reply.code == 401 and path != "/api/auth/login" and (document or {}).get("code") == "token_expired":
            if who.token == token:
                await who.renew()
        elif reply.code >= 500 or (reply.code in {401, 403, 404} and token == who.token != ""):
            self.blame(f"{what}: {reply.code} {_said(document)}")
        return reply.code, document

    async def insist(
        self, who: Person, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> Any:
        """Ask again as 503 says, and return the JSON of what is answered then. `headers` should make that safe."""
        while True:
            status, document = await self.ask(who, method, path, body, headers=headers)
            if status < 400:
                return document
            if status not in {401, 503, NO_ANSWER}:
                self.blame(f"{method} {path}: {status} {_said(document)}")
                return None
            await asyncio.sleep(PAUSE)

    def timed(self, what: str, seconds: float, *, limited: bool = True) -> None:
        """Note how long an answer took, and that it was too long where it is `limited`."""
        self.longest[what] = max(seconds, self.longest.get(what, 0))
        if limited and seconds > self.slowest:
            self.blame(f"{what}: an answer took more than {self.slowest:g} s")

    def __str__(self) -> str:
        """Return the report that is printed."""
        answers = ", ".join(f"{count} of {status}" for status, count in sorted(self.statuses.items()))
        slow = sorted(self.longest.items(), key=lambda one: -one[1])[:3]
        return "\n".join(
            [
                f"answers: {answers}",
                f"the slowest: {', '.join(f'{what} {seconds:.2f} s' for what, seconds in slow)}",
                *[f"{count} came back at once, all current after {took:.1f} s" for count, took in self.back.items()],
                *[f"VIOLATION {one}" for one in self.violations[:40]],
            ]
        )


def _said(document: Any) -> str:
    """Return what a problem says, without what is another each time."""
    return f"{document.get('code')}: {document.get('detail')}" if isinstance(document, dict) else str(document)
