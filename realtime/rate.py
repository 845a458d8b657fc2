"""Counting what one connection does, in this process alone: a connection never moves."""

from core.settings import Rate


class FixedWindow:
    """A count that starts anew with the first event after its window; two numbers a connection."""

    __slots__ = ("_count", "_ends", "_seconds")

    def __init__(self, rate: Rate) -> None:
        self._seconds = rate.seconds
        self._count = 0
        self._ends = 0.0

    def count(self, now: float) -> int:
        """Count one event and return how many this window has had, this one included."""
        if now >= self._ends:
            self._count, self._ends = 0, now + self._seconds
        self._count += 1
        return self._count

    def left(self, now: float) -> float:
        """Return the seconds until the window ends."""
        return max(0.0, self._ends - now)
