"""The timeline of one alert: what happened to it, in order, from its row, its notifications, silences and the audit
trail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.audit import AuditFilter, AuditRow, audit_page, subject_events
from db.enums import AuditAction, AuditSubject
from db.models import Alert, AlertSilence, Notification
from health.alerts.rules.targets import Silence
from health.alerts.storage.alert_queries import AlertRow
from health.alerts.storage.notification_queries import NotificationRow
from health.alerts.storage.silences import visible_silence

# An alert that fires for months has thousands of reminders.
MAX_NOTIFICATIONS, _MAX_SILENCES = 500, 500


class TimelineKind(StrEnum):
    """In the order in which entries of the same time are listed."""

    OPENED = "opened"
    SILENCED = "silenced"
    NOTIFIED = "notified"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    SILENCE_ENDED = "silence_ended"
    RESOLVED = "resolved"


_RANKS = {kind: rank for rank, kind in enumerate(TimelineKind)}
_OF_ACTION: dict[str, TimelineKind] = {
    AuditAction.ACKNOWLEDGED: TimelineKind.ACKNOWLEDGED,
    AuditAction.UNACKNOWLEDGED: TimelineKind.UNACKNOWLEDGED,
    AuditAction.ASSIGNED: TimelineKind.ASSIGNED,
    AuditAction.UNASSIGNED: TimelineKind.UNASSIGNED,
}


@dataclass(frozen=True)
class TimelineEntry:
    """`by`: the person; null where the collector acts. `text`: a comment, the assignee, or why the alert was resolved.
    `delivery`: of NOTIFIED; `at` is when it was sent, or when it was written if it was not sent. `silence_id` and
    `until`: of SILENCED, with the end of the silence."""

    at: datetime
    kind: TimelineKind
    by: str | None = None
    text: str = ""
    delivery: NotificationRow | None = None
    silence_id: int | None = None
    until: datetime | None = None


def alert_timeline(session: Session, alert: AlertRow, now: datetime) -> list[TimelineEntry]:
    """All entries up to `now`, oldest first; at most the newest 500 notifications."""
    entries = [
        TimelineEntry(alert.opened_at, TimelineKind.OPENED, text=alert.rule_name or ""),
        *(_notified(row) for row in _notifications(session, alert)),
        *_actions(alert, subject_events(session, AuditSubject.ALERT, alert.id)),
        *_silences(session, alert, now),
    ]
    if alert.resolved_at:
        entries.append(TimelineEntry(alert.resolved_at, TimelineKind.RESOLVED, text=alert.detail.reason or ""))
    return sorted(entries, key=_position)


def _position(entry: TimelineEntry) -> tuple[datetime, int, int]:
    return entry.at, _RANKS[entry.kind], entry.delivery.id if entry.delivery else 0


def _notified(row: NotificationRow) -> TimelineEntry:
    return TimelineEntry(row.sent_at or row.created_at, TimelineKind.NOTIFIED, delivery=row)


def _notifications(session: Session, alert: AlertRow) -> list[NotificationRow]:
    """The notifications about the alert, also those that several alerts share, which are rows of another alert of the
    same rule."""
    same_rule = (
        (Alert.rule == alert.rule) & (Alert.rule_name == alert.rule_name)
        if alert.rule_id is None
        else Alert.rule_id == alert.rule_id
    )
    shared = select(Alert.id).where(same_rule, Alert.id < alert.id)
    query = (
        select(Notification)
        .where(
            or_(Notification.alert_id == alert.id, Notification.alert_id.in_(shared)),
            Notification.created_at >= alert.opened_at,
        )
        .order_by(Notification.id.desc())
        .limit(4 * MAX_NOTIFICATIONS)
    )
    names = NotificationRow.__dataclass_fields__
    rows = [
        NotificationRow(**{name: getattr(row, name) for name in names})
        for row in session.scalars(query.execution_options(populate_existing=True))
        if alert.id in (row.alert_ids or [row.alert_id])
    ]
    return rows[:MAX_NOTIFICATIONS]


def _actions(alert: AlertRow, events: Sequence[AuditRow]) -> Iterator[TimelineEntry]:
    """The acknowledgements and assignments. Those of the row that no event describes are from a version without an
    audit trail, or the event was deleted by retention."""
    times = set()
    for event in events:
        kind = _OF_ACTION.get(event.action)
        if kind is None:
            continue
        times.add((kind, event.at))
        after = event.after or {}
        by = after.get("by") or event.actor
        text = after.get("comment") if kind is TimelineKind.ACKNOWLEDGED else after.get("assignee")
        yield TimelineEntry(event.at, kind, str(by), str(text or ""))
    if alert.acknowledged_at and (TimelineKind.ACKNOWLEDGED, alert.acknowledged_at) not in times:
        by, comment = alert.acknowledged_by, alert.acknowledged_comment
        yield TimelineEntry(alert.acknowledged_at, TimelineKind.ACKNOWLEDGED, by, comment or "")
    if alert.assigned_at and (TimelineKind.ASSIGNED, alert.assigned_at) not in times:
        yield TimelineEntry(alert.assigned_at, TimelineKind.ASSIGNED, alert.assigned_by, alert.assignee or "")


def _silences(session: Session, alert: AlertRow, now: datetime) -> Iterator[TimelineEntry]:
    """The silences that covered the alert while it fired."""
    end = min(alert.resolved_at or now, now)
    query = (
        select(AlertSilence)
        .where(AlertSilence.starts_at < end, AlertSilence.ends_at > alert.opened_at)
        .order_by(AlertSilence.id.desc())
        .limit(_MAX_SILENCES)
    )
    stored = session.scalars(query.execution_options(populate_existing=True)).all()
    rows = [silence for row in stored if (silence := visible_silence(session, row))]
    covering = [row for row in rows if row.covers(alert.rule_id, alert.repo, alert.workflow, alert.branch)]
    ended_by = _ended_by(session, [row for row in covering if row.ends_at <= end])
    for silence in covering:
        at = max(silence.starts_at, alert.opened_at)
        yield TimelineEntry(
            at, TimelineKind.SILENCED, silence.author, silence.comment, silence_id=silence.id, until=silence.ends_at
        )
        if silence.ends_at <= end:
            by = ended_by.get(silence.id)
            yield TimelineEntry(silence.ends_at, TimelineKind.SILENCE_ENDED, by, silence_id=silence.id)


def _ended_by(session: Session, silences: Sequence[Silence]) -> dict[int, str]:
    """Who ended them before their time."""
    if not silences:
        return {}
    ids = tuple(str(silence.id) for silence in silences)
    filters = AuditFilter((AuditSubject.SILENCE,), ids, actions=(AuditAction.ENDED,))
    return {int(event.subject_id): event.actor for event in audit_page(session, filters, limit=_MAX_SILENCES).items}
