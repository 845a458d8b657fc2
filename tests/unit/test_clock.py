"""Times as they are written."""

from datetime import UTC, datetime

from bson.tz_util import utc
from hypothesis import example, given
from hypothesis import strategies as st

from core.clock import rfc3339
from core.validation import parse_moment


@given(moment=st.datetimes(), zone=st.sampled_from([UTC, utc]))
@example(moment=datetime(1, 1, 1), zone=UTC)
@example(moment=datetime(2026, 12, 31, 23, 59, 59, 999999), zone=utc)
def test_a_time_is_written_to_the_millisecond_and_can_be_read_again(moment, zone):
    moment = moment.replace(tzinfo=zone)
    written = rfc3339(moment)

    assert written == f"{moment.isoformat(timespec='milliseconds')[:23]}Z"
    assert parse_moment(written) == moment.replace(microsecond=moment.microsecond // 1000 * 1000)
