"""The collector of cyclic garbage, in a process of its own: it is set for a whole process, and for good."""

import subprocess
import sys

SCRIPT = """
import gc, weakref
from core import garbage
from core.metrics import Metrics

class Knot:
    def __init__(self):
        self.me = self

def looks():
    return metrics.registry.get_sample_value("marquee_gc_pause_seconds_count", {"generation": "2"})

metrics, before = Metrics(), Knot()
garbage.settle(metrics)
later = Knot()
seen = [id(each) for each in gc.get_objects()]
print(id(before) in seen, id(later) in seen)

tied, kept = weakref.ref(later), []
del later
while not looks():
    kept.append([[] for _ in range(1000)])
print(tied() is None)
"""


def test_what_was_there_at_the_start_is_left_alone_and_what_came_later_is_collected_by_itself():
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True)

    assert ran.stdout.split() == ["False", "True", "True"]
