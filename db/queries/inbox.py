"""What waits in the inbox of webhooks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, literal, select, tuple_
from sqlalchemy.orm import Session

from db.models import InboxItem
from db.vocabulary import InboxState


@dataclass(frozen=True)
class PendingDelivery:
    """`tries` says how often it could not be applied."""

    delivery_id: str
    event: str
    body: bytes
    tries: int
    received_at: datetime

    @property
    def place(self) -> tuple[datetime, str]:
        return self.received_at, self.delivery_id


@dataclass(frozen=True)
class InboxSummary:
    """`failed` are those of the last days that could not be applied."""

    pending: int
    oldest_pending_at: datetime | None
    failed: int


def pending_deliveries(
    session: Session, *, after: tuple[datetime, str] | None = None, limit: int = 200, most_bytes: int = 32 * 2**20
) -> list[PendingDelivery]:
    """The next ones in the order in which they came, behind the place `after`; fewer than `limit` where they are
    large, but at least one."""
    query = select(InboxItem.delivery_id, func.length(InboxItem.body)).where(InboxItem.state == InboxState.PENDING)
    if after is not None:
        place = tuple_(literal(after[0], InboxItem.received_at.type), literal(after[1]))
        query = query.where(tuple_(InboxItem.received_at, InboxItem.delivery_id) > place)
    query = query.order_by(InboxItem.received_at, InboxItem.delivery_id).limit(limit)
    ids = _that_fit((tuple(row) for row in session.execute(query)), most_bytes)
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


def _that_fit(sizes: Iterable[tuple[str, int]], most_bytes: int) -> list[str]:
    found: list[str] = []
    for delivery_id, size in sizes:
        most_bytes -= size
        if found and most_bytes < 0:
            break
        found.append(delivery_id)
    return found
