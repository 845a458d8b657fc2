"""Passwords: which are accepted, and how they are hashed without the loop ever waiting.

bcrypt raises above 72 bytes, so a password is NFC-normalised and pre-hashed with a keyed
HMAC-SHA-384 first: `bcrypt(base64(HMAC-SHA-384(pepper, password)))` is 64 bytes whatever came in.
"""

import asyncio
import base64
import hashlib
import hmac
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from core.errors import Invalid, Unavailable

COST = 12  # 0.24 s on the machine the design was measured on
THREADS = 2  # bcrypt frees the GIL: more threads than cores only share them
QUEUE = 16  # what two cores hash in about two seconds; beyond that the answer is 503 at once
WAIT_SECONDS = 2.5  # nobody is let in who would wait longer: answers are due in 4.3 s, and cores may become slower

T = TypeVar("T")


class Passwords:
    """Hashes and checks passwords in a small pool with a queue that is bounded in length and in time."""

    def __init__(self, pepper: str, *, cost: int = COST, threads: int = THREADS, queue: int = QUEUE) -> None:
        self._pepper = pepper.encode()
        self._cost = cost
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt")
        self._threads = threads
        self._limit = threads + queue
        self._waiting = 0
        began = time.perf_counter()
        # Checked in place of a hash that is not there, so that an unknown address takes as long as a known one.
        self._decoy = bcrypt.hashpw(b"decoy", bcrypt.gensalt(cost))
        self._seconds = time.perf_counter() - began  # that one hashing takes, by what the latest ones took

    @property
    def waiting(self) -> int:
        """How many hashings run or wait now."""
        return self._waiting

    async def hash(self, password: str) -> str:
        """Return the bcrypt hash. Raises Unavailable at once when the queue is full."""
        digest = await self._run(bcrypt.hashpw, self._prehash(password), bcrypt.gensalt(self._cost))
        return digest.decode()

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Tell whether `password` is that of `hashed`; None takes the same time and is never right."""
        stored = self._decoy if hashed is None else hashed.encode()
        return await self._run(bcrypt.checkpw, self._prehash(password), stored) and hashed is not None

    def close(self) -> None:
        """Let the threads end; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _prehash(self, password: str) -> bytes:
        normal = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
        return base64.b64encode(hmac.digest(self._pepper, normal, hashlib.sha384))

    async def _run(self, work: Callable[..., T], *args: bytes) -> T:
        if self._waiting >= self._limit or self._expected() > WAIT_SECONDS:
            raise Unavailable(detail="Too many people are signing in at once: try again in a moment.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._timed, work, *args)
        finally:
            self._waiting -= 1

    def _expected(self) -> float:
        """How long one who comes now would wait for a turn."""
        return max(0, self._waiting + 1 - self._threads) * self._seconds / self._threads

    def _timed(self, work: Callable[..., T], *args: bytes) -> T:
        began = time.perf_counter()
        try:
            return work(*args)
        finally:
            self._seconds += (time.perf_counter() - began - self._seconds) / 4


# The most used of the published leak lists, at 8 characters or more (shorter ones are refused by length).
COMMONEST = frozenset(
    """
    password password1 password12 password123 password1234 passw0rd p@ssw0rd p@ssword 12345678 123456789
    1234567890 12345678910 123123123 11111111 111111111 1111111111 00000000 000000000 88888888 87654321
    987654321 9876543210 qwertyui qwertyuiop qwerty123 qwerty12 qwerty1234 1q2w3e4r 1q2w3e4r5t 1qaz2wsx
    zaq12wsx q1w2e3r4 q1w2e3r4t5 asdfghjk asdfghjkl zxcvbnm1 zxcvbnm123 iloveyou iloveyou1 sunshine sunshine1
    princess princess1 football football1 baseball baseball1 superman superman1 trustno1 letmein1 welcome1
    welcome123 monkey123 dragon123 master123 shadow123 michael1 jennifer charlie1 computer internet whatever
    starwars pokemon123 abcd1234 abcdefgh abc12345 abc123456 a1b2c3d4 aa123456 asdf1234 admin123 admin1234
    administrator changeme changeme1 default1 guest123 test1234 testtest secret123 jordan23 liverpool chelsea1
    12341234 11223344 112233445566 12121212 123321123 147258369 159357456 741852963 13131313 55555555 66666666
    77777777 99999999 22222222 33333333 44444444 qweasdzxc qweasd123 google123 facebook samsung1 corvette
    mercedes maverick midnight passpass password! password01 p4ssw0rd pa55word pa55w0rd mypassword yourpassword
    correcthorsebatterystaple qazwsxedc qazwsx123 1234qwer qwer1234 zxcv1234 superstar butterfly chocolate
    """.split()
)


def refuse_weak(password: str, *, email: str, username: str, path: str = "password") -> None:
    """Raise Invalid for a password that is too short or long, among the commonest, or made of the person's own names.

    Lengths are in code points after NFC; white space counts and nothing is trimmed.
    """
    normal = unicodedata.normalize("NFC", password)
    if not 8 <= len(normal) <= 128:
        raise Invalid.field(path, "must have 8 to 128 characters")
    lowered = normal.casefold()
    if lowered in COMMONEST or len(set(lowered)) == 1:
        raise Invalid.field(path, "is one of the commonest passwords")
    own = {username.casefold(), email.casefold(), email.casefold().partition("@")[0]}
    if any(len(name) >= 3 and name in lowered for name in own):
        raise Invalid.field(path, "must not contain your own name or address")
