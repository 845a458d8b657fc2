"""`python server.py` with stores of its own: how soon it answers, what it keeps, what it leaves behind."""

import os
import re
import signal
import subprocess
import time
from http.client import HTTPConnection
from subprocess import PIPE, STDOUT
from urllib.parse import urlsplit

import psutil
import pytest

from deploy.embedded import running_stores
from tests.deploy.processes import COMMAND, ROOT, Server, check, run
from tests.promptness import PATIENCE, within

ALICE = {"email": "alice@example.com", "username": "alice", "password": "a long enough sentence"}


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(**settings):
        started.append(Server(tmp_path / "data", **settings))
        return started[-1]

    yield start
    for server in started:
        server.end(signal.SIGKILL)


def test_the_first_answer_comes_within_a_few_seconds(serve):
    with within(15):  # under 3 s on a machine that does nothing else
        server = serve()
        assert server.ask("/readyz")[0] == 200


def test_it_says_which_pages_it_has_and_when_it_has_ended(serve):
    server = serve()
    said = server.process.stdout.readline()

    pages = re.findall(r"(?<= )/\w*", said.partition(". ")[0])
    assert pages == ["/", "/player", "/chat", "/docs"]
    for page in pages:
        assert b"<!doctype html>" in server.fetch(page).lower()
    assert f"{server.data_dir}. Ctrl-C" in said

    server.process.send_signal(signal.SIGINT)
    assert server.process.stdout.read() == "Marquee has ended.\n"
    assert running_stores(server.data_dir) is None


def test_it_ends_well_when_nobody_hears_it_any_more(serve):
    server = serve()
    server.process.stdout.readline()
    server.process.stdout.close()

    assert server.end(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_an_account_outlives_the_end_of_the_server_and_no_process_does(serve, tmp_path, number, status):
    server = serve()
    made = server.ask("/api/auth/register", ALICE)
    assert made[0] == 201, made

    assert server.end(number) == status
    deadline = time.monotonic() + PATIENCE
    while running_stores(tmp_path / "data"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    gone, alive = psutil.wait_procs(server.family, timeout=PATIENCE)
    assert [p.name() for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    assert len(gone) + len(alive) >= 3

    again = serve().ask("/api/auth/login", {name: ALICE[name] for name in ("email", "password")})
    assert (again[0], again[1]["user"]["role"]) == (200, "admin")


@pytest.fixture
def slow_programs(tmp_path):
    """A PATH whose mongod is long in coming up: a server is still starting then, however late we are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "mongod").write_text("#!/bin/sh\nexec sleep 60\n")
    (folder / "mongod").chmod(0o700)
    return f"{folder}:{os.environ['PATH']}"


def test_a_start_is_interrupted_without_a_traceback(tmp_path, slow_programs):
    places = {"MARQUEE_DATA_DIR": str(tmp_path / "data"), "MARQUEE_PORT": "0", "PATH": slow_programs}
    environ = {**os.environ, **places}
    process = subprocess.Popen(COMMAND, cwd=ROOT, env=environ, stdout=PIPE, stderr=STDOUT, text=True)
    while not (tmp_path / "data" / "stores.lock").exists():  # its stores start; it does not serve yet
        time.sleep(0.01)

    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)

    assert (process.returncode, said) == (130, "")
    assert running_stores(tmp_path / "data") is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_asked_before_the_end_is_answered(serve, number):
    server = serve()
    asked = HTTPConnection(urlsplit(server.url).netloc, timeout=PATIENCE)
    asked.putrequest("POST", "/api/display/pairing")
    asked.putheader("Content-Type", "application/json")
    asked.putheader("Content-Length", "2")
    asked.endheaders(b"{")
    while b"requests_in_progress 2.0" not in server.fetch("/metrics"):  # the other one is this
        time.sleep(0.02)

    server.process.send_signal(number)
    while server.listens():
        time.sleep(0.02)
    asked.send(b"}")
    answer = asked.getresponse()
    answer.read()

    assert (answer.status, answer.getheader("Connection")) == (201, "close")
    assert server.process.wait(60) == 0


@pytest.mark.timeout(300)  # eight processes, one after the other
def test_the_commands_work_beside_a_running_server_and_without_one(serve):
    server = serve(MARQUEE_REGISTRATION="closed")

    assert check(server.environ)[0] == 0
    assert server.run("create-admin", ALICE["email"], "alice", told=ALICE["password"] + "\n")[0] == 0
    assert server.ask("/api/auth/login", {name: ALICE[name] for name in ("email", "password")})[0] == 200

    server.end(signal.SIGTERM)
    assert check(server.environ)[0] == 0
    assert server.run("reset-password", ALICE["email"], told="another long sentence\n")[0] == 0
    login = {"email": ALICE["email"], "password": "another long sentence"}
    assert serve().ask("/api/auth/login", login)[0] == 200


def test_a_second_server_on_the_same_data_says_why_not_in_one_sentence(serve):
    server = serve()

    status, said = server.run()

    assert status == 1
    assert said.startswith(f"Another server (process {server.process.pid}) runs its own stores in ")
    assert said.count("\n") == 1


def test_production_refuses_stores_of_its_own(tmp_path):
    environ = {**os.environ, "MARQUEE_ENV": "production", "MARQUEE_DATA_DIR": str(tmp_path / "data")}

    status, said = run(environ)

    assert status == 1
    assert said.startswith("MARQUEE_MONGODB_URL is missing")
    assert not (tmp_path / "data").exists()
