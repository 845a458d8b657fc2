"""Who judges the answers of `python -m bench.attack` and of the soak finds out what is not as promised."""

import asyncio
import random

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from bench.attack_judge import Judge
from bench.delivery_client import Person

AWAY = {"code": "unavailable"}
SLOW = 0.2


class Answering(RequestHandler):
    """Answers each path as it is called."""

    async def post(self, how):
        if how == "late":
            await asyncio.sleep(SLOW)
        elif how == "gone":
            return self.detach().close()
        else:
            self.set_status(503 if "away" in how else int(how))
            if how == "away":
                self.set_header("Retry-After", "1")
        self.set_header("Content-Type", "application/problem+json")
        return self.finish(AWAY)


@pytest.fixture
def ask(io_loop):
    """Ask, and return what the judge blames; answers may take `slowest` seconds."""
    listening, port = bind_unused_port()

    async def serve():
        server = HTTPServer(Application([("/(.*)", Answering)], log_function=lambda _: None))
        server.add_socket(listening)
        return server

    server = io_loop.run_sync(serve)

    async def ask(how, body, slowest=60.0):
        judge = Judge(slowest)
        await judge.ask(Person("ann", [port], random.Random(), token="t"), "POST", f"/{how}", body)
        return judge.violations

    yield ask
    server.stop()
    io_loop.run_sync(server.close_all_connections)


@pytest.mark.parametrize("how", ["500", "404", "403", "gone", "away-for-ever"])
async def test_what_nobody_should_get_is_blamed(ask, how):
    assert len(await ask(how, {"content": "Hello"})) == 1


@pytest.mark.parametrize("how", ["200", "429", "away"])
async def test_what_is_promised_is_not(ask, how):
    assert await ask(how, {"content": "Hello"}) == []


async def test_what_comes_late_is_blamed_but_for_uploads(ask):
    assert len(await ask("late", {"content": "Hello"}, slowest=SLOW / 2)) == 1
    assert len(await ask("late", None, slowest=SLOW / 2)) == 1
    assert await ask("late", b"a picture", slowest=SLOW / 2) == []
