"""A MongoDB that has just been started answers, and does not serve yet: that is away too, and no defect of ours."""

import signal
from dataclasses import replace

import pytest

from bench.attack_stores import Member
from core.errors import Unavailable
from models.client import close, connect


@pytest.fixture
def ground(marquee, tmp_path):
    """The ground of stores in a mongod that is of no replica set: it says of itself what one says that is starting."""
    member = Member(tmp_path / "mongod", tmp_path / "mongod.log")
    member.start()
    client = connect(f"mongodb://127.0.0.1:{member.port}/?directConnection=true")
    yield replace(marquee.ground, client=client)
    close(client)
    member.signal(signal.SIGKILL)


@pytest.mark.gen_test(timeout=60)  # a read is tried again for 4 s, as one that finds nobody is
async def test_a_mongodb_that_does_not_serve_yet_is_away(ground):
    docs = ground.collection("server")

    async def read(session=None):
        return await docs.get({"_id": "first"}, session=session)

    for work in (ground.transaction(read), ground.snapshot(read), read(), docs.delete({"_id": "first"})):
        with pytest.raises(Unavailable):
            await work
