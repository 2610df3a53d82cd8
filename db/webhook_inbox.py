"""What waits in the inbox of webhooks.

The inbox of webhooks: deliveries as they came, each settled once, and kept for a while so that a repeat is known.
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
    """`tries` says how often it could not be applied."""

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
    """`failed` are those of the last days that could not be applied."""

    pending: int
    oldest_pending_at: datetime | None
    failed: int


def pending_deliveries(
    session: Session, *, after: tuple[datetime, str] | None = None, limit: int = 200, max_bytes: int = 32 * 2**20
) -> list[PendingDelivery]:
    """The next ones in the order in which they came, behind the place `after`; fewer than `limit` where they are
    large, but at least one."""
    query = select(InboxItem.delivery_id, func.length(InboxItem.body)).where(InboxItem.state == InboxState.PENDING)
    if after is not None:
        place = tuple_(literal(after[0], InboxItem.received_at.type), literal(after[1]))
        query = query.where(tuple_(InboxItem.received_at, InboxItem.delivery_id) > place)
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
    found: list[str] = []
    for delivery_id, size in sizes:
        max_bytes -= size
        if found and max_bytes < 0:
            break
        found.append(delivery_id)
    return found


# A delivery that cannot be applied this often never will be.
MAX_ATTEMPTS = 5
# How long settled deliveries are kept: GitHub sends again for three days when asked to.
RETENTION = timedelta(days=7)
# Whoever writes asks for the lock again by itself (eager_write_scope).
_BUSY_MILLISECONDS = 1
_MAX_REASON_LENGTH = 500


@dataclass(frozen=True)
class NewDelivery:
    """`body` is the raw body of the request: JSON, or a form with the JSON in its field payload."""

    delivery_id: str
    event: str
    body: bytes
    received_at: datetime


@dataclass(frozen=True)
class DeliveryResult:
    """What became of a delivery; `reason` is one line for people, null where it was applied."""

    delivery_id: str
    state: InboxState
    repository_id: int | None = None
    reason: str | None = None


def inbox_engine(url: str) -> Engine:
    """A connection for storing deliveries alone. What GitHub was told to be stored survives a power cut too, because
    it does not send again by itself; and whoever waits for SQLite's write lock gives up soon enough to be told."""
    engine = make_engine(url, connect_timeout_seconds=2)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_synchronous)
    return engine


def store_deliveries(session: Session, deliveries: Sequence[NewDelivery]) -> set[str]:
    """Adds those that are not there yet, whatever became of them, and returns their ids."""
    fresh = {each.delivery_id: each for each in reversed(deliveries)}
    known = select(InboxItem.delivery_id).where(InboxItem.delivery_id.in_(list(fresh)))
    for delivery_id in session.scalars(known):
        del fresh[delivery_id]
    if fresh:
        rows = [{**vars(each), "state": str(InboxState.PENDING), "tries": 0} for each in fresh.values()]
        session.execute(_insert(session), rows)
    return set(fresh)


def claim_deliveries(session: Session, delivery_ids: Collection[str]) -> set[str]:
    """Those of them that are still to be applied, and that nobody else applies before this transaction is over. On
    SQLite the write lock sees to that."""
    query = select(InboxItem.delivery_id).where(
        InboxItem.delivery_id.in_(list(delivery_ids)), InboxItem.state == InboxState.PENDING
    )
    return set(session.scalars(query.with_for_update(skip_locked=True)))


def record_results(session: Session, results: Sequence[DeliveryResult], now: datetime) -> None:
    """The bodies of failed ones are kept to be looked at, the others have done their work. Whose the applied ones were
    is not kept: one statement for all of them."""
    groups: dict[tuple[InboxState, int | None, str | None], list[str]] = defaultdict(list)
    for each in results:
        applied = each.state is InboxState.APPLIED
        groups[each.state, None if applied else each.repository_id, each.reason].append(each.delivery_id)
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
    """It could not be applied; True when that was the last try."""
    item = session.get_one(InboxItem, delivery_id)
    item.tries, item.error = item.tries + 1, reason[:_MAX_REASON_LENGTH]
    if item.tries >= MAX_ATTEMPTS:
        item.state, item.applied_at = str(InboxState.FAILED), now
    session.flush()
    return item.tries >= MAX_ATTEMPTS


def prune_inbox(session: Session, older_than: datetime, *, limit: int = 500) -> int:
    """Deletes up to `limit` deliveries that were settled before that time; returns how many. Call it until it is 0."""
    over = [str(state) for state in InboxState if state is not InboxState.PENDING]
    # received_at comes before applied_at and stands in the index.
    old = (
        select(InboxItem.delivery_id)
        .where(InboxItem.state.in_(over), InboxItem.received_at < older_than, InboxItem.applied_at < older_than)
        .limit(limit)
    )
    delivery_ids = list(session.scalars(old))
    if delivery_ids:
        session.execute(delete(InboxItem).where(InboxItem.delivery_id.in_(delivery_ids)))
    return len(delivery_ids)


def _insert(session: Session) -> Any:
    """Another process may store the same delivery at the same time."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(InboxItem.__table__).on_conflict_do_nothing()


def _set_synchronous(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
    cursor.close()
