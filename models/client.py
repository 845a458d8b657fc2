"""The connection to MongoDB: made with a deadline on whatever it does, and closed within one too."""

from typing import Any

import pymongo
from motor.motor_asyncio import AsyncIOMotorClient

OPERATION_MS = 4000  # an answer is due within 5 s whatever MongoDB does; an election takes less
GOODBYE_SECONDS = 1.0  # a MongoDB that is there takes milliseconds; for one that is not, the driver waits half a minute
POOL = 100


def connect(url: str) -> "AsyncIOMotorClient[dict[str, Any]]":
    """Return a client with a deadline on every operation and a bounded queue for connections.

    Writes are acknowledged by the majority, with the journal.
    """
    return AsyncIOMotorClient(
        url,
        tz_aware=True,
        timeoutMS=OPERATION_MS,  # for finding a server too: it outdoes serverSelectionTimeoutMS
        waitQueueTimeoutMS=2000,
        connectTimeoutMS=2000,
        maxPoolSize=POOL,
        w="majority",
        journal=True,
        retryWrites=True,
        retryReads=True,
        appname="marquee",
    )


def connect_patiently(url: str) -> "AsyncIOMotorClient[dict[str, Any]]":
    """Return a client for what may take as long as it takes; only a server that is not there is given up, after 4 s."""
    return AsyncIOMotorClient(
        url,
        tz_aware=True,
        serverSelectionTimeoutMS=OPERATION_MS,
        connectTimeoutMS=2000,
        w="majority",
        journal=True,
        appname="marquee",
    )


def close(client: "AsyncIOMotorClient[dict[str, Any]]") -> None:
    """Tell MongoDB which sessions have ended, for GOODBYE_SECONDS at most, and hang up.

    Sessions that it does not hear of end by themselves there, after half an hour: nothing is lost with that.
    """
    with pymongo.timeout(GOODBYE_SECONDS):
        client.close()
