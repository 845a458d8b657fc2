"""A clock that tests put forward."""

from datetime import timedelta

from core.clock import Clock


class MovableClock(Clock):
    """The machine's clock, `ahead` of itself by what tests have said."""

    def __init__(self):
        self.ahead = timedelta(0)

    def advance(self, **how_far):
        """Put the clock forward; the arguments are timedelta's."""
        self.ahead += timedelta(**how_far)

    def now(self):
        return super().now() + self.ahead

    def timestamp(self):
        return super().timestamp() + self.ahead.total_seconds()

    def monotonic(self):
        return super().monotonic() + self.ahead.total_seconds()
