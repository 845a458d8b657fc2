"""How many examples an attack tries: few with the suite, MARQUEE_ATTACK times as many in the long form."""

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("MARQUEE_ATTACK", "1"))


def examples(few):
    """Return hypothesis' settings for `few` examples in the suite.

    Each run takes other examples: what one finds is printed so that it can be repeated. A real server and a
    database stand behind each example, so nothing here is held against a clock or made anew between two.
    """
    return settings(
        max_examples=few * TIMES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
