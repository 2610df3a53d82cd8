"""Queries of the notifications of alerts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.enums import DeliveryState
from db.models import Alert, Notification, Repository
from health.alerts.storage.outbox_plan import TEST

# Notifications of one alert in a list of alerts.
MAX_DELIVERIES = 100
# Notifications given up that a page lists.
MAX_DEAD = 50


@dataclass(frozen=True)
class NotificationRow:
    """`note`: a problem with a notification that was accepted. `merged_into`: the notification that contains this
    one."""

    id: int
    channel: str
    reason: str
    state: str
    tries: int
    created_at: datetime
    sent_at: datetime | None
    error: str | None
    note: str | None
    merged_into: int | None


@dataclass(frozen=True)
class DeadNotification:
    """A notification that was given up. `alert_id` and `repo` are null for a test message."""

    id: int
    alert_id: int | None
    repo: str | None
    channel: str
    reason: str
    tries: int
    created_at: datetime
    error: str | None
    subject: str


def dead_notifications(session: Session, since: datetime, *, limit: int = MAX_DEAD) -> list[DeadNotification]:
    """Notifications created since then and given up, newest first."""
    query = (
        select(Notification, Repository.full_name)
        .join(Alert, Alert.id == Notification.alert_id, isouter=True)
        .join(Repository, Repository.id == Alert.repository_id, isouter=True)
        .where(Notification.state == DeliveryState.DEAD, Notification.created_at >= since)
        .order_by(Notification.created_at.desc(), Notification.id.desc())
        .limit(limit)
    )
    return [
        DeadNotification(
            row.id,
            row.alert_id,
            repo,
            row.channel,
            row.reason,
            row.tries,
            row.created_at,
            row.error,
            str(row.message.get("subject", "")),
        )
        for row, repo in session.execute(query)
    ]


def latest_test_notifications(session: Session) -> dict[str, NotificationRow]:
    """The latest test message of each channel."""
    query = select(Notification).where(Notification.alert_id.is_(None), Notification.reason == TEST)
    query = query.order_by(Notification.id.desc()).limit(50)
    latest: dict[str, NotificationRow] = {}
    for row in session.scalars(query.execution_options(populate_existing=True)):
        latest.setdefault(row.channel, _row(row))
    return latest


def list_deliveries(session: Session, alert_ids: list[int]) -> dict[int, tuple[list[NotificationRow], int]]:
    """The newest notifications of each alert, oldest first, and the number of all. Both are bounded per alert, because
    an alert that fires for months has thousands of repeats."""
    columns: list[Any] = [getattr(Notification, name) for name in NotificationRow.__dataclass_fields__]
    total = func.count().over(partition_by=Notification.alert_id).label("total")
    newer = func.row_number().over(partition_by=Notification.alert_id, order_by=Notification.id.desc()).label("newer")
    listed = (
        select(Notification.alert_id, total, newer, *columns).where(Notification.alert_id.in_(alert_ids)).subquery().c
    )
    query = select(listed.alert_id, listed.total, *(listed[column.key] for column in columns))
    deliveries: dict[int, tuple[list[NotificationRow], int]] = {}
    for row in session.execute(query.where(listed.newer <= MAX_DELIVERIES).order_by(listed.id)):
        deliveries.setdefault(row[0] or 0, ([], row[1]))[0].append(NotificationRow(*row[2:]))
    return deliveries


def _row(row: Notification) -> NotificationRow:
    return NotificationRow(
        row.id,
        row.channel,
        row.reason,
        row.state,
        row.tries,
        row.created_at,
        row.sent_at,
        row.error,
        row.note,
        row.merged_into,
    )
