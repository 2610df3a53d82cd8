"""Writing alerts. State and messages (db.store.outbox) are written in one transaction by the caller's session.

Writing silences. Alerts that fire show at once what a new or ended silence means for them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.enums import AlertState, RuleKind, Severity
from db.models import Alert, AlertSilence, Repository, Workflow
from health.alerts.rules.targets import AlertTarget, Patterns, Quiet, silenced_until
from health.alerts.storage.outbox import (
    ClaimedNotification,
    claim_due_notifications,
    enqueue,
    expire_unconfigured_channels,
    mark_failed,
    mark_sent,
)

__all__ = [
    "AlertScope",
    "ClaimedNotification",
    "acknowledge",
    "claim_due_notifications",
    "expire_unconfigured_channels",
    "enqueue",
    "mark_failed",
    "mark_sent",
    "mark_notified",
    "open_alert",
    "resolve_alert",
    "update_detail",
]


@dataclass(frozen=True)
class AlertScope:
    """What an alert is about; `workflow_id` is null for a rule over a whole repository. `target` names rule and place:
    at most one alert of it fires; null: the workflow or the repository."""

    repository_id: int
    workflow_id: int | None
    rule: RuleKind
    branch: str | None = None
    rule_id: int | None = None
    rule_name: str | None = None
    severity: Severity = Severity.CRITICAL
    target: str | None = None


def open_alert(
    session: Session, scope: AlertScope, threshold: str, detail: dict[str, Any], now: datetime, *,
    silenced_until: datetime | None = None,
) -> int:  # fmt: skip
    target = scope.target or AlertTarget(scope.repository_id, "", scope.workflow_id).target(scope.rule_id)
    alert = Alert(
        repository_id=scope.repository_id, workflow_id=scope.workflow_id, rule=scope.rule, threshold=threshold,
        state=AlertState.FIRING, opened_at=now, detail=detail, branch=scope.branch, rule_id=scope.rule_id,
        rule_name=scope.rule_name, severity=scope.severity, target=target, silenced_until=silenced_until,
    )  # fmt: skip
    session.add(alert)
    session.flush()
    return alert.id


def update_detail(session: Session, alert_id: int, detail: dict[str, Any]) -> None:
    session.execute(update(Alert).where(Alert.id == alert_id).values(detail=detail))


def resolve_alert(session: Session, alert_id: int, detail: dict[str, Any], now: datetime) -> bool:
    """False when somebody else resolved it before."""
    query = update(Alert).where(Alert.id == alert_id, Alert.state == AlertState.FIRING)
    query = query.values(state=AlertState.RESOLVED, resolved_at=now, detail=detail)
    return bool(session.execute(query).rowcount == 1)  # type: ignore[attr-defined]


def mark_notified(session: Session, alert_ids: Collection[int], now: datetime, *, group_id: int | None = None) -> None:
    """People were told of these, in one message where a group is named."""
    values: dict[str, Any] = {"notified_at": now} | ({"group_id": group_id} if group_id is not None else {})
    session.execute(update(Alert).where(Alert.id.in_(list(alert_ids))).values(values))


def acknowledge(session: Session, alert_id: int, by: str, comment: str, now: datetime) -> bool:
    """No repeats until it is over. Who says so last stands there. False where it does not fire (any more)."""
    query = update(Alert).where(Alert.id == alert_id, Alert.state == AlertState.FIRING)
    query = query.values(acknowledged_at=now, acknowledged_by=by, acknowledged_comment=comment)
    return bool(session.execute(query).rowcount == 1)  # type: ignore[attr-defined]


def add_silence(
    session: Session, scope: Patterns, rule_id: int | None, starts_at: datetime, ends_at: datetime, *, comment: str,
    author: str, now: datetime,
) -> int:  # fmt: skip
    row = AlertSilence(
        repos=list(scope.repos), workflows=list(scope.workflows), branches=list(scope.branches), rule_id=rule_id,
        starts_at=starts_at, ends_at=ends_at, comment=comment, author=author, created_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    apply_silences(session, now)
    return row.id


def end_silence(session: Session, silence_id: int, now: datetime) -> bool:
    """Ends it now; one that has not begun never will. False where there is none, or it is over."""
    row = session.scalar(select(AlertSilence).where(AlertSilence.id == silence_id).with_for_update())
    if row is None or row.ends_at <= now:
        return False
    row.ends_at = now
    row.starts_at = min(row.starts_at, now)
    session.flush()
    apply_silences(session, now)
    return True


def apply_silences(session: Session, now: datetime) -> None:
    """What fires and has no silence any more keeps the moment at which it ended: the next evaluation tells of it."""
    silences = [_silence(row) for row in session.scalars(select(AlertSilence).where(AlertSilence.ends_at > now))]
    of_workflow = (Workflow.repository_id == Alert.repository_id) & (Workflow.id == Alert.workflow_id)
    firing = (
        select(Alert, Repository.full_name, Workflow.name)
        .join(Repository, Repository.id == Alert.repository_id)
        .join(Workflow, of_workflow, isouter=True)
        .where(Alert.state == AlertState.FIRING)
    )
    for alert, repo, workflow in session.execute(firing):
        until = silenced_until(silences, alert.rule_id, repo, workflow, alert.branch, now)
        if until is None and alert.silenced_until and alert.silenced_until > now:
            until = now
        if until:
            alert.silenced_until = until
    session.flush()


def set_silenced_until(session: Session, alert_id: int, until: datetime | None) -> None:
    session.execute(update(Alert).where(Alert.id == alert_id).values(silenced_until=until))


def _silence(row: AlertSilence) -> Quiet:
    scope = Patterns(tuple(row.repos), tuple(row.workflows), tuple(row.branches))
    return Quiet(row.id, scope, row.rule_id, row.starts_at, row.ends_at, row.comment, row.author, row.created_at)
