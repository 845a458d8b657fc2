"""One transaction with a deadline: again on conflicts, the commit again while its outcome is unknown.

Motor's own `with_transaction` goes on for two minutes and without a pause; an answer is due within seconds.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession
from pymongo import errors
from pymongo.client_session import ClientSession
from pymongo.write_concern import WriteConcern

T = TypeVar("T")
Work = Callable[[AsyncIOMotorClientSession], Coroutine[Any, Any, T]]
ThreadWork = Callable[[ClientSession], T]

SECONDS = 4.0  # the same as one operation may take (models/base.py)
_SNAPSHOT_UNAVAILABLE = 246
_LONGEST_PAUSE = 0.05  # of the jittered back-off between tries; conflicts on one document clear in milliseconds


def is_conflict(error: BaseException) -> bool:
    """Tell whether a transaction has certainly not happened, and may if it is begun again."""
    return isinstance(error, errors.PyMongoError) and error.has_error_label("TransientTransactionError")


async def transact(session: AsyncIOMotorClientSession, work: Work[T]) -> T:
    """Run `work(session)` in a transaction and return what it returned once that is committed by the majority.

    `work` must be repeatable. Raises what `work` raised, having aborted, or the driver's error when the deadline
    has passed; one labelled UnknownTransactionCommitResult means that nobody knows whether it was committed.
    """
    deadline = time.monotonic() + SECONDS
    pause = 0.002
    while True:
        session.start_transaction(write_concern=WriteConcern("majority"))
        try:
            result = await work(session)
            await _commit(session, deadline)
            return result
        except errors.PyMongoError as e:
            if session.delegate.in_transaction:
                await session.abort_transaction()
            if not is_conflict(e) or time.monotonic() > deadline:
                raise
        except BaseException:
            if session.delegate.in_transaction:
                await session.abort_transaction()
            raise
        await asyncio.sleep(pause * random.random())  # noqa: S311 - a pause, not a secret
        pause = min(pause * 2, _LONGEST_PAUSE)


async def transact_in_thread(
    client: "AsyncIOMotorClient[dict[str, Any]]",
    work: ThreadWork[T],
    pool: Executor,
    conflicted: Callable[[], None],
    deadline: float,
) -> T:
    """Do as `transact` does with `work` in one thread of `pool`, from the transaction's start to its end.

    `conflicted` is called for each conflict after which it is tried again; what it raises ends that. Nothing is
    begun after `deadline` (monotonic seconds).
    """
    pause = 0.002
    while True:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, _one_try, client.delegate, work, deadline)
        except errors.PyMongoError as e:
            if not is_conflict(e) or time.monotonic() > deadline:
                raise
        conflicted()
        await asyncio.sleep(pause * random.random())  # noqa: S311 - a pause, not a secret
        pause = min(pause * 2, _LONGEST_PAUSE)


def _one_try(client: Any, work: ThreadWork[T], deadline: float) -> T:
    if time.monotonic() > deadline:
        raise errors.WaitQueueTimeoutError("no thread was free in time")  # nobody waits for the answer any more
    with client.start_session() as session:
        session.start_transaction(write_concern=WriteConcern("majority"))
        try:
            result = work(session)
            _commit_in_thread(session, deadline)
        except BaseException:
            if session.in_transaction:
                session.abort_transaction()
            raise
        return result


def _commit_in_thread(session: ClientSession, deadline: float) -> None:
    while True:
        try:
            session.commit_transaction()
            return
        except errors.PyMongoError as e:
            if not e.has_error_label("UnknownTransactionCommitResult") or time.monotonic() > deadline:
                raise


async def snapshot(client: "AsyncIOMotorClient[dict[str, Any]]", work: Work[T]) -> T:
    """Run `work(session)`, reads only, in a session that sees one snapshot, and return what it returned."""

    async def read() -> T:
        async with await client.start_session(snapshot=True) as session:
            return await work(session)

    return await when_there_is_a_snapshot(read)


async def when_there_is_a_snapshot(read: Callable[[], Awaitable[T]]) -> T:
    """Return what `read` returns, which reads from a snapshot.

    One cannot be had for some milliseconds after a collection or an index was made: then again, until the deadline.
    """
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return await read()
        except errors.OperationFailure as e:
            if e.code != _SNAPSHOT_UNAVAILABLE or time.monotonic() > deadline:
                raise
        await asyncio.sleep(_LONGEST_PAUSE * random.random())  # noqa: S311 - a pause, not a secret


async def _commit(session: AsyncIOMotorClientSession, deadline: float) -> None:
    while True:
        try:
            await session.commit_transaction()
            return
        except errors.PyMongoError as e:
            if not e.has_error_label("UnknownTransactionCommitResult") or time.monotonic() > deadline:
                raise
