"""What every store builds on: collections with deadlines, timings and one translation of MongoDB's errors.

Only `models/` may know that the database is MongoDB. A failure leaves here as a Problem: `Unavailable`
when the store is away or a write's outcome is unknown (the caller repeats it safely), never as a driver's error.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession, AsyncIOMotorCollection
from pymongo import ReturnDocument, errors
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

from core.breaker import Breaker
from core.clock import Clock, ids_are_seeded
from core.errors import NotFound, Unavailable, VersionMismatch
from core.limits import Limits
from core.metrics import Metrics
from core.ports import Events
from core.settings import Settings
from core.shared import Shared
from models.transactions import SECONDS, snapshot, transact, transact_in_thread, when_there_is_a_snapshot

T = TypeVar("T")
Document = dict[str, Any]
Query = Mapping[str, Any]
Session = AsyncIOMotorClientSession
Sort = Sequence[tuple[str, int]]

# An operation's (models/client.py) with the wait for one of Motor's few threads: all may hang on a store that is away.
DEADLINE_SECONDS = 4.5

# What MongoDB may say when it is away, stepping down or too slow: all undecided for a write.
_AWAY = (
    errors.ConnectionFailure,
    errors.ServerSelectionTimeoutError,
    errors.ExecutionTimeout,
    errors.WTimeoutError,
    errors.WriteConcernError,
    errors.WaitQueueTimeoutError,
)
# What the driver makes of a connection to a member that has just started and does not serve yet. Ours know sessions.
_NOT_SERVING_YET = "Sessions are not supported"


class Duplicate(Exception):
    """A unique index was hit; `fields` names what it covers. Stores turn it into their own Conflict."""

    def __init__(self, fields: frozenset[str]) -> None:
        super().__init__(", ".join(sorted(fields)))
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Ground:
    """What every store stands on. `client` and `database` are Motor's."""

    client: "AsyncIOMotorClient[Document]"
    database: str
    redis: Breaker
    limits: Limits
    clock: Clock
    events: Events
    settings: Settings
    metrics: Metrics

    def collection(self, name: str) -> "Collection":
        """Return the wrapped collection `name`."""
        return Collection(self.client[self.database][name], self.metrics)

    async def transaction(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """Run `work(session)` in one transaction, again on transient conflicts, and return what it returns.

        `work` must be repeatable. Raises Unavailable when the outcome of the commit stays unknown.
        """
        return await in_time(self._transact(work))

    async def _transact(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        with translated(self.metrics):
            async with await self.client.start_session() as session:
                return await transact(session, work)

    async def transaction_in_thread(
        self, work: Callable[[ClientSession], T], pool: Executor, conflicted: Callable[[], None], deadline: float
    ) -> T:
        """Run `work(session)` in one transaction as `transaction` does, but in one thread of `pool`: for the hot path.

        `conflicted` is called, in the event loop, for each conflict after which it is tried again; what it raises ends
        that. `deadline` (monotonic) is when to begin nothing more: SECONDS after somebody began to wait for it.
        """
        left = deadline - time.monotonic() + DEADLINE_SECONDS - SECONDS
        return await in_time(self._transact_in_thread(work, pool, conflicted, deadline), left)

    async def _transact_in_thread(
        self, work: Callable[[ClientSession], T], pool: Executor, conflicted: Callable[[], None], deadline: float
    ) -> T:
        with translated(self.metrics):
            return await transact_in_thread(self.client, work, pool, conflicted, deadline)

    async def snapshot(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """Run `work(session)`, whose reads all see one moment, and return what it returns.

        That moment has everything that was acknowledged before. `work` must only read, and be repeatable.
        """
        with translated(self.metrics):
            return await snapshot(self.client, work)


async def in_time(work: Coroutine[Any, Any, T], seconds: float = DEADLINE_SECONDS) -> T:
    """Return what `work` returns, or raise Unavailable after `seconds`; then it goes on to its end by itself.

    A transaction is not to be cut off in the middle of an operation: its session is busy in a thread.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait([task], timeout=seconds)
    if done:
        return task.result()
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody waits for it any more
    raise Unavailable


class translated:  # noqa: N801 - reads as a statement
    """Turn the driver's errors inside the block into Problems (or Duplicate)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if not isinstance(error, errors.PyMongoError):
            return
        if not hits_unique(error):  # what is there already is an answer, not a failure of the store
            self._metrics.store_errors.labels("mongodb").inc()
        if isinstance(error, errors.BulkWriteError):
            _raise_for_bulk(error)
        if isinstance(error, errors.DuplicateKeyError):
            raise Duplicate(frozenset((error.details or {}).get("keyPattern", {}))) from error
        if isinstance(error, _AWAY) or error.timeout or _is_transient(error):
            raise Unavailable from error


def _is_transient(error: errors.PyMongoError) -> bool:
    labels = ("TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError")
    return _NOT_SERVING_YET in str(error) or any(error.has_error_label(label) for label in labels)


def hits_unique(error: errors.PyMongoError) -> bool:
    """Tell whether a write failed because what it wanted is there already, and for nothing else."""
    if isinstance(error, errors.BulkWriteError):
        failures = error.details.get("writeErrors", [])
        return bool(failures) and all(failure.get("code") == 11000 for failure in failures)
    return isinstance(error, errors.DuplicateKeyError)


def _raise_for_bulk(error: errors.BulkWriteError) -> None:
    failures = error.details.get("writeErrors", [])
    if hits_unique(error):
        raise Duplicate(frozenset(failures[0].get("keyPattern", {}))) from error
    if not failures:
        raise Unavailable from error


class Collection:
    """One MongoDB collection. Methods are the driver's, timed, with its errors translated.

    Inside a transaction (`session` given) errors pass untranslated: `Ground.transaction` needs their labels.
    """

    def __init__(self, raw: "AsyncIOMotorCollection[Document]", metrics: Metrics) -> None:
        self.raw = raw
        self._metrics = metrics
        self._timers: dict[str, Any] = {}
        self._counts: Shared[int] = Shared()

    async def _run(self, operation: str, work: Awaitable[T], session: Session | None) -> T:
        timer = self._timers.get(operation)
        if timer is None:
            timer = self._timers[operation] = self._metrics.store_seconds.labels(self.raw.name, operation)
        started = time.perf_counter()
        try:
            if session is not None:
                return await work
            with translated(self._metrics):
                async with asyncio.timeout(DEADLINE_SECONDS):
                    return await work
        except TimeoutError as e:
            raise Unavailable from e
        finally:
            timer.observe(time.perf_counter() - started)

    async def get(self, query: Query, *, session: Session | None = None, **options: Any) -> Document | None:
        """Return one matching document or None."""
        return await self._run("find_one", self.raw.find_one(query, session=session, **options), session)

    async def find(
        self,
        query: Query,
        *,
        sort: Sort | None = None,
        limit: int = 0,
        session: Session | None = None,
        **options: Any,
    ) -> list[Document]:
        """Return all matching documents (at most `limit` where it is not 0)."""
        cursor = self.raw.find(query, sort=sort, limit=limit, session=session, **options)
        return await self._run("find", cursor.to_list(None), session)

    async def each(self, query: Query, *, batch: int = 500, **options: Any) -> AsyncIterator[Document]:
        """Yield matching documents without holding them all."""
        with translated(self._metrics):
            async for document in self.raw.find(query, batch_size=batch, **options):
                yield document

    async def aggregate(self, pipeline: Sequence[Query], *, session: Session | None = None) -> list[Document]:
        """Return an aggregation's documents."""
        return await self._run("aggregate", self.raw.aggregate(pipeline, session=session).to_list(None), session)

    async def snapshot(self, pipeline: Sequence[Query]) -> list[Document]:
        """Return an aggregation's documents as all of them were at one moment, which has all that was acknowledged."""
        source = self.raw.with_options(read_concern=ReadConcern("snapshot"))
        work = when_there_is_a_snapshot(lambda: source.aggregate(pipeline).to_list(None))
        return await self._run("snapshot", work, None)

    async def count(self, query: Query) -> int:
        """Return how many match. The same counts at the same time are one: counting is the dearest part of a list."""
        return await self._counts.of(repr(query), lambda: self._run("count", self.raw.count_documents(query), None))

    async def insert(self, document: Document, *, session: Session | None = None) -> Document:
        """Insert and return `document`.

        Under an Idempotency-Key ids follow from the key: a document that is there already under the same
        `_id` is our own earlier try, whose answer was lost, and is returned. Raises Duplicate otherwise.
        """
        try:
            await self._run("insert", self.raw.insert_one(document, session=session), session)
        except Duplicate:
            earlier = await self.get({"_id": document["_id"]}) if ids_are_seeded() else None
            if earlier is None:
                raise
            return earlier
        return document

    async def update(self, query: Query, change: Any, *, session: Session | None = None, **options: Any) -> int:
        """Change one matching document; return how many matched (0 or 1)."""
        result = await self._run("update", self.raw.update_one(query, change, session=session, **options), session)
        return result.matched_count

    async def update_all(self, query: Query, change: Any, *, session: Session | None = None, **options: Any) -> int:
        """Change every matching document; return how many were changed."""
        result = await self._run("update", self.raw.update_many(query, change, session=session, **options), session)
        return result.modified_count

    async def change(
        self, query: Query, change: Any, *, session: Session | None = None, before: bool = False, **options: Any
    ) -> Document | None:
        """Change one matching document and return it as it is then (or was, with `before`); None where none matches."""
        returned = ReturnDocument.BEFORE if before else ReturnDocument.AFTER
        work = self.raw.find_one_and_update(query, change, return_document=returned, session=session, **options)
        return await self._run("change", work, session)

    async def delete(self, query: Query, *, session: Session | None = None) -> int:
        """Delete one matching document; return how many went."""
        return (await self._run("delete", self.raw.delete_one(query, session=session), session)).deleted_count

    async def take(self, query: Query, *, session: Session | None = None) -> Document | None:
        """Delete one matching document and return it."""
        return await self._run("delete", self.raw.find_one_and_delete(query, session=session), session)

    async def delete_all(self, query: Query, *, session: Session | None = None) -> int:
        """Delete every matching document; return how many went."""
        return (await self._run("delete", self.raw.delete_many(query, session=session), session)).deleted_count

    async def bulk(self, operations: Sequence[Any], *, session: Session | None = None) -> None:
        """Run pymongo's operations unordered; nothing where there are none."""
        if operations:
            await self._run("bulk", self.raw.bulk_write(operations, ordered=False, session=session), session)

    async def edit(
        self, query: Query, changes: Document, *, if_version: int | None, session: Session | None = None
    ) -> Document:
        """Set `changes` on the one document of `query`, raise its `version`, and return it.

        Without changes it is read only: an empty PATCH is no edit. Raises VersionMismatch when `if_version` (of
        If-Match) is not the document's, NotFound when there is none.
        """
        guard = {} if if_version is None else {"version": if_version}
        wanted, raised = {**query, **guard}, {"$set": changes, "$inc": {"version": 1}}
        work = self.change(wanted, raised, session=session) if changes else self.get(wanted, session=session)
        if (found := await work) is not None:
            return found
        if if_version is not None and await self.get(query, session=session, projection={"_id": 1}):
            raise VersionMismatch
        raise NotFound
