"""Storing webhook deliveries: whatever waits is written in one transaction, and answered once that is committed.
So two hundred deliveries a second cost a few transactions, also while the collector holds SQLite's write lock."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from api.errors import Problem, unavailable
from api.schema_guard import Gate
from db.engine import DatabaseUnavailable, describe_failure, eager_write_scope
from db.migrate import NotMigrated
from db.webhook_inbox import NewDelivery, inbox_engine, store_deliveries

log = logging.getLogger(__name__)
# GitHub gives up after ten seconds.
PATIENCE_SECONDS = 8.0
_PAUSE_SECONDS = 0.2
_LOCK_SECONDS = 2.0
_COMPLAIN_SECONDS = 60.0
_MOST_WAITING = 5000
_BATCH, _BATCH_BYTES = 500, 32 * 2**20
_HELD_BYTES = 256 * 2**20


@dataclass(eq=False)
class _Waiting:
    delivery: NewDelivery
    answer: asyncio.Future[bool]


class Intake:
    """One writer of its own: it waits neither for a thread nor for a connection that other routes use."""

    def __init__(self, database_url: str, gate: Gate) -> None:
        self._engine, self._gate = inbox_engine(database_url), gate
        self._waiting: list[_Waiting] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="webhooks")
        self._writing: asyncio.Task[None] | None = None
        self._trouble = "The database does not take webhook deliveries just now."
        self._complained_at = float("-inf")
        self._held = 0

    async def put(self, delivery: NewDelivery) -> bool:
        """True when it was stored just now, False when it was there already. Raises Problem when it is not stored."""
        if len(self._waiting) >= _MOST_WAITING:
            raise self._busy()
        waiting = _Waiting(delivery, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writing is None or self._writing.done():
            # What it says is about no request in particular.
            self._writing = asyncio.create_task(self._write_all(), context=contextvars.Context())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await waiting.answer
        except TimeoutError:
            raise unavailable(self._trouble) from None

    def hold(self, size: int) -> None:
        """Room for that many bytes of a body; raises Problem where too many are held already. See let_go."""
        if self._held + size > _HELD_BYTES:
            raise self._busy()
        self._held += size

    def let_go(self, size: int) -> None:
        self._held -= size

    async def close(self) -> None:
        """What still waits is written first."""
        if self._writing and not self._writing.done():
            await asyncio.wait([self._writing], timeout=PATIENCE_SECONDS)
            self._writing.cancel()
        self._writer.shutdown(wait=False, cancel_futures=True)
        self._engine.dispose()

    async def _write_all(self) -> None:
        """Tries again while anybody waits; whoever has waited too long is gone from the next batch."""
        loop = asyncio.get_running_loop()
        while batch := self._next():
            try:
                fresh = await loop.run_in_executor(self._writer, self._write, [each.delivery for each in batch])
            except NotMigrated as error:
                _refuse(batch, str(error))
            except (DatabaseUnavailable, SQLAlchemyError) as error:
                self._complain(error)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                _resolve(batch, fresh)

    def _next(self) -> list[_Waiting]:
        self._waiting = [each for each in self._waiting if not each.answer.done()]
        found: list[_Waiting] = []
        size = 0
        for each in self._waiting[:_BATCH]:
            size += len(each.delivery.body)
            if found and size > _BATCH_BYTES:
                break
            found.append(each)
        return found

    def _write(self, deliveries: Sequence[NewDelivery]) -> set[str]:
        self._gate.check()
        try:
            with eager_write_scope(self._engine, patience_seconds=_LOCK_SECONDS) as session:
                return store_deliveries(session, deliveries)
        except SQLAlchemyError:
            self._gate.shut()
            raise

    def _complain(self, error: Exception) -> None:
        line = describe_failure(self._engine, error) if isinstance(error, SQLAlchemyError) else str(error)
        self._trouble = line
        if time.monotonic() - self._complained_at > _COMPLAIN_SECONDS:
            self._complained_at = time.monotonic()
            log.error("webhook deliveries cannot be stored: %s", line)

    def _busy(self) -> Problem:
        return Problem(503, "Too many deliveries wait to be stored; send it again.", headers={"Retry-After": "5"})


def _resolve(batch: Sequence[_Waiting], fresh: set[str]) -> None:
    """Of two requests with the same delivery, the first one stored it."""
    left = set(fresh)
    for each in batch:
        new = each.delivery.delivery_id in left
        left.discard(each.delivery.delivery_id)
        if not each.answer.done():
            each.answer.set_result(new)


def _refuse(batch: Sequence[_Waiting], line: str) -> None:
    for each in batch:
        if not each.answer.done():
            each.answer.set_exception(unavailable(line))
