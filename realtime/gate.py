"""Authentication at a socket's door: the models' access check, counted as the contract says."""

import asyncio

from core.errors import Unauthenticated
from core.limits import Limits, client_of
from core.permissions import Actor
from models.access import Access

# When thousands reconnect, the stores are asked in turns and go on serving requests: of what waits for one of the
# driver's threads (five for each core), a request is behind these. With more nobody was in sooner.
_AT_ONCE = 24


class AccessGate:
    """See `Gate`. A handshake counts once, as whom it authenticates: as its IP address when as nobody."""

    def __init__(self, access: Access, limits: Limits) -> None:
        self._access = access
        self._limits = limits
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def admit(self, token: str, ip: str) -> Actor:
        """Return the actor behind `token`. Raises Unauthenticated, RateLimited, Unavailable.

        A bad token is RateLimited too where its address has used up what it may ask as nobody: as in REST.
        """
        try:
            async with self._turn:
                actor, window = await self._access.admit(token, ip)
        except Unauthenticated:
            (await self._limits.count("anonymous", client_of(ip))).enforce()
            raise
        window.enforce()
        return actor

    async def is_good(self, token: str, ip: str) -> bool:
        """Tell whether `token` is good still. Raises Unavailable; no limit refuses this, for nobody has asked."""
        try:
            async with self._turn:
                await self._access.admit(token, ip)
        except Unauthenticated:
            return False
        return True

    async def refreshed(self, actor: Actor) -> Actor:
        """Return a person with the rights that they have now: a socket outlives a role."""
        return await self._access.refreshed(actor)
