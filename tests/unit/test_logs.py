"""The lines of the log: their form, what libraries say, and what must never stand in them."""

import asyncio
import io
import json
import logging
from contextlib import redirect_stderr

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from core import logs

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYmMifQ.c2lnbmF0dXJl-_0"
SECRETS = {
    "a token": JWT,
    "a header": "Authorization: Bearer opaque-0123456789",
    "an address": "/media/ab.jpg?exp=1&sig=c2lnbmF0dXJlX29m",
    "a store": "cannot reach mongodb://marquee:hunter2hunter2@db.example.com:27017/x",
}
PARTS = ["eyJ", "opaque-0", "c2lnbmF0dXJl", "hunter2"]


@pytest.fixture
def configured():
    """Set the log up in a format and at a level; return a function that returns what was written."""
    written = io.StringIO()

    def configure(log_format, level="info"):
        with redirect_stderr(written):
            logs.configure(log_format, level)
        return written.getvalue

    yield configure
    logs.configure("console", "error")


@pytest.fixture(params=["json", "console"])
def said(request, configured):
    """Log in one of the formats; return what was written."""
    return configured(request.param)


@pytest.fixture
def objects(configured):
    """Log as JSON; return the lines."""
    written = configured("json")
    return lambda: [json.loads(line) for line in written().splitlines()]


def test_json_has_one_object_a_line(objects):
    structlog.get_logger("marquee.test").warning("test.happened", screen="a\nb", count=3)

    (line,) = objects()
    assert (line["event"], line["level"], line["screen"], line["count"]) == ("test.happened", "warning", "a\nb", 3)
    assert line["timestamp"].endswith("Z")


def test_a_line_stays_one_line_whatever_is_logged(said):
    structlog.get_logger("marquee.test").warning("test.happened", name="a\nfake.line actor=admin\r\n")

    assert len(said().splitlines()) == 1


def test_a_traceback_is_part_of_its_object(objects):
    try:
        raise ZeroDivisionError("so it goes")
    except ZeroDivisionError:
        structlog.get_logger("marquee.test").exception("test.failed")

    (line,) = objects()
    assert "ZeroDivisionError: so it goes" in line["exception"]


def test_libraries_log_in_the_same_form(objects):
    try:
        raise ZeroDivisionError("so it goes")
    except ZeroDivisionError:
        logging.getLogger("tornado.application").exception("Uncaught in %s", "a callback")

    (line,) = objects()
    assert (line["event"], line["level"], line["logger"]) == ("Uncaught in a callback", "error", "tornado.application")
    assert "ZeroDivisionError: so it goes" in line["exception"]


def test_what_drivers_tell_of_each_command_is_not_logged(configured):
    written = configured("json", "debug")
    logging.getLogger("pymongo.command").debug("insert users")
    structlog.get_logger("marquee.test").debug("test.happened")

    assert [json.loads(line)["event"] for line in written().splitlines()] == ["test.happened"]


def test_the_level_holds(configured):
    log = structlog.get_logger("marquee.test")
    written = configured("json", "warning")
    log.info("test.quiet")
    log.warning("test.loud")

    assert [json.loads(line)["event"] for line in written().splitlines()] == ["test.loud"]


@pytest.mark.parametrize("key", ["password", "newPassword", "accessToken", "refresh_token", "Cookie", "poll_secret"])
def test_a_value_whose_key_sounds_like_a_secret_is_hidden(said, key):
    structlog.get_logger("marquee.test").warning("test.happened", **{key: "swordfish"})

    assert "swordfish" not in said()


@pytest.mark.parametrize("what", SECRETS)
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(said, what):
    log = structlog.get_logger("marquee.test")
    log.warning("test.happened", error=SECRETS[what])
    try:
        raise ValueError(SECRETS[what])
    except ValueError:
        log.exception("test.failed")
        logging.getLogger("asyncio").exception("Task exception was never retrieved")

    written = said()
    assert written.count(logs.HIDDEN) >= 3
    assert [part for part in PARTS if part in written] == []


_PIECES = st.sampled_from([*SECRETS.values(), "eyJ", "sig=", "signature=", "bearer ", "Bearer ", "://", "@", "."])


@given(st.lists(_PIECES | st.text(max_size=14)))
def test_looking_for_signs_first_misses_nothing(pieces):
    line = "".join(pieces)

    assert logs.blank_secrets(None, "", line) == logs._SECRET_LOOKS.sub(logs.HIDDEN, line)


def test_a_traceback_shows_no_local_variables(said):
    password = "swordfish"  # noqa: F841 - what a traceback must not show
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        structlog.get_logger("marquee.test").exception("test.failed")

    assert said().count("swordfish") <= 1  # the line of code of this test itself, if at all


def test_ordinary_addresses_and_words_stay(said):
    structlog.get_logger("marquee.test").warning(
        "test.happened", url="http://127.0.0.1:8000/media/ab.jpg", mail="ann@example.com", text="bearer of news: signal"
    )

    assert logs.HIDDEN not in said()


async def test_context_ends_with_its_task(objects):
    log = structlog.get_logger("marquee.test")

    async def request(number):
        structlog.contextvars.bind_contextvars(request_id=number)
        await asyncio.sleep(0.01)
        log.warning("test.happened")

    await asyncio.gather(*(asyncio.create_task(request(number)) for number in range(3)))
    log.warning("test.after")

    assert [line.get("request_id") for line in objects()] == [0, 1, 2, None]
