"""Writes of alert state. The caller's session also enqueues the notifications (storage.outbox), in one transaction."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from db.enums import AlertState, RuleKind, Severity
from db.models import Alert
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.targets import AlertTarget


@dataclass(frozen=True)
class AlertScope:
    """What a new alert is about. `workflow_id` is null for a rule over a whole repository. `target` is the key of rule
    and target (AlertTarget.key), of which at most one alert fires; null: the key of the workflow or the repository."""

    repository_id: int
    workflow_id: int | None
    rule: RuleKind
    branch: str | None = None
    rule_id: int | None = None
    rule_name: str | None = None
    severity: Severity = Severity.CRITICAL
    target: str | None = None


def open_alert(
    session: Session,
    scope: AlertScope,
    threshold: str,
    detail: AlertDetail,
    now: datetime,
    *,
    silenced_until: datetime | None = None,
) -> int:
    """Stores a firing alert and returns its id."""
    target = scope.target or AlertTarget(scope.repository_id, "", scope.workflow_id).key(scope.rule_id)
    alert = Alert(
        repository_id=scope.repository_id,
        workflow_id=scope.workflow_id,
        rule=scope.rule,
        threshold=threshold,
        state=AlertState.FIRING,
        opened_at=now,
        detail=detail.to_dict(),
        branch=scope.branch,
        rule_id=scope.rule_id,
        rule_name=scope.rule_name,
        severity=scope.severity,
        target=target,
        silenced_until=silenced_until,
    )
    session.add(alert)
    session.flush()
    return alert.id


def update_detail(session: Session, alert_id: int, detail: AlertDetail) -> None:
    session.execute(update(Alert).where(Alert.id == alert_id).values(detail=detail.to_dict()))


def resolve_alert(session: Session, alert_id: int, detail: AlertDetail, now: datetime) -> bool:
    """False if the alert was already resolved."""
    query = update(Alert).where(Alert.id == alert_id, Alert.state == AlertState.FIRING)
    query = query.values(state=AlertState.RESOLVED, resolved_at=now, detail=detail.to_dict())
    return bool(session.execute(query).rowcount == 1)  # type: ignore[attr-defined]


def mark_notified(session: Session, alert_ids: Collection[int], now: datetime, *, group_id: int | None = None) -> None:
    """Stores the time of the last notification; with `group_id` for alerts that were sent in one message."""
    values: dict[str, Any] = {"notified_at": now} | ({"group_id": group_id} if group_id is not None else {})
    session.execute(update(Alert).where(Alert.id.in_(list(alert_ids))).values(values))


def acknowledge(session: Session, alert_id: int, by: str, comment: str, now: datetime) -> bool:
    """Stores the latest acknowledgement, which stops repeats until the alert resolves. False if the alert does not
    fire."""
    query = update(Alert).where(Alert.id == alert_id, Alert.state == AlertState.FIRING)
    query = query.values(acknowledged_at=now, acknowledged_by=by, acknowledged_comment=comment)
    return bool(session.execute(query).rowcount == 1)  # type: ignore[attr-defined]


def set_silenced_until(session: Session, alert_id: int, until: datetime | None) -> None:
    session.execute(update(Alert).where(Alert.id == alert_id).values(silenced_until=until))
