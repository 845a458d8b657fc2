"""What holds the promises in seconds: others on the machine do not count, and we do."""

import subprocess
import time

import pytest

from tests.promptness import _HeldUp, within


def test_what_comes_too_late_is_told():
    with pytest.raises(AssertionError, match=r"it took 0\.\d\d s of -60 s"), within(-60):
        pass


def test_what_the_machine_took_does_not_count():
    with within(0.3):
        subprocess.run(["sh", "-c", "kill -STOP $PPID; sleep 0.6; kill -CONT $PPID"], check=True)


def test_what_our_own_code_computes_counts():
    held_up, began, worked = _HeldUp(), time.monotonic(), time.process_time()
    held_up.start()
    while time.process_time() - worked < 1:
        pass
    took, worked = time.monotonic() - began, time.process_time() - worked
    held_up.stop()

    assert held_up.seconds < took - worked + 0.1


def test_what_goes_wrong_inside_is_told_first():
    with pytest.raises(ZeroDivisionError), within(-60):
        1 / 0  # noqa: B018
