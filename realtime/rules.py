"""The numbers of a connection's life, as the contract's section 11 has them. Tests shorten them."""

from dataclasses import dataclass

from core.settings import Rate


@dataclass(frozen=True, slots=True)
class Rules:
    """How long a connection waits for what, and how much it takes. Times are in seconds."""

    auth_seconds: float = 5
    heartbeat_seconds: float = 25  # below the 60 s after which usual proxies drop a silent connection
    grace_seconds: float = 30  # after an access token's end, to send a fresh one
    frames: Rate = Rate(60, 10)
    wrong_frames: Rate = Rate(10, 60)
    unauthenticated_per_ip: int = 50
