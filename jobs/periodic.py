"""Tornado's PeriodicCallback, for what must not pause when the machine's clock is put back."""

from tornado.ioloop import PeriodicCallback


class Periodic(PeriodicCallback):
    """Calls at the same pace whatever is done to the wall clock, by which Tornado times its next call.

    A callback that takes longer than its period is never called twice at once: turns are left out.
    """

    def _update_next(self, current_time: float) -> None:
        ahead = self._next_timeout - current_time
        if ahead > 2 * self.callback_time / 1000:
            self._next_timeout = current_time
        super()._update_next(current_time)
