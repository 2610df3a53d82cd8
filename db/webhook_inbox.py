"""Inbox of webhook deliveries.

A delivery is stored as received and applied once. Its row remains for RETENTION, so that a repeated delivery is
recognized.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, event, func, literal, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.engine import make_engine
from db.enums import InboxState
from db.models import InboxItem


@dataclass(frozen=True)
class PendingDelivery:
    """`tries` is the number of failed attempts to apply the delivery."""

    delivery_id: str
    event: str
    body: bytes
    tries: int
    received_at: datetime

    @property
    def position(self) -> tuple[datetime, str]:
        return self.received_at, self.delivery_id


@dataclass(frozen=True)
class InboxSummary:
    """`failed` is the number of stored deliveries that could not be applied."""

    pending: int
    oldest_pending_at: datetime | None
    failed: int


def pending_deliveries(
    session: Session, *, after: tuple[datetime, str] | None = None, limit: int = 200, max_bytes: int = 32 * 2**20
) -> list[PendingDelivery]:
    """Pending deliveries after the position `after`, in the order of arrival: up to `limit`, and up to `max_bytes` but
    at least one."""
    query = select(InboxItem.delivery_id, func.length(InboxItem.body)).where(InboxItem.state == InboxState.PENDING)
    if after is not None:
        position = tuple_(literal(after[0], InboxItem.received_at.type), literal(after[1]))
        query = query.where(tuple_(InboxItem.received_at, InboxItem.delivery_id) > position)
    query = query.order_by(InboxItem.received_at, InboxItem.delivery_id).limit(limit)
    ids = _within_limit((tuple(row) for row in session.execute(query)), max_bytes)
    if not ids:
        return []
    rows = session.execute(
        select(InboxItem.delivery_id, InboxItem.event, InboxItem.body, InboxItem.tries, InboxItem.received_at)
        .where(InboxItem.delivery_id.in_(ids))
        .order_by(InboxItem.received_at, InboxItem.delivery_id)
    )
    return [PendingDelivery(*row) for row in rows]


def inbox_summary(session: Session) -> InboxSummary:
    pending, oldest = session.execute(
        select(func.count(), func.min(InboxItem.received_at)).where(InboxItem.state == InboxState.PENDING)
    ).one()
    failed = session.scalar(select(func.count()).where(InboxItem.state == InboxState.FAILED))
    return InboxSummary(pending, oldest, failed or 0)


def _within_limit(sizes: Iterable[tuple[str, int]], max_bytes: int) -> list[str]:
    delivery_ids: list[str] = []
    for delivery_id, size in sizes:
        max_bytes -= size
        if delivery_ids and max_bytes < 0:
            break
        delivery_ids.append(delivery_id)
    return delivery_ids


# A delivery fails for good after this many attempts.
MAX_ATTEMPTS = 5
# Retention of processed deliveries. GitHub can redeliver for three days.
RETENTION = timedelta(days=7)
# Writers retry to get the lock themselves (eager_write_scope).
_BUSY_MILLISECONDS = 1
_MAX_REASON_LENGTH = 500


@dataclass(frozen=True)
class NewDelivery:
    """`body` is the raw body of the request: JSON, or a form with JSON in the field `payload`."""

    delivery_id: str
    event: str
    body: bytes
    received_at: datetime


@dataclass(frozen=True)
class DeliveryResult:
    """Result of a delivery. `reason` is one line of text; null if the delivery was applied."""

    delivery_id: str
    state: InboxState
    repository_id: int | None = None
    reason: str | None = None


def inbox_engine(url: str) -> Engine:
    """An engine for storing deliveries. Stored deliveries survive a power failure, because GitHub does not redeliver by
    itself. A wait for SQLite's write lock ends early enough for an error response."""
    engine = make_engine(url, connect_timeout_seconds=2)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_synchronous)
    return engine


def store_deliveries(session: Session, deliveries: Sequence[NewDelivery]) -> set[str]:
    """Stores deliveries whose ids are not stored yet, in any state; returns the ids of the new ones."""
    new = {delivery.delivery_id: delivery for delivery in reversed(deliveries)}
    known = select(InboxItem.delivery_id).where(InboxItem.delivery_id.in_(list(new)))
    for delivery_id in session.scalars(known):
        del new[delivery_id]
    if new:
        rows = [{**vars(delivery), "state": str(InboxState.PENDING), "tries": 0} for delivery in new.values()]
        session.execute(_insert(session), rows)
    return set(new)


def claim_deliveries(session: Session, delivery_ids: Collection[str]) -> set[str]:
    """Locks the pending ones of these deliveries until the transaction ends and returns their ids; deliveries that
    another transaction has locked are left out. On SQLite the write lock has the same effect."""
    query = select(InboxItem.delivery_id).where(
        InboxItem.delivery_id.in_(list(delivery_ids)), InboxItem.state == InboxState.PENDING
    )
    return set(session.scalars(query.with_for_update(skip_locked=True)))


def record_results(session: Session, results: Sequence[DeliveryResult], now: datetime) -> None:
    """Stores the results. Only failed deliveries keep their bodies, for analysis. Applied deliveries keep no
    repository, so that one statement updates all of them."""
    groups: dict[tuple[InboxState, int | None, str | None], list[str]] = defaultdict(list)
    for result in results:
        applied = result.state is InboxState.APPLIED
        groups[result.state, None if applied else result.repository_id, result.reason].append(result.delivery_id)
    for (state, repository_id, reason), delivery_ids in groups.items():
        values: dict[str, Any] = {
            "state": str(state),
            "repository_id": repository_id,
            "error": reason and reason[:_MAX_REASON_LENGTH],
            "applied_at": now,
        }
        if state is not InboxState.FAILED:
            values["body"] = b""
        session.execute(update(InboxItem).where(InboxItem.delivery_id.in_(delivery_ids)).values(values))


def record_failed_attempt(session: Session, delivery_id: str, reason: str, now: datetime) -> bool:
    """Records a failed attempt to apply the delivery; returns whether it was the last one."""
    item = session.get_one(InboxItem, delivery_id)
    item.tries, item.error = item.tries + 1, reason[:_MAX_REASON_LENGTH]
    if item.tries >= MAX_ATTEMPTS:
        item.state, item.applied_at = str(InboxState.FAILED), now
    session.flush()
    return item.tries >= MAX_ATTEMPTS


def prune_inbox(session: Session, older_than: datetime, *, limit: int = 500) -> int:
    """Deletes up to `limit` deliveries that were processed before `older_than`; returns their number.
    Callers repeat it until it returns 0."""
    processed = [str(state) for state in InboxState if state is not InboxState.PENDING]
    # received_at is before applied_at and is in the index.
    old = (
        select(InboxItem.delivery_id)
        .where(InboxItem.state.in_(processed), InboxItem.received_at < older_than, InboxItem.applied_at < older_than)
        .limit(limit)
    )
    delivery_ids = list(session.scalars(old))
    if delivery_ids:
        session.execute(delete(InboxItem).where(InboxItem.delivery_id.in_(delivery_ids)))
    return len(delivery_ids)


def _insert(session: Session) -> Any:
    """An insert that ignores existing rows: another process can store the same delivery at the same time."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(InboxItem.__table__).on_conflict_do_nothing()


def _set_synchronous(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
    cursor.close()
