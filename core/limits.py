"""Rate limits that all processes share, counted in Redis; without Redis each process counts for itself.

Windows are fixed and start with their first request. Counting is one Lua call, which brings the caller's
cached session along (see limits.lua), so an authenticated request costs one round trip.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from core.breaker import Breaker, RedisAway
from core.clock import Clock
from core.errors import RateLimited
from core.settings import Rate, Settings

_SCRIPT = (Path(__file__).parent / "limits.lua").read_text()
_MOST_WINDOWS = 50_000  # of the local limiter: about 10 MB; then the oldest half goes
_SUBSCRIBER = 64  # bits of an IPv6 address that name a subscriber; all the rest are whoever it likes to be


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
        self._script = redis.client.register_script(_SCRIPT)
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
        keys = [key, *(session or ())]
        try:
            count, left, entry, generation = await self._redis.run(
                lambda client: self._script(keys=keys, args=[rate.seconds * 1000, cost, field], client=client)
            )
        except RedisAway:
            return self._count_here(policy, rate, key, cost), Cached(None, None)
        return Window(policy, rate, count, left / 1000), Cached(entry, generation.decode())

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
