"""Stores webhook deliveries in batches: one transaction for all that wait, and responses after its commit.

Two hundred deliveries a second take a few transactions, also while the collector holds SQLite's write lock."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from api.errors import Problem, unavailable
from api.schema_guard import SchemaGuard
from db.engine import DatabaseUnavailable, describe_failure, polling_write_scope
from db.migrate import NotMigrated
from db.webhook_inbox import NewDelivery, inbox_engine, store_deliveries

log = logging.getLogger(__name__)
# GitHub aborts a delivery after 10 seconds.
STORE_TIMEOUT_SECONDS = 8.0
_RETRY_SECONDS = 0.2
_LOCK_TIMEOUT_SECONDS = 2.0
_LOG_INTERVAL_SECONDS = 60.0
_MAX_PENDING = 5000
_BATCH_SIZE, _BATCH_BYTES = 500, 32 * 2**20
_MAX_RESERVED_BYTES = 256 * 2**20


@dataclass(eq=False)
class _QueuedDelivery:
    delivery: NewDelivery
    result: asyncio.Future[bool]


class WebhookBuffer:
    """Has its own thread and connection, so that it does not wait for other routes."""

    def __init__(self, database_url: str, schema_guard: SchemaGuard) -> None:
        self._engine, self._schema_guard = inbox_engine(database_url), schema_guard
        self._pending: list[_QueuedDelivery] = []
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="webhooks")
        self._write_task: asyncio.Task[None] | None = None
        self._last_error = "The database does not accept webhook deliveries at the moment."
        self._logged_at = float("-inf")
        self._reserved_bytes = 0

    async def store(self, delivery: NewDelivery) -> bool:
        """Returns after the commit: True for a new delivery, False for one that was already stored. Raises a 503
        problem where it is not stored."""
        if len(self._pending) >= _MAX_PENDING:
            raise self._overloaded()
        queued = _QueuedDelivery(delivery, asyncio.get_running_loop().create_future())
        self._pending.append(queued)
        if self._write_task is None or self._write_task.done():
            # Without the log context of this request, as the task serves all.
            self._write_task = asyncio.create_task(self._drain(), context=contextvars.Context())
        try:
            async with asyncio.timeout(STORE_TIMEOUT_SECONDS):
                return await queued.result
        except TimeoutError:
            raise unavailable(self._last_error) from None

    def reserve(self, size: int) -> None:
        """Reserves memory for `size` bytes of a body, until `release`. Raises a 503 problem where too much is
        reserved."""
        if self._reserved_bytes + size > _MAX_RESERVED_BYTES:
            raise self._overloaded()
        self._reserved_bytes += size

    def release(self, size: int) -> None:
        self._reserved_bytes -= size

    async def close(self) -> None:
        """Writes the pending deliveries first."""
        if self._write_task and not self._write_task.done():
            await asyncio.wait([self._write_task], timeout=STORE_TIMEOUT_SECONDS)
            self._write_task.cancel()
        self._writer.shutdown(wait=False, cancel_futures=True)
        self._engine.dispose()

    async def _drain(self) -> None:
        """Writes batches until no delivery waits; retries failures. Requests that timed out are not in the next
        batch."""
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            try:
                fresh = await loop.run_in_executor(self._writer, self._write, [item.delivery for item in batch])
            except NotMigrated as error:
                _reject(batch, str(error))
            except (DatabaseUnavailable, SQLAlchemyError) as error:
                self._log_failure(error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                _resolve(batch, fresh)

    def _next_batch(self) -> list[_QueuedDelivery]:
        self._pending = [item for item in self._pending if not item.result.done()]
        batch: list[_QueuedDelivery] = []
        size = 0
        for item in self._pending[:_BATCH_SIZE]:
            size += len(item.delivery.body)
            if batch and size > _BATCH_BYTES:
                break
            batch.append(item)
        return batch

    def _write(self, deliveries: Sequence[NewDelivery]) -> set[str]:
        self._schema_guard.check()
        try:
            with polling_write_scope(self._engine, timeout_seconds=_LOCK_TIMEOUT_SECONDS) as session:
                return store_deliveries(session, deliveries)
        except SQLAlchemyError:
            self._schema_guard.invalidate()
            raise

    def _log_failure(self, error: Exception) -> None:
        line = describe_failure(self._engine, error) if isinstance(error, SQLAlchemyError) else str(error)
        self._last_error = line
        if time.monotonic() - self._logged_at > _LOG_INTERVAL_SECONDS:
            self._logged_at = time.monotonic()
            log.error("Webhook deliveries cannot be stored: %s", line)

    def _overloaded(self) -> Problem:
        return Problem(
            503, "Too many deliveries are waiting to be stored; send the delivery again.", headers={"Retry-After": "5"}
        )


def _resolve(batch: Sequence[_QueuedDelivery], fresh: set[str]) -> None:
    """`fresh`: ids of the new deliveries. Of two requests with the same id, the first one counts as new."""
    remaining = set(fresh)
    for item in batch:
        new = item.delivery.delivery_id in remaining
        remaining.discard(item.delivery.delivery_id)
        if not item.result.done():
            item.result.set_result(new)


def _reject(batch: Sequence[_QueuedDelivery], reason: str) -> None:
    for item in batch:
        if not item.result.done():
            item.result.set_exception(unavailable(reason))
