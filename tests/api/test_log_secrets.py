"""The log of a real server process: it names requests and keeps secrets, in both formats, at its most talkative."""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tests import samples
from tests.api.displays import Display
from tests.clients import PASSWORD, Api
from tests.promptness import eventually
from tests.uploads import upload

ROOT = Path(__file__).parents[2]
SECRET_KEY, PEPPER = "0f1e2d3c4b5a69788796a5b4c3d2e1f0-key", "00112233445566778899aabbccddeeff-pep"


@pytest.fixture(params=["json", "console"])
def process(request, settings, tmp_path):
    """A server process of its own; `log()` is what it has written to standard error."""
    told = (tmp_path / "log").open("w+b")
    given = {
        "DATA_DIR": tmp_path / "data",
        "PORT": 0,
        "MONGODB_URL": settings.mongodb_url,
        "MONGODB_DATABASE": settings.mongodb_database,
        "REDIS_URL": settings.redis_url,
        "REDIS_PREFIX": settings.redis_prefix,
        "SECRET_KEY": SECRET_KEY,
        "PASSWORD_PEPPER": PEPPER,
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": request.param,
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MARQUEE_")}
    environ = clean | {f"MARQUEE_{name}": str(value) for name, value in given.items()}
    running = subprocess.Popen(
        [sys.executable, "server.py"], cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=told, text=True
    )
    port = int(running.stdout.readline().split(":")[-1])
    yield request.param, port, (tmp_path / "log").read_text
    running.terminate()
    running.communicate(timeout=60)
    told.close()


class Repeating(Api):
    """Asks again where the machine was too busy for an answer in time: a password takes a quarter second of a core."""

    async def ask(self, method, path, body=None, as_=None, headers=None, raw=None, **options):
        """Send a request, and again while it is answered 503, for a minute; what is posted is done once, by its key."""
        sent = {**(headers or {}), **({"Idempotency-Key": uuid.uuid4().hex} if method == "POST" else {})}
        until = time.monotonic() + 60
        while True:
            reply = await super().ask(method, path, body, as_, sent, raw, **options)
            if reply.status != 503 or time.monotonic() > until:
                return reply
            await asyncio.sleep(0.5)


async def live_through(api, api_secrets):
    """Do what carries secrets, rightly and wrongly, and note each secret."""
    admin = await api.person("admin")
    api_secrets |= {"password": PASSWORD, "access": admin.token, "refresh": admin.session["refreshToken"]}
    ask = {"email": admin.email, "password": PASSWORD, "cookie": True}
    cookie = (await api.post("/api/auth/login", ask)).headers["Set-Cookie"].split(";")[0].partition("=")[2]
    api_secrets["cookie"] = cookie
    await api.post("/api/auth/login", {"email": admin.email, "password": "a wrong sentence"})
    api_secrets["wrong password"] = "a wrong sentence"
    refreshed = await api.post("/api/auth/refresh", {"refreshToken": admin.session["refreshToken"]})
    api_secrets |= {"second access": refreshed.json["accessToken"], "second refresh": refreshed.json["refreshToken"]}
    origin = {"Cookie": f"marquee_refresh={cookie}", "Origin": api.base}
    assert (await api.post("/api/auth/refresh", {}, headers=origin)).status == 200
    await api.post("/api/auth/password", {"currentPassword": PASSWORD, "newPassword": "quite another one"}, as_=admin)
    api_secrets["new password"] = "quite another one"
    made = await api.post(f"/api/users/{admin.id}/password-reset", {}, as_=admin)
    assert made.status == 200, made.body
    api_secrets |= {"reset": made.json["url"].rpartition("=")[2]}
    await show(api, api_secrets, admin)


async def show(api, api_secrets, admin):
    display = Display(api)
    code = await display.show_code()
    api_secrets["poll secret"] = display.pairing["pollSecret"]
    assert (await api.post("/api/screens/pair", {"code": code, "name": "Lobby"}, as_=admin)).status == 201
    screen = await display.collect()
    api_secrets["screen token"] = screen.token
    await display.beat()
    media = (await upload(api, samples.image_bytes(), admin)).json
    api_secrets["signature"] = media["url"].rpartition("sig=")[2]
    assert (await api.get(media["url"])).status == 200
    assert (await api.get(media["url"] + "x")).status == 403
    socket = await api.socket("/ws/dashboard")
    await socket.send("auth", {"token": admin.token[:-2] + "xx"})
    assert await socket.closed() == 4401
    socket = await api.socket("/ws/screen", as_=screen)
    await socket.event("hello")
    await api.get(f"/api/users/profile?token={admin.token}")
    await api.get("/api/users/profile", as_=admin.token + "=")
    await api.get("/api/users/profile", as_=admin, headers={"X-Request-Id": "mine-1"})


def jobs_done(written):
    """Return the names of the jobs that a log in JSON tells the end of."""
    lines = [json.loads(line) for line in written.rpartition("\n")[0].splitlines()]
    return {line["job"] for line in lines if line["event"] == "job.done"}


async def test_no_secret_stands_in_the_log_and_each_request_does(process):
    log_format, port, log = process
    api, secrets = Repeating(port), {"secret key": SECRET_KEY, "pepper": PEPPER}
    await live_through(api, secrets)
    api.close()
    await eventually(lambda: "mine-1" in log() and (log_format != "json" or jobs_done(log()) > {"watch_revocations"}))

    written = log()

    assert {name for name, secret in secrets.items() if secret in written} == set()
    assert all(len(secret) > 8 for secret in secrets.values())
    assert "mine-1" in written
    assert "http.answered" in written
    assert "http.defect" not in written
    if log_format == "json":
        lines = [json.loads(line) for line in written.rpartition("\n")[0].splitlines()]
        assert all(line["request_id"] for line in lines if line["event"].startswith("http."))
