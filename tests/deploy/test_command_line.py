"""The command line where something is wrong: exit status 1 and one sentence that says what, never a traceback."""

import os
import pty
import socket
import subprocess

import pytest

from bench.ports import free_port
from tests.deploy.processes import COMMAND, ROOT, run

PASSWORD = "a long enough sentence\n"


@pytest.fixture
def environ(store_urls, settings, tmp_path):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MARQUEE_")}
    return clean | {
        "MARQUEE_DATA_DIR": str(tmp_path / "data"),
        "MARQUEE_MONGODB_URL": store_urls.mongodb,
        "MARQUEE_MONGODB_DATABASE": settings.mongodb_database,
        "MARQUEE_REDIS_URL": store_urls.redis,
        "MARQUEE_REDIS_PREFIX": settings.redis_prefix,
        "MARQUEE_PORT": "0",
    }


def refused(environ, *words, told=""):
    status, said = run(environ, *words, told=told)
    *logs, sentence = said.splitlines()
    assert status == 1
    assert all("[info" in line for line in logs), said
    assert sentence.endswith((".", "away")), said
    return sentence


def test_help_names_every_command(environ):
    status, said = run(environ, "--help")

    assert status == 0
    assert all(command in said for command in ("create-admin", "reset-password", "restored", "check"))


def test_an_unknown_command_is_refused(environ):
    status, said = run(environ, "destroy")

    assert status == 2
    assert "invalid choice" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [("MARQUEE_PORT", "http"), ("MARQUEE_TYPO", "1"), ("MARQUEE_STORAGE", "cloudinary"), ("MARQUEE_ENV", "production")],
)
def test_a_wrong_setting_stops_the_start(environ, name, value):
    said = refused({**environ, name: value})

    assert "MARQUEE_" in said or "CLOUDINARY_URL" in said


def test_a_file_called_env_is_read_and_the_environment_wins(environ, tmp_path):
    (tmp_path / ".env").write_text("MARQUEE_PORT=from-the-file\nMARQUEE_LOG_LEVEL=wrong\n")

    def start(settings):
        command = [COMMAND[0], str(ROOT / "server.py"), "restored"]
        done = subprocess.run(
            command, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stderr

    assert start(environ) == (1, "MARQUEE_LOG_LEVEL must be one of debug, info, warning, error.\n")
    assert start({**environ, "MARQUEE_LOG_LEVEL": "info"})[0] == 0


@pytest.mark.parametrize("words", [(), ("check",), ("create-admin", "ann@example.com", "ann")])
def test_a_mongodb_that_does_not_answer_is_named(environ, words):
    away = f"mongodb://127.0.0.1:{free_port()}/?replicaSet=rs"

    assert "MARQUEE_MONGODB_URL" in refused({**environ, "MARQUEE_MONGODB_URL": away}, *words, told=PASSWORD)


def test_check_says_when_redis_does_not_answer(environ):
    away = f"redis://127.0.0.1:{free_port()}"

    assert "redis: away" in refused({**environ, "MARQUEE_REDIS_URL": away}, "check")


@pytest.mark.parametrize("embedded", [True, False])
def test_a_taken_port_is_named_before_anything_is_started(environ, tmp_path, embedded):
    if embedded:
        environ = {name: value for name, value in environ.items() if not name.endswith("_URL")}
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", 0))
        taker.listen()
        port = taker.getsockname()[1]
        status, said = run({**environ, "MARQUEE_PORT": str(port)})

    assert status == 1
    assert said == f"MARQUEE_PORT: the server cannot listen on 127.0.0.1:{port}, Address already in use.\n"
    assert list((tmp_path / "data").iterdir()) == []


def test_an_address_that_is_not_ours_is_named(environ):
    assert "MARQUEE_HOST" in refused({**environ, "MARQUEE_HOST": "192.0.2.1"})


def test_a_data_directory_that_cannot_be_written_is_named(environ, tmp_path):
    (tmp_path / "file").touch()

    assert str(tmp_path / "file") in refused({**environ, "MARQUEE_DATA_DIR": str(tmp_path / "file")}, "check")


@pytest.mark.parametrize(
    ("words", "told", "why"),
    [
        (("create-admin", "ann@example.com", "ann"), "short\n", "8 to 128 characters"),
        (("create-admin", "ann@example.com", "ann"), "", "8 to 128 characters"),
        (("create-admin", "ann@example.com", "a b"), PASSWORD, "username"),
        (("create-admin", "no address", "ann"), PASSWORD, "email"),
        (("reset-password", "nobody@example.com"), PASSWORD, "no account"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(environ, words, told, why):
    assert why in refused(environ, *words, told=told)


def test_an_admin_is_made_twice_and_told_all_that_was_done(environ):
    first, made = run(environ, "create-admin", "ann@example.com", "ann", told=PASSWORD)
    second, changed = run(environ, "create-admin", "ANN@example.com", "Ann", told="another long sentence\n")

    assert (first, second) == (0, 0)
    assert made == "ann@example.com is an administrator, with a new account named ann.\n"
    assert changed == (
        "ANN@example.com is an administrator as before: its account was there already, has the new password, "
        "and all its sessions have ended.\n"
    )
    assert "username" in refused(environ, "create-admin", "other@example.com", "ANN", told=PASSWORD)


def test_the_account_of_an_address_becomes_an_administrator_s(environ, marquee, stranger, api, io_loop):
    users, email = marquee.ground.collection("users"), "stranger@example.com"

    def held():
        return io_loop.run_sync(lambda: users.get({"email": email}))

    io_loop.run_sync(lambda: users.update({"email": email}, {"$set": {"disabled": True}}))
    before = held()

    said = refused(environ, "create-admin", email, "another", told=PASSWORD)

    assert said == f"{email} has an account named {before['username']}: nothing was changed."
    assert held() == before
    status, said = run(environ, "create-admin", email, before["username"], told=PASSWORD)
    after = held()
    assert (status, after["role"], after["disabled"]) == (0, "admin", False)
    assert after["passwordHash"] != before["passwordHash"]
    assert "is an administrator now: " in said
    assert "is enabled again" in said
    assert io_loop.run_sync(lambda: api.get("/api/users/profile", stranger)).status == 401


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["a long enough sentence"] * 2, 0, "with a new account named ann."),
        (["a long enough sentence", "a long enough sentense"], 1, "two passwords differ"),
        (["a long enough sentence", "\x04"], 1, "No password was given"),
    ],
)
def test_on_a_terminal_a_password_is_asked_for_twice(environ, words, status, said):
    ours, theirs = pty.openpty()
    command = [*COMMAND, "create-admin", "ann@example.com", "ann"]
    # A session of its own has no terminal but this: getpass would else ask at that of whoever runs the tests.
    asked = subprocess.Popen(
        command, cwd=ROOT, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        heard = until(ours, "Password: ")
        os.write(ours, f"{words[0]}\n".encode())
        heard += until(ours, "again: ")
        os.write(ours, f"{words[1]}\n".encode())
        heard += until(ours, None)
        assert asked.wait(60) == status
    finally:
        asked.kill()
        asked.wait()
        os.close(ours)

    assert said in heard
    assert "sentence" not in heard  # nothing is shown of what is typed


def until(terminal, prompt):
    """Return what is said at `terminal` up to `prompt`, or to the end of whoever speaks."""
    heard = b""
    while prompt is None or not heard.endswith(prompt.encode()):
        try:
            piece = os.read(terminal, 1024)
        except OSError:  # EIO: nobody has the other side any more
            piece = b""
        if not piece:
            assert prompt is None, heard
            break
        heard += piece
    return heard.decode()


def test_after_a_restore_all_rooms_have_another_epoch(environ, marquee, io_loop):
    rooms = marquee.ground.collection("rooms")
    before = {room["_id"]: room["epoch"] for room in io_loop.run_sync(lambda: rooms.find({}))}

    status, said = run(environ, "restored")

    after = {room["_id"]: room["epoch"] for room in io_loop.run_sync(lambda: rooms.find({}))}
    assert (status, "from now on: 1." in said) == (0, True), said
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
