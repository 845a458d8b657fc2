"""Rate limits that all processes share, counted in Redis; without Redis each process counts for itself.

Windows are fixed and start with their first request. Counting is one Lua call, which brings the caller's
cached session along (see limits.lua), so an authenticated request costs one round trip. Those that come while
one is under way share the next: it begins after they asked, so what it brings is fresh, and each is counted once.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from core.breaker import Breaker, RedisAway
from core.clock import Clock
from core.errors import RateLimited
from core.gather import Gather
from core.settings import Rate, Settings

_SCRIPT = (Path(__file__).parent / "limits.lua").read_text()
_MOST_ASKS = 200  # in one round trip: 2 ms of Redis' time
_MOST_WINDOWS = 50_000  # of the local limiter: about 10 MB; then the oldest half goes
_SUBSCRIBER = 64  # bits of an IPv6 address that name a subscriber; all the rest are whoever it likes to be

_Ask = tuple[str | int, ...]  # how many keys, the keys, the script's arguments


def client_of(ip: str) -> str:
    """Return whom an address counts as: itself, or of IPv6 the network of its subscriber; any spelling alike."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip  # a unix socket's peer has none
    if isinstance(address, ipaddress.IPv4Address):
        return ip
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), _SUBSCRIBER), strict=False))


@dataclass(frozen=True, slots=True)
class Window:
    """Where a caller stands in a policy. `reset` is in seconds."""

    policy: str
    rate: Rate
    count: int
    reset: float

    @property
    def exceeded(self) -> bool:
        """Whether more was asked than is allowed."""
        return self.count > self.rate.count

    @property
    def headers(self) -> dict[str, str]:
        """The two RateLimit headers of the contract."""
        left = max(0, self.rate.count - self.count)
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.rate.count};w={self.rate.seconds}',
            "RateLimit": f'"{self.policy}";r={left};t={max(0, round(self.reset))}',
        }

    def enforce(self) -> None:
        """Raise RateLimited when the window is exceeded."""
        if self.exceeded:
            raise RateLimited(self.reset, policy=self.policy, window=self.headers)


@dataclass(frozen=True, slots=True)
class Cached:
    """What the session cache holds: the entry's bytes or None, and the generation that a fill must still meet.

    `generation` is None when Redis did not answer: then nothing is to be filled.
    """

    entry: bytes | None
    generation: str | None


class Limits:
    """The policies of the contract's section 1."""

    def __init__(self, redis: Breaker, prefix: str, settings: Settings, clock: Clock) -> None:
        self._redis = redis
        self._prefix = prefix
        self._clock = clock
        self._sha = redis.client.register_script(_SCRIPT).sha
        self._asks: Gather[_Ask, Any] = Gather(self._ask_together, most=_MOST_ASKS)
        self._local: dict[str, tuple[int, float]] = {}
        login = settings.rate_login
        wide = Rate(login.count * 10, login.seconds)  # per e-mail and per IP alone: ten times both together
        self._rates = {
            "anonymous": settings.rate_anonymous,
            "login": login,
            "login-email": wide,
            "login-ip": wide,
            "user": settings.rate_user,
            "screen": settings.rate_screen,
            "messages": settings.rate_messages,
            "pairing": settings.rate_pairing,
        }

    async def count(self, policy: str, who: str, cost: int = 1) -> Window:
        """Count `cost` (0 only looks, negative gives back) for `who` and return where it stands."""
        window, _ = await self._ask(policy, who, cost, None, "")
        return window

    async def admit(self, policy: str, who: str, session_id: str) -> tuple[Window, Cached]:
        """Count one for `who` (a user or a screen, as the policy says) and bring the cached session along."""
        return await self._ask(policy, who, 1, self.session_keys(who, policy), session_id)

    def session_keys(self, subject: str, kind: str = "user") -> tuple[str, str]:
        """Return the keys of a user's (or screen's) cached sessions and of their generation."""
        tag = f"{self._prefix}:{{{kind}:{subject}}}"
        return f"{tag}:sessions", f"{tag}:generation"

    def _key(self, policy: str, who: str) -> str:
        if policy in {"user", "screen"}:
            return f"{self._prefix}:{{{policy}:{who}}}:rate"
        tag = hashlib.sha256(who.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"{self._prefix}:{{rate:{tag}}}:{policy}"

    async def _ask(
        self, policy: str, who: str, cost: int, session: tuple[str, str] | None, field: str
    ) -> tuple[Window, Cached]:
        rate, key = self._rates[policy], self._key(policy, who)
        keys = (key, *(session or ()))
        try:
            count, left, entry, generation = await self._asks.add((len(keys), *keys, rate.seconds * 1000, cost, field))
        except RedisAway:
            return self._count_here(policy, rate, key, cost), Cached(None, None)
        return Window(policy, rate, count, left / 1000), Cached(entry, generation.decode())

    async def _ask_together(self, asks: Sequence[_Ask]) -> list[Any]:
        """Return the script's answers, in one round trip for all. Raises RedisAway."""
        return await self._redis.run(lambda client: self._evaluate(client, asks))

    async def _evaluate(self, client: Any, asks: Sequence[_Ask]) -> list[Any]:
        answers = await self._sent(client, asks)
        unknown = [n for n, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:  # a Redis that has just started, perhaps: these were not counted, and the others were
            await client.script_load(_SCRIPT)
            again = await self._sent(client, [asks[n] for n in unknown])
            for n, answer in zip(unknown, again, strict=True):
                answers[n] = answer
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return answers

    async def _sent(self, client: Any, asks: Sequence[_Ask]) -> list[Any]:
        pipe = client.pipeline(transaction=False)
        for ask in asks:
            pipe.execute_command("EVALSHA", self._sha, *ask)
        return list(await pipe.execute(raise_on_error=False))

    def _count_here(self, policy: str, rate: Rate, key: str, cost: int) -> Window:
        """Count in this process: never unlimited, never all refused."""
        now = self._clock.monotonic()
        count, ends = self._local.get(key, (0, now + rate.seconds))
        if ends <= now:
            count, ends = 0, now + rate.seconds
        count = max(0, count + cost)
        self._local[key] = (count, ends)
        if len(self._local) > _MOST_WINDOWS:
            for old in list(self._local)[: _MOST_WINDOWS // 2]:
                del self._local[old]
        return Window(policy, rate, count, ends - now)
