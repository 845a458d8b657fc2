"""Goes on when a worker has died, where xdist 3.8.0 may wait for ever (its issues #1323, #1327; mended after 3.8.0).

A worker dies on purpose where a test lasts too long (pytest-timeout in a thread). Then three things are put right:
what the worker had finished is not handed out again as nothing to do, the test it died on is not run again, and the
worker in its place has the two tests that it needs to begin one, or is told that no more will come.
"""

from contextlib import suppress

import pytest
from xdist.scheduler import LoadFileScheduling

NEEDED = 2  # a worker runs a test when it knows the next one


class Scheduling(LoadFileScheduling):
    """xdist's `--dist loadfile`; the parts of it that a dead worker passes through are written anew."""

    def remove_node(self, node):
        """Hand out what a worker has left; return the test that it died on, or None."""
        units = self.assigned_work.pop(node)
        left = [(unit, test) for unit, tests in units.items() for test, is_done in tests.items() if not is_done]
        if not left:
            return None
        unit, died_on = left[0]
        units[unit][died_on] = True
        self.workqueue.update({unit: tests for unit, tests in units.items() if not all(tests.values())})
        for other in self.nodes:
            self._reschedule(other)
        return died_on

    def _assign_work_unit(self, node):
        with suppress(OSError):  # it has just died: what it was to do will be handed out again
            super()._assign_work_unit(node)

    def _reschedule(self, node):
        if node.shutting_down or node not in self.registered_collections:
            return  # it takes no more, or has only just taken a dead one's place
        super()._reschedule(node)
        while self.workqueue and self._pending_of(self.assigned_work[node]) < NEEDED:
            self._assign_work_unit(node)
        if not self.workqueue:
            node.shutdown()  # when it has finished what it has


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    if config.option.dist == "loadfile":
        return Scheduling(config, log)
    return None
