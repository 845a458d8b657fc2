"""Background work that fails: in one line where a store was away, with a traceback where it is a defect."""

import pytest

from core.errors import Unavailable
from core.tasks import logged


async def failing(error):
    raise error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Unavailable(), {"log_level": "warning", "error": "unavailable"}),
        (ValueError("of ours"), {"log_level": "error", "exc_info": True}),
    ],
)
async def test_a_failure_is_logged_and_goes_no_further(error, line, lines):
    await logged(failing(error))

    assert lines == [{"event": "task.failed", "task": "failing", **line}]
